"""Whether runs can be merged into one table: they must be of the same data, heads, metrics and versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.runs.run_folder import Run
from benchmarks.text import one_line

_OF_DATA = ("name", "config", "revision", "images", "pixels_sha256")
_SETTINGS = {
    "seed": "seed",
    "resamples": "resamples",
    "match_bpp": "rates to match",
    "pseudo_label_score": "pseudo-labels",
    "metrics": "metrics",
}
"""Settings that all numbers of a table share, by their name in ``run.json``."""


def why_not_merged(first: Run, other: Run) -> str | None:
    """The first reason why two runs cannot stand in one table, None where they can."""
    return next(_reasons(first, other), None)


def _reasons(first: Run, other: Run) -> Iterator[str]:
    here, there = first.about, other.about
    if here["task"] != there["task"]:
        yield f"the task is {_task(here)} and {_task(there)}"
    for name in _OF_DATA:
        if name not in here["dataset"] or name not in there["dataset"]:
            yield f"the data set has no {name} in run.json; run it again with this version"
        elif here["dataset"][name] != there["dataset"][name]:
            yield f"the data differ: {_data(name, here['dataset'][name], there['dataset'][name])}"
    for name, noun in _SETTINGS.items():
        values = [about.get(name) or None for about in (here, there)]
        if values[0] != values[1]:
            yield f"the {noun} differ: {values[0] or 'none'} and {values[1] or 'none'}"
    yield from _heads(here, there)
    yield from _metrics(here, there)
    yield from _codecs(first, other)


def _task(about: Mapping[str, Any]) -> str:
    return f"{about['task']['name']} version {about['task'].get('version', 'unknown')}"


def _data(name: str, first: Any, second: Any) -> str:
    if isinstance(first, list):
        what = "images" if name == "images" else "pixels of the images"
        if len(first) != len(second):
            return f"{len(first)} {what} and {len(second)}"
        unlike = sum(a != b for a, b in zip(first, second, strict=True))
        return f"{unlike} of {len(first)} {what} are not the same"
    if isinstance(first, dict):
        return f"its {name} is other in {_unlike(first, second)}"
    return f"its {name} is {one_line(first, 100)} and {one_line(second, 100)}"


def _unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """The names whose values differ, with their values."""
    names = [name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)]
    shown = (f"{name} ({one_line(first.get(name), 60)} and {one_line(second.get(name), 60)})" for name in names[:3])
    return ", ".join(shown)


def _heads(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    first, second = (
        {(head["label"], head["route"]): head for head in about.get("heads", ())} for about in (here, there)
    )
    for label, route in [*(first.keys() - second.keys()), *(second.keys() - first.keys())]:
        yield (
            f"the heads differ: {one_line(label, 200)} ({route}) is in one of them alone; run both with the same heads"
        )
    for key, head in first.items():
        if head != second[key]:
            parts = [
                f"its {part} in {_unlike(head[part], second[key][part])}"
                for part in ("config", "provenance")
                if head[part] != second[key][part]
            ]
            yield f"the head {one_line(key[0], 200)} has other versions: {'; '.join(parts)}"


def _metrics(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    facts = here.get("facts", {}), there.get("facts", {})
    for name in facts[0].keys() & facts[1].keys():
        if facts[0][name] != facts[1][name]:
            yield f"the score {name} has other facts: {_unlike(facts[0][name], facts[1][name])}"


def _codecs(first: Run, other: Run) -> Iterator[str]:
    """Codecs of one label whose versions differ, at a point that both have or in what all points have in common."""
    stated: list[dict[tuple[str, str], dict[str, Mapping[str, Any]]]] = []
    for run in (first, other):
        points: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
        for cell in run.points.values():
            points.setdefault((cell["curve"], cell.get("ladder", "")), {})[cell["point"]] = cell["codec"]
        stated.append(points)
    for curve in stated[0].keys() & stated[1].keys():
        here, there = stated[0][curve], stated[1][curve]
        for point in here.keys() & there.keys():
            for part in ("config", "provenance"):
                if here[point][part] != there[point][part]:
                    yield (
                        f"the codec {one_line(curve[0], 200)} {point} has other versions or settings: "
                        f"{_unlike(here[point][part], there[point][part])}"
                    )
        common = [_common([codec["provenance"] for codec in codecs.values()]) for codecs in (here, there)]
        shared = {name for name in common[0].keys() & common[1].keys() if common[0][name] != common[1][name]}
        if shared:
            values = [{name: facts[name] for name in shared} for facts in common]
            yield f"the codec {one_line(curve[0], 200)} has other versions: {_unlike(values[0], values[1])}"


def _common(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts that all have with one value."""
    return {name: value for name, value in facts[0].items() if all(one.get(name) == value for one in facts)}
