"""The settings that decide a run's numbers, of a run that is to begin and of one in a folder, and how two runs differ.

    Config   --settings_of_config--> Settings --+
                                                +--differences--> ["images: 12 there, 100 now", ...]
    run.json --settings_of_run-----> Settings --+

Versions of code and libraries are no settings: the same settings may give other numbers tomorrow.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.api import METRICS, RATES
from benchmarks.harness.config import Config
from benchmarks.harness.guard import guarded, why_unavailable
from benchmarks.harness.keys import registered_name
from benchmarks.stats.noise_floor import SECOND
from hsc.errors import HscError
from hsc.registry import config, format_value


@dataclass(frozen=True)
class Settings:
    """What decides a run's numbers.

    dataset, dataset_config: its registered name and all its fields. images: how many, None where that is not known.
    values: further settings by the noun that messages name them with. codecs, heads, metrics: their labels, of those
    that are skipped too. points: the codec's fields by curve (its label, and "second" for a second ladder) and point.
    routes: by head, empty for heads that are skipped.
    """

    task: str
    dataset: str
    dataset_config: Mapping[str, Any]
    images: int | None
    values: Mapping[str, Any]
    codecs: frozenset[str]
    heads: frozenset[str]
    metrics: frozenset[str]
    points: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    routes: Mapping[str, frozenset[str]] = field(default_factory=dict)


def settings_of_config(run: Config) -> Settings:
    """The settings of a run before it begins. Points that a search for rates will find are left out."""
    points: dict[tuple[str, str], dict[str, Any]] = {}
    for curve in run.curves if not run.match_bpp else ():
        key = (curve.second_of or curve.label, SECOND if curve.second_of else "")
        points[key] = {point.label: _plain(config(point.codec)) for point in curve.points}
    routes: dict[str, set[str]] = {}
    for reader in run.readers:
        routes.setdefault(reader.label, set()).add(reader.route)
    return Settings(
        registered_name(run.task),
        registered_name(run.dataset) or type(run.dataset).__name__,
        _plain(config(run.dataset)),
        _image_count(run),
        _values(run.anchors, run.seed, run.resamples, run.match_bpp, [str(RATES.spec(rate)) for rate in run.rates]),
        frozenset(curve.label for curve in run.curves if not curve.second_of),
        frozenset(routes),
        frozenset(str(METRICS.spec(metric)) for metric in run.metrics),
        points,
        {label: frozenset(names) for label, names in routes.items()},
    )


def settings_of_run(about: Mapping[str, Any]) -> Settings:
    """The settings of a finished run. about: its ``run.json``."""
    matched = about.get("match_bpp", ())
    points: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in about["cells"].values() if not matched else ():
        if "head" not in cell:
            key = (cell["curve"], cell.get("ladder", ""))
            points.setdefault(key, {})[cell["point"]] = cell["codec"]["config"]
    routes: dict[str, set[str]] = {}
    for head in about.get("heads", ()):
        routes.setdefault(head["label"], set()).add(head["route"])
    codecs = {cell["curve"] for cell in about["cells"].values()} | set(about["skipped"])
    return Settings(
        about["task"]["name"],
        about["dataset"]["name"],
        about["dataset"]["config"],
        len(about["dataset"]["images"]),
        _values(about["anchors"], about["seed"], about["resamples"], matched, about.get("rates", ())),
        frozenset(codecs),
        frozenset({*routes, *about["skipped_heads"]}),
        frozenset(about.get("metrics", ())),
        points,
        {label: frozenset(names) for label, names in routes.items()},
    )


def differences(first: Settings, second: Settings, where: tuple[str, str] = ("there", "now")) -> list[str]:
    """What differs between the settings of two runs, a phrase each; empty if nothing does.

    where: how the phrases name the two runs, as in "images: 12 there, 100 now".
    """
    return list(_Pair(first, second, where).differences())


class _Pair(NamedTuple):
    """Two runs. where: how phrases name them."""

    first: Settings
    second: Settings
    where: tuple[str, str]

    def differences(self) -> Iterator[str]:
        first, second = self.first, self.second
        yield from self.values("task", first.task, second.task)
        yield from self.values("data set", first.dataset, second.dataset)
        if first.dataset == second.dataset:
            yield from self.fields(first.dataset, first.dataset_config, second.dataset_config)
        if first.images is not None and second.images is not None:
            yield from self.values("images", first.images, second.images)
        yield from self.labels("codec", first.codecs, second.codecs)
        for curve in sorted(set(first.points) & set(second.points)):
            yield from self.points(curve)
        yield from self.values("noise floor", self._floor(first), self._floor(second))
        yield from self.labels("head", first.heads, second.heads)
        for head in sorted(set(first.routes) & set(second.routes)):
            routes = [", ".join(sorted(run.routes[head])) for run in (first, second)]
            yield from self.values(f"routes of {head}", *routes)
        yield from self.labels("metric", first.metrics, second.metrics)
        for noun, value in first.values.items():
            yield from self.values(noun, value, second.values[noun])

    def values(self, noun: str, first: Any, second: Any) -> Iterator[str]:
        if first != second:
            yield f"{noun}: {_text(first)} {self.where[0]}, {_text(second)} {self.where[1]}"

    def labels(self, noun: str, first: Collection[str], second: Collection[str]) -> Iterator[str]:
        for where, labels in zip(self.where, (set(first) - set(second), set(second) - set(first)), strict=True):
            if labels:
                yield f"{noun}{'s' * (len(labels) > 1)} only {where}: {', '.join(sorted(labels))}"

    def fields(self, owner: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
        for name in sorted(first.keys() & second.keys()):
            yield from self.values(f"{owner}'s {name}", first[name], second[name])

    def points(self, curve: tuple[str, str]) -> Iterator[str]:
        label = f"{curve[0]}, second ladder" if curve[1] else curve[0]
        first, second = self.first.points[curve], self.second.points[curve]
        for where, points in zip(self.where, (set(first) - set(second), set(second) - set(first)), strict=True):
            if points:
                yield f"operating points of {label} only {where}: {', '.join(sorted(points))}"
        for point in first.keys() & second.keys():
            if first[point] != second[point]:
                yield from self.fields(label, first[point], second[point])
                return  # a setting that is no part of the label, as a described program's, is that of all points

    def _floor(self, run: Settings) -> str:
        """Whether the noise floor is measured, on a codec that both runs have."""
        both = self.first.codecs & self.second.codecs
        return "measured" if any(ladder and label in both for label, ladder in run.points) else "not measured"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(format_value(item) if not isinstance(item, str) else item for item in value) or "none"
    return "none" if value in (None, "") else str(value)


def _values(anchors: Any, seed: int, resamples: int, match_bpp: Any, rates: Any) -> dict[str, Any]:
    return {
        "anchors": list(anchors),
        "seed": seed,
        "resamples": resamples,
        "rates to match (bpp)": [float(rate) for rate in match_bpp],
        "rate definitions": list(rates),
    }


def _image_count(run: Config) -> int | None:
    """How many images the run reads; None where the data set cannot say before it is fetched."""
    try:
        if why_unavailable(run.dataset):
            return None
        count = guarded(len, run.dataset)
    except HscError:
        return None
    return min(run.limit or count, count)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as ``run.json`` holds them."""
    fields: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return fields
