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
from typing import Any

from benchmarks.api import METRICS
from benchmarks.harness.config import Config
from benchmarks.harness.guard import guarded, why_unavailable
from benchmarks.harness.keys import registered_name
from benchmarks.stats.noise_floor import SECOND
from hsc.errors import HscError
from hsc.registry import config, format_value

_HEAD = "head "
"""What the reason of a skipped head begins with in run.json, before its label."""


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
        _values(run.anchors, run.seed, run.resamples, run.match_bpp),
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
    skipped = list(about["skipped"])
    codecs = {cell["curve"] for cell in about["cells"].values()}
    codecs |= {label for label in skipped if not label.startswith(_HEAD)}
    heads = {*routes, *(label.removeprefix(_HEAD) for label in skipped if label.startswith(_HEAD))}
    return Settings(
        about["task"]["name"],
        about["dataset"]["name"],
        about["dataset"]["config"],
        len(about["dataset"]["images"]),
        _values(about["anchors"], about["seed"], about["resamples"], matched),
        frozenset(codecs),
        frozenset(heads),
        frozenset(about.get("metrics", ())),
        points,
        {label: frozenset(names) for label, names in routes.items()},
    )


def differences(there: Settings, now: Settings) -> list[str]:
    """What differs between a folder's run and the one that is to be written there, a phrase each; empty if nothing."""
    return list(_differences(there, now))


def _differences(there: Settings, now: Settings) -> Iterator[str]:
    yield from _changed("task", there.task, now.task)
    yield from _changed("data set", there.dataset, now.dataset)
    if there.dataset == now.dataset:
        yield from _changed_fields(f"{now.dataset}'s ", there.dataset_config, now.dataset_config)
    if None not in (there.images, now.images):
        yield from _changed("images", there.images, now.images)
    yield from _changed_labels("codec", there.codecs, now.codecs)
    for curve in sorted(set(there.points) & set(now.points)):
        yield from _changed_points(curve, there.points[curve], now.points[curve])
    seconds = [
        {curve for curve in run.points if curve[1] and curve[0] in there.codecs & now.codecs} for run in (there, now)
    ]
    if (none_there := not seconds[0]) != (not seconds[1]):
        yield f"noise floor: {'not measured there' if none_there else 'measured there, not now'}"
    yield from _changed_labels("head", there.heads, now.heads)
    for head in sorted(set(there.routes) & set(now.routes)):
        routes = (", ".join(sorted(run.routes[head])) for run in (there, now))
        yield from _changed(f"routes of {head}", *routes)
    yield from _changed_labels("metric", there.metrics, now.metrics)
    for noun in now.values:
        yield from _changed(noun, there.values[noun], now.values[noun])


def _changed(noun: str, there: Any, now: Any) -> Iterator[str]:
    if there != now:
        yield f"{noun}: {_text(there)} there, {_text(now)} now"


def _changed_labels(noun: str, there: Collection[str], now: Collection[str]) -> Iterator[str]:
    for where, labels in (("there", set(there) - set(now)), ("now", set(now) - set(there))):
        if labels:
            yield f"{noun}{'s' * (len(labels) > 1)} only {where}: {', '.join(sorted(labels))}"


def _changed_points(curve: tuple[str, str], there: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    label = f"{curve[0]}, second ladder" if curve[1] else curve[0]
    yield from _changed_labels(f"operating point of {label}", there.keys(), now.keys())
    for point in there.keys() & now.keys():
        if there[point] != now[point]:
            yield from _changed_fields(f"{label}'s ", there[point], now[point])
            return  # a setting that is no part of the label, such as a file's, is the same at all points


def _changed_fields(owner: str, there: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(there.keys() & now.keys()):
        yield from _changed(f"{owner}{name}", there[name], now[name])


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(format_value(item) if not isinstance(item, str) else item for item in value) or "none"
    return "none" if value in (None, "") else str(value)


def _values(anchors: Any, seed: int, resamples: int, match_bpp: Any) -> dict[str, Any]:
    return {
        "anchors": list(anchors),
        "seed": seed,
        "resamples": resamples,
        "rates to match (bpp)": [float(rate) for rate in match_bpp],
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
