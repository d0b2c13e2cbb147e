"""Each row of a run against what ``run.json`` says of its cell: who it is of, where it was measured, and what such a
number can be.

What is forged in one of the two files shows here; what is forged alike in both shows where numbers are computed again.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.api import TASKS, Row, ScoresOriginals
from benchmarks.harness.scorer import UNITS
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.stats.metric_facts import scale_of
from benchmarks.stats.null_floor import PART
from benchmarks.verify.verdict import Verdict, verdicts

ROUNDING = 1e-9
"""Relative: sums of the same numbers in another order."""
_RATES = ("bpp", "size_bytes", "psnr", "encode_s", "decode_s")
_SEARCHED = "matched_bpp"
"""What was found of a rate that was asked for; a codec that has no such rate is not in the run."""
_FEWEST = 20
"""Resamples; of fewer, all may lie on one side of the number."""
_OF_LATENTS = "decode_s"
"""The one number of a stream that has a route of its own."""


def named(row: Row) -> str:
    """A row's codec, point, head, metric and part, as messages call it."""
    return " ".join(f"{row.codec} {row.point} {row.head} {row.metric} {row.part}".split())


def row_checks(run: RunFolder) -> Iterator[Verdict]:
    """Rows that are doubled, missing, of another cell, or that no run could write; and numbers beside their own
    intervals.
    """
    wrong = [*_doubled(run.rows), *_alike(run), *_of_cells(run), *_missing(run)]
    yield from verdicts(
        "rows",
        wrong,
        f"each of {len(run.rows)} rows stands once and is of the head, route and unit that run.json has, none is "
        f"missing",
    )
    wrong, count = [], 0
    notes: list[str] = []
    enough = run.about["resamples"] >= _FEWEST
    for row in run.rows:
        wrong += _impossible(row)
        if not math.isnan(row.low):
            count += 1
            (wrong if enough and _far_outside(row) else notes).extend(_outside(row))
    yield from verdicts("intervals", wrong, f"{count} numbers lie in their own intervals")
    for text in notes:
        yield Verdict("note", "intervals", text)


def _doubled(rows: Sequence[Row]) -> Iterator[str]:
    counts = Counter(
        (r.codec, r.point, r.route, r.head, r.part, r.metric, r.anchor, r.reason if r.status == "skipped" else "")
        for r in rows
    )
    seen = set()
    for row in rows:
        key = (
            row.codec,
            row.point,
            row.route,
            row.head,
            row.part,
            row.metric,
            row.anchor,
            row.reason if row.status == "skipped" else "",
        )
        if counts[key] > 1 and key not in seen:
            seen.add(key)
            yield f"{named(row)} stands {counts[key]} times in rows.csv"


def _alike(run: RunFolder) -> Iterator[str]:
    """What is the same all through a run."""
    about, task = run.about, TASKS.get(run.about["task"]["name"])
    stands_in = about.get("pseudo_label_score") is not None and not isinstance(task, ScoresOriginals)
    expected = {"task": about["task"]["name"], "seed": about["seed"]}
    expected["dataset"] = about["dataset"]["name"] + (" (pseudo-labels)" if stands_in else "")
    config = about["dataset"]["config"]
    expected |= {"split": config["split"]} if isinstance(config.get("split"), str) else {}
    for column, value in expected.items():
        if others := [row for row in run.rows if getattr(row, column) != value]:
            yield f"{named(others[0])} has the {column} {getattr(others[0], column)}, run.json has {value}"
    splits = sorted({row.split for row in run.rows})
    if len(splits) > 1:
        yield f"rows are of the splits {splits[0]} and {splits[1]}, a run has one"


def _of_cells(run: RunFolder) -> Iterator[str]:
    """Rows of cells are of the codec, point, head, regime, route and unit of the cell; others name heads and codecs
    that there are.
    """
    cells = run.about["cells"]
    labels = {
        (one["label"], one["route"]): {k: one[k] for k in ("name", "config", "provenance")}
        for one in run.about.get("heads", [])
    }
    curves = (
        {cell["curve"] for cell in cells.values()}
        | {label.removeprefix("head ") for label in run.about["skipped"]}
        | {""}
    )
    for row in run.curve_rows:
        if row.cell in cells:
            yield from _of_cell(row, cells[row.cell], labels)
        elif row.codec not in curves and row.metric != _SEARCHED:
            yield f"{named(row)} is of the codec {row.codec}, which run.json does not have"
    known = {head for head, _ in labels} | {label.removeprefix("head ") for label in run.about["skipped"]} | {""}
    if labels and (strangers := [row for row in run.rows if row.head not in known]):
        yield f"{named(strangers[0])} is of the head {strangers[0].head}, which run.json does not have"


