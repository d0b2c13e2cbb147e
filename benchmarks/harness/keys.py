"""Keys of results: a hash of canonical JSON over all that a result was made from, so equal work has an equal key.

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
from typing import Any, Protocol, runtime_checkable

from benchmarks.harness.guard import guarded
from benchmarks.harness.plugin_source import source_sha256
from hsc.errors import PluginError
from hsc.registry import config

_STATED = frozenset({"code", "version"})
"""Provenance facts that make a hash of the plug-in's source unnecessary."""


@runtime_checkable
class Registered(Protocol):
    """A plug-in that a registry knows. spec_name: the name it is registered under."""

    spec_name: str


def registered_name(item: Any) -> str:
    """The name that a plug-in is registered under, empty for a ready object of a class that is not registered."""
    return item.spec_name if isinstance(item, Registered) else ""


def key_of(value: Any) -> str:
    """The sha256, in hex, of ``value`` as canonical JSON (sorted keys, no spaces).

    >>> key_of({"b": 1, "a": (2,)}) == key_of({"a": [2], "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(item: Any) -> dict[str, Any]:
    """The identity of a plug-in: its name, its whole config, and the versions and hashes that decide its output.

    A plug-in of others that states neither "code" nor "version" is identified by a hash of its source
    (``benchmarks/harness/plugin_source.py``).

    Raises:
        DataError: as ``provenance_of``.
    """
    name = registered_name(item) or type(item).__name__
    return {"name": name, "config": config(item), "provenance": provenance_of(item)}


def steady_identity(item: Any) -> dict[str, Any]:
    """The identity of a plug-in, asked for twice, since results are found again by it.

    Raises:
        PluginError: its provenance breaks, holds values that are no JSON, or differs from one call to the next.
    """
    first, again = guarded(identity, item), guarded(identity, item)
    if guarded(key_of, first) != guarded(key_of, again):
        raise PluginError(
            "its provenance() gives another answer each time it is asked, so none of its results could be found again "
            "by a key; make it depend on the config and the weights alone"
        )
    return first


def provenance_of(item: Any) -> dict[str, Any]:
    """The versions and hashes that decide a plug-in's output; a hash of its source where it states no version.

    Raises:
        DataError: its source cannot be read.
    """
    facts = dict(item.provenance())
    sha256 = "" if _STATED.intersection(facts) else source_sha256(type(item))
    return {**facts, "source_sha256": sha256} if sha256 else facts


def metric_identity(metric: Any) -> dict[str, Any]:
    """The identity of a metric: name and version, its config if it has any, a hash of its source if it is not ours.

    Raises:
        DataError: as ``provenance_of``.
    """
    known = {"name": registered_name(metric), "version": metric.version}
    fields = config(metric) if dataclasses.is_dataclass(metric) else {}
    sha256 = source_sha256(type(metric))
    return {**known, **({"config": fields} if fields else {}), **({"source_sha256": sha256} if sha256 else {})}


def stream_key(pixels: str, codec: Mapping[str, Any]) -> str:
    """The key of an image's stream. pixels: their sha256. codec: its identity."""
    return key_of({"pixels": pixels, "codec": codec})


def prediction_key(stream: str, route: str, head: Mapping[str, Any]) -> str:
    """The key of a head's prediction. stream: the key of what it reads. head: its identity."""
    return key_of({"stream": stream, "route": route, "head": head})


def score_key(predictions: Sequence[str], metric: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    """The key of a metric's scores. predictions: their keys in the order of the images. metric, truth: identities."""
    return key_of({"predictions": list(predictions), "metric": metric, "truth": truth})


def samples_key(score: str, draws: Mapping[str, Any]) -> str:
    """The key of a score's values on the resamples of a bootstrap. score: its key. draws: the bootstrap's identity."""
    return key_of({"score": score, "draws": draws})
