"""The notes of a summary: what was skipped, failed or has no interval or BD-rate, each reason once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.api import Comparison
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.number_texts import value_text
from benchmarks.runs.results import Results
from benchmarks.runs.sentences import too_little
from benchmarks.stats.noise_floor import second_label

Labels = Mapping[tuple[str, str, str], str]
"""The labels of head columns, by head, route and metric."""

_STATUS = {"skipped": "Skipped", "failed": "Failed", "missing": "Not measured", "n/a": "No value"}


def notes_of(results: Results, anchor: str, labels: Labels) -> list[str]:
    """The notes below a summary against ``anchor``, most urgent first."""
    return [
        *_without_number(results),
        *too_little(results.scores),
        *_without_bd_rate(results, anchor, labels),
        *(_noise_floor(results, labels) if anchor else []),
    ]


def _without_number(results: Results) -> list[str]:
    """A sentence for each reason why cells have no number, with the cells that it holds for."""
    scores = results.scores
    rows = scores[(scores["status"] != "ok") & (scores["part"] == "")]
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in rows.itertuples():
        codec = second_label(row.codec) if row.ladder else row.codec
        subject = f"{codec} for head {row.head}" if codec and row.head else codec or f"head {row.head}"
        points = groups.setdefault((row.status, row.reason), {}).setdefault(subject, [])
        points += [row.point] if row.point and row.point not in points else []
    for comparison in of_kinds(results, "matched_rate"):
        if comparison.status != "ok":
            groups.setdefault((comparison.status, comparison.reason), {}).setdefault(comparison.codec, [])
    ordered = sorted(groups.items(), key=lambda item: list(_STATUS).index(item[0][0]))
    return [
        f"{_STATUS[status]}: {_listed(_with_points(subject, points) for subject, points in subjects.items())}: {reason}"
        for (status, reason), subjects in ordered
    ]


def _with_points(subject: str, points: Sequence[str]) -> str:
    if len(points) > 1:
        return f"{subject} ({len(points)} points)"
    return f"{subject} {points[0]}" if points else subject


def _listed(names: Iterable[str], most: int = 6) -> str:
    """Names in a row, the first few of many."""
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def _without_bd_rate(results: Results, anchor: str, labels: Labels) -> list[str]:
    """A sentence for each reason why codecs have no BD-rate against the anchor, with the heads it holds for."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for comparison in of_kinds(results, "bd_rate"):
        if comparison.anchor == anchor and comparison.status != "ok":
            heads = reasons.setdefault(comparison.reason, {}).setdefault(comparison.codec, [])
            heads.append(_label(comparison, labels))
    several = len(labels) > 1
    return [
        "No BD-rate: "
        + _listed(
            f"{codec} ({', '.join(dict.fromkeys(heads))})" if several else codec for codec, heads in codecs.items()
        )
        + f": {reason}"
        for reason, codecs in reasons.items()
    ]


def _noise_floor(results: Results, labels: Labels) -> list[str]:
    """One sentence on the noise floor: the BD-rate of a codec from itself, by each head."""
    floors = [c for c in of_kinds(results, "noise_floor_rate") if c.status == "ok" and _key(c) in labels]
    if not floors:
        return []
    texts = (
        f"{_label(floor, labels) + ' ' if len(labels) > 1 else ''}" + value_text(floor, results.facts_of(floor.metric))
        for floor in floors
    )
    return [f"Noise floor: {floors[0].codec} against itself has a BD-rate of {', '.join(texts)}."]


def _label(comparison: Comparison, labels: Labels) -> str:
    return labels.get(_key(comparison), comparison.head)


def _key(comparison: Comparison) -> tuple[str, str, str]:
    return comparison.head, comparison.route, comparison.metric