def _of_cell(row: Row, cell: Mapping[str, Any], labels: Mapping[tuple[str, str], Any]) -> Iterator[str]:
    expected = {"codec": cell["curve"], "point": cell["point"]}
    if "head" in cell:
        expected |= {"route": cell["route"], "regime": cell["regime"]}
        unit = "s" if row.metric == "head_s" else scale_of(row.metric).unit
        if labels and labels.get((row.head, row.route)) != cell["head"]:
            yield (
                f"{named(row)} is of the head {row.head or 'none'}, its cell {row.cell} is of {cell['head']['name']} "
                f"with other settings"
            )
    else:
        expected |= {"head": "", "regime": ""} | ({} if row.metric == _OF_LATENTS else {"route": "image"})
        unit = UNITS.get(row.metric, "")
    if row.status == "ok":
        expected["unit"] = unit
    for column, value in expected.items():
        if getattr(row, column) != value:
            yield (
                f"{named(row)} has the {column} {getattr(row, column) or 'none'}, its cell {row.cell} has "
                f"{value or 'none'}"
            )


def _missing(run: RunFolder) -> Iterator[str]:
    """Every point of a codec has the numbers that its others have, and is read by each head that reads the others."""
    numbers: dict[tuple[str, ...], dict[str, set[tuple[str, str]]]] = defaultdict(dict)
    first: dict[str, Row] = {}
    for row in run.rows:
        if row.cell and not row.anchor and row.status == "ok":
            second = row.part == PART
            kind = (row.head, row.route if row.head else "", PART if second else "")
            numbers[kind].setdefault(row.cell, set()).add((row.metric, "" if second or not row.head else row.part))
            first.setdefault(row.cell, row)
    for (head, _, _), of_cells in numbers.items():
        usual = set.union(*of_cells.values()) if head else {(metric, "") for metric in _RATES}
        for cell, there in of_cells.items():
            if absent := sorted(usual - there):
                what = " ".join(f"{absent[0][0]} {absent[0][1]}".split())
                yield f"{named(first[cell])}: its cell {cell} has no {what}, which the others have"
    yield from _unread(run)


def _unread(run: RunFolder) -> Iterator[str]:
    points: dict[str, set[str]] = defaultdict(set)
    read: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for cell in run.about["cells"].values():
        points[cell["curve"]].add(cell["point"])
        if "head" in cell:
            read[cell["curve"], str(cell["head"]), cell["route"]].add(cell["point"])
    for (curve, _, _), there in read.items():
        if absent := sorted(points[curve] - there):
            yield f"{curve} {absent[0]} is not read by a head that reads {len(there)} other points of the codec"


def _impossible(row: Row) -> Iterator[str]:
    """Values that nothing could have: a rate of 0, a score above 1, half an interval, a number where none was had."""
    ends = row.value, row.low, row.high
    if row.status != "ok":
        if row.cell and not math.isnan(row.value):
            yield f"{named(row)} is {row.status} and has the value {row.value:g}"
        if not row.reason:
            yield f"{named(row)} is {row.status} and has no reason"
    elif math.isnan(row.low) != math.isnan(row.high) or row.low > row.high:
        yield f"{named(row)} has an interval from {row.low:g} to {row.high:g}"
    elif row.anchor or "(" in row.metric:
        return
    elif row.head and row.metric not in UNITS:
        scale = scale_of(row.metric)
        if any(end < scale.low - ROUNDING or end > scale.high + ROUNDING for end in ends):
            yield f"{named(row)} is {row.value:g}, it lies between {scale.low:g} and {scale.high:g}"
    elif row.metric in ("bpp", "size_bytes") and not row.value > 0:
        yield f"{named(row)} is {row.value:g}, expected more than 0"
    elif row.metric.endswith("_s") and not row.value >= 0:
        yield f"{named(row)} is {row.value:g} seconds"


def _off(row: Row) -> float:
    return max(row.low - row.value, row.value - row.high) - ROUNDING * max(abs(row.low), abs(row.high))


def _outside(row: Row) -> Iterator[str]:
    if _off(row) > 0:
        against = f" against {row.anchor}" if row.anchor else ""
        yield f"{named(row)}{against} is {row.value:.6g}, its own interval goes from {row.low:.6g} to {row.high:.6g}"


def _far_outside(row: Row) -> bool:
    """Whether no resampling gives such a number. Rates and scores are means over images, or nearly so, and lie among
    those of their resamples.

    Differences are read off fitted curves, or against the best of several, and may be biased on a resample, but by no
    more than all its spread.
    """
    return _off(row) > (row.high - row.low if row.anchor or "(" in row.metric else 0)
