"""Whether the files of a run's folder belong together: what ``scores.csv`` and ``comparisons.csv`` name is in
``run.json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.api import Comparison
from benchmarks.text import one_line

SCORE_NAMES = ("head", "route", "codec", "ladder", "point", "metric", "part", "reason")
"""The columns that no two rows of ``scores.csv`` share."""
COMPARISON_NAMES = (
    *("kind", "metric", "head", "route", "codec", "point"),
    *("anchor", "other", "other_route", "at_bpp"),
)
"""The columns that no two rows of ``comparisons.csv`` share."""


def comparison_key(row: Comparison) -> tuple[str, ...]:
    """What no two comparisons share. Rates are rounded, since the logarithms of two machines differ in a last digit."""
    rate = "" if math.isnan(row.at_bpp) else f"{row.at_bpp:.6g}"
    reader = row.metric, row.head, row.route
    return row.kind, *reader, row.codec, row.point, row.anchor, row.other, row.other_route, rate


def codecs_of(about: Mapping[str, Any]) -> set[str]:
    """The labels of a run's codecs, those that were skipped among them."""
    return {cell["curve"] for cell in about["cells"].values()} | set(about["skipped"])


def heads_of(about: Mapping[str, Any]) -> set[str]:
    """The labels of a run's heads, those that were skipped among them."""
    return {head["label"] for head in about.get("heads", [])} | set(about["skipped_heads"])


def score_mismatches(about: Mapping[str, Any], scores: pd.DataFrame, complete: bool = True) -> Iterator[str]:
    """What keeps ``scores.csv`` from being of the run. complete: each cell of the run must have a row."""
    unknown = set(scores["cell"]) - {""} - set(about["cells"])
    absent = set(about["cells"]) - set(scores["cell"]) if complete else set()
    if unknown:
        yield f"cell {one_line(min(unknown), 60)} of scores.csv is not in run.json"
    if absent:
        yield f"cell {one_line(min(absent), 60)} of run.json has no row"
    yield from _other_run(about, scores, "scores.csv")


def comparison_mismatches(about: Mapping[str, Any], comparisons: pd.DataFrame) -> Iterator[str]:
    """What keeps ``comparisons.csv`` from being of the run."""
    codecs, heads = codecs_of(about), heads_of(about)
    of_heads, searched = comparisons["kind"] == "heads_apart", comparisons["kind"] == "matched_rate"
    named = [
        ("codec", set(comparisons["codec"][~searched]), codecs),  # no cell is left of a codec that reached no rate
        ("codec", set(comparisons["other"][~of_heads]), codecs),
        ("anchor", set(comparisons["anchor"]), codecs | set(about["anchors"])),
    ]
    if "heads" in about:
        named += [("head", set(comparisons["head"]) | set(comparisons["other"][of_heads]), heads)]
    for noun, labels, known in named:
        for label in sorted(labels - known - {""}):
            yield f"the {noun} {one_line(label, 60)} of comparisons.csv is not in run.json"
    yield from _other_run(about, comparisons, "comparisons.csv")


def repeated(table: pd.DataFrame, names: tuple[str, ...]) -> str:
    """The row that stands twice in a table, by the columns ``names``; empty where none does."""
    twice = table.duplicated(list(names))
    if not twice.any():
        return ""
    row = table[twice].iloc[0]
    return one_line(" ".join(str(row[name]) for name in names if name != "reason" and row[name] == row[name]), 200)


def _other_run(about: Mapping[str, Any], table: pd.DataFrame, file: str) -> Iterator[str]:
    for column, expected in (("task", about["task"]["name"]), ("images", len(about["dataset"]["images"]))):
        if strangers := set(table[column]) - {expected}:
            yield f"{column} is {one_line(min(strangers), 60)} in {file}, {one_line(expected, 60)} in run.json"
