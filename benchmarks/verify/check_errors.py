"""``errors.csv``: its kinds add up, in the whole and in every division, and its rows are those of the run's cells.

What is counted needs every prediction, so the counts themselves are not made again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.errors import error_rows
from benchmarks.errors.kinds import SUMS
from benchmarks.runs.run_folder import Run
from benchmarks.verify.rounding import near
from benchmarks.verify.verdict import Verdict, verdicts

_WHOLE = ("all", "")
_OF_TRUTH = ("kept", "missed", "gained", "lost")
Counts = Mapping[tuple[str, str], Mapping[str, Any]]
"""The rows of one head at one operating point: of each part by kind."""


def check_errors(run: Run) -> Iterator[Verdict]:
    """Every labelled object and every false detection is counted once; nothing where a run decomposed no errors."""
    table = error_rows.read(run.folder)
    if table is None:
        return
    wrong: list[str] = []
    points: dict[tuple[str, ...], dict[tuple[str, str], dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    apart = []
    for row in table.itertuples():
        if row.images != len(run.images):
            wrong.append(f"{_named(row)} is over {row.images} images, the run has {len(run.images)}")
        if row.kind in (error_rows.THRESHOLD, error_rows.NONE):
            continue
        if row.other:
            apart.append(row)
            continue
        kinds = points[row.head, row.route, row.codec, row.point][row.by, row.part]
        if row.kind in kinds:
            wrong.append(f"{_named(row)} stands there twice")
        kinds[row.kind] = row
        wrong += _of_cell(run, row)
        if not near(row.value, row.count / row.of if row.of else math.nan):
            wrong.append(f"{_named(row)} is {row.value:.6g}, and {row.count:g} of {row.of:g} is another share")
    for point in points.values():
        wrong += _sums(point)
    wrong += _against_originals(points)
    for row in apart:
        pair = [points[row.head, row.route, *name] for name in ((row.codec, row.point), (row.other, row.other_point))]
        one, other = (point[_WHOLE].get(row.kind) if _WHOLE in point else None for point in pair)
        if one is None or other is None or not near(row.value, one.value - other.value, 1e-6):
            wrong.append(
                f"{_named(row)} less that of {row.other} {row.other_point} is {row.value:.6g}, not so in its rows"
            )
    right = f"the kinds of {len(points)} heads at operating points add up, in all, by class and by every other part"
    yield from verdicts("errors", wrong, right)


def _named(row: Any) -> str:
    return " ".join(f"{row.codec} {row.point} {row.head} {row.by} {row.part} {row.kind}".split())


def _of_cell(run: Run, row: Any) -> Iterator[str]:
    cell = run.about["cells"].get(row.cell, {})
    if (cell.get("curve"), cell.get("point"), cell.get("route")) != (row.codec, row.point, row.route):
        yield f"{_named(row)} belongs to the cell {row.cell}, which run.json does not have for it"


def _sums(point: Counts) -> Iterator[str]:
    """Where the counts of one head at one operating point do not add up."""
    for kinds in point.values():
        present = [kinds[kind] for kind in _OF_TRUTH if kind in kinds]
        if present and sum(row.count for row in present) != present[0].of:
            yield f"{_named(present[0])} and its neighbours do not add up to the {present[0].of:g} that are labelled"
        for whole, parts in SUMS.items():
            summed = whole in kinds and all(kind in kinds for kind in parts)
            if summed and kinds[whole].count != sum(kinds[kind].count for kind in parts):
                yield f"{_named(kinds[whole])} is {kinds[whole].count:g}, its kinds add up to another number"
    for kind, row in point.get(_WHOLE, {}).items():
        for by in {by for by, _ in point} - {"all"}:
            of_parts = sum(kinds[kind].count for (of, _), kinds in point.items() if of == by and kind in kinds)
            if of_parts != row.count:
                yield f"{_named(row)} is {row.count:g}, by {by} it adds up to {of_parts:g}"


def _against_originals(points: Mapping[tuple[str, ...], Counts]) -> Iterator[str]:
    """Where a head's operating points disagree on what is labelled, or on what is false on the originals."""
    of_head: dict[tuple[str, ...], tuple[float, float]] = {}
    for name, point in points.items():
        whole = point.get(_WHOLE, {})
        if not {"kept", "already_false", "cured"} <= whole.keys():
            yield f"{' '.join(filter(None, name))} lacks kinds of errors over all classes"
            continue
        numbers = whole["kept"].of, whole["already_false"].count + whole["cured"].count
        if of_head.setdefault(name[:2], numbers) != numbers:
            yield (
                f"{_named(whole['kept'])}: {numbers[0]:g} are labelled and {numbers[1]:g} false on the originals, at "
                f"other points {of_head[name[:2]][0]:g} and {of_head[name[:2]][1]:g}"
            )
