"""Names for results by what they were made from: a hash of canonical JSON, so equal work has an equal key.

stream      image pixels + codec identity
prediction  stream + route + head identity
score       predictions, in order + metric identity + truth
samples     score + the draws of its bootstrap
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.plugin_source import source_sha256
from hsc.registry import config

_STATED = frozenset({"code", "version"})


def key_of(value: Any) -> str:
    """The sha256, in hex, of ``value`` as canonical JSON (sorted keys, no spaces).

    >>> key_of({"b": 1, "a": (2,)}) == key_of({"a": [2], "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(item: Any) -> dict[str, Any]:
    """What a plug-in is: its name, its whole config, and the versions and hashes that decide its output.

    A plug-in of others that states neither "code" nor "version" is known by its source
    (``benchmarks/harness/plugin_source.py``).
    """
    name = getattr(item, "spec_name", type(item).__name__)
    return {"name": name, "config": config(item), "provenance": provenance_of(item)}


def provenance_of(item: Any) -> dict[str, Any]:
    """The versions and hashes that decide a plug-in's output: its own, and where it states no version the hash of its
    source.

    Raises:
        DataError: its source cannot be read.
    """
    facts = dict(item.provenance())
    sha256 = "" if _STATED.intersection(facts) else source_sha256(type(item))
    return {**facts, "source_sha256": sha256} if sha256 else facts


def metric_identity(metric: Any) -> dict[str, Any]:
    """What a metric is: its name and version, its config where it has any, and its source where it is not one of ours.

    Raises:
        DataError: as ``provenance_of``.
    """
    known = {"name": getattr(metric, "spec_name", ""), "version": metric.version}
    fields = config(metric) if dataclasses.is_dataclass(metric) else {}
    sha256 = source_sha256(type(metric))
    return {**known, **({"config": fields} if fields else {}), **({"source_sha256": sha256} if sha256 else {})}


def stream_key(pixels: str, codec: Mapping[str, Any]) -> str:
    return key_of({"pixels": pixels, "codec": codec})


def prediction_key(stream: str, route: str, head: Mapping[str, Any]) -> str:
    return key_of({"stream": stream, "route": route, "head": head})


def score_key(predictions: Sequence[str], metric: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    return key_of({"predictions": list(predictions), "metric": metric, "truth": truth})


def samples_key(score: str, draws: Mapping[str, Any]) -> str:
    return key_of({"score": score, "draws": draws})
