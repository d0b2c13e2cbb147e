"""Names for results by what they were made from: a hash of canonical JSON, so equal work has an equal key.

stream      image pixels + codec identity
prediction  stream + route + head identity
score       predictions, in order + metric identity + truth
samples     score + the draws of its bootstrap
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hsc.registry import config


def key_of(value: Any) -> str:
    """The sha256, in hex, of ``value`` as canonical JSON (sorted keys, no spaces).

    >>> key_of({"b": 1, "a": (2,)}) == key_of({"a": [2], "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(item: Any) -> dict[str, Any]:
    """What a plug-in is: its name, its whole config, and the versions and hashes that decide its output."""
    name = getattr(item, "spec_name", type(item).__name__)
    return {"name": name, "config": config(item), "provenance": dict(item.provenance())}


def stream_key(pixels: str, codec: Mapping[str, Any]) -> str:
    return key_of({"pixels": pixels, "codec": codec})


def prediction_key(stream: str, route: str, head: Mapping[str, Any]) -> str:
    return key_of({"stream": stream, "route": route, "head": head})


def score_key(predictions: Sequence[str], metric: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    return key_of({"predictions": list(predictions), "metric": metric, "truth": truth})


def samples_key(score: str, draws: Mapping[str, Any]) -> str:
    return key_of({"score": score, "draws": draws})
