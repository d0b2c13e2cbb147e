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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, overload, runtime_checkable

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
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


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


class Keys(Sequence[str]):
    """The keys of all images at one operating point: made when they are asked for, since those of a large run would
    fill memory.

    before: the hashes that the keys are made from, one an image. name: the name they have in what is hashed, which
    comes last among its names. fixed: the rest of what is hashed.

    >>> Keys(["0a"], "pixels", {"codec": {"q": 1}})[0] == key_of({"pixels": "0a", "codec": {"q": 1}})
    True
    """

    def __init__(self, before: Sequence[str], name: str, fixed: Mapping[str, Any]) -> None:
        start, self._end = _canonical({**fixed, name: "?"}).rsplit("?", 1)
        if name != max(name, *fixed):
            raise ValueError(f"the name {name!r} comes before others among {', '.join(fixed)}")
        self.before, self.name, self.fixed = before, name, fixed
        self._hashed = hashlib.sha256(start.encode())

    def __len__(self) -> int:
        return len(self.before)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Keys: ...
    def __getitem__(self, place: int | slice) -> str | Keys:
        return self.at(range(len(self))[place]) if isinstance(place, slice) else self._key(self.before[place])

    def at(self, places: Sequence[int]) -> Keys:
        """The keys of the images at these places."""
        kept = self.before.at(places) if isinstance(self.before, Keys) else [self.before[place] for place in places]
        return Keys(kept, self.name, self.fixed)

    def __iter__(self) -> Iterator[str]:
        return map(self._key, self.before)

    def __reduce__(self) -> tuple[Any, ...]:
        return Keys, (self.before, self.name, self.fixed)

    def _key(self, before: str) -> str:
        digest = self._hashed.copy()
        digest.update(f"{before}{self._end}".encode())
        return digest.hexdigest()


def stream_keys(pixels: Sequence[str], codec: Mapping[str, Any]) -> Keys:
    """The keys of images' streams. pixels: their sha256. codec: its identity."""
    return Keys(pixels, "pixels", {"codec": codec})


def prediction_keys(streams: Sequence[str], route: str, head: Mapping[str, Any]) -> Keys:
    """The keys of a head's predictions. streams: the keys of what it reads. head: its identity."""
    return Keys(streams, "stream", {"route": route, "head": head})


def regions_sha256(regions: Sequence[Sequence[int]] | None) -> str:
    """The hash of the regions that are cut out of an image, in hex; empty where it is taken whole."""
    return "" if regions is None else key_of([list(region) for region in regions])


def read_keys(streams: Sequence[str], regions: Sequence[str]) -> Sequence[str]:
    """What a classifier reads of each image, as its prediction keys take it: the stream, with the regions that are cut
    out of it; the streams alone where images are taken whole.

    regions: the hashes of each image's, as ``regions_sha256`` gives them; empty where no image has any.
    """
    if not any(regions):
        return streams
    return [
        key_of({"stream": key, "regions": sha256}) if sha256 else key
        for key, sha256 in zip(streams, regions, strict=True)
    ]


def stream_key(pixels: str, codec: Mapping[str, Any]) -> str:
    """The key of one image's stream. Arguments as of ``stream_keys``."""
    return stream_keys([pixels], codec)[0]


def prediction_key(stream: str, route: str, head: Mapping[str, Any]) -> str:
    """The key of one prediction. Arguments as of ``prediction_keys``."""
    return prediction_keys([stream], route, head)[0]


def score_key(predictions: Sequence[str], metric: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    """The key of a metric's scores. predictions: their keys in the order of the images. metric, truth: identities."""
    return key_of({"predictions": list(predictions), "metric": metric, "truth": truth})


def samples_key(score: str, draws: Mapping[str, Any]) -> str:
    """The key of a score's values on the resamples of a bootstrap. score: its key. draws: the bootstrap's identity."""
    return key_of({"score": score, "draws": draws})
