"""Each row of ``scores.csv`` compared with its cell in ``run.json``: codec, point, head, route, unit, possible values.

A forgery in one of the two files shows here; the same forgery in both shows where numbers are computed again.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from benchmarks.api import RATES, TASKS, Comparison, ScoreRow, ScoresOriginals
from benchmarks.runs.consistency import codecs_of, heads_of
from benchmarks.runs.run_folder import Run
from benchmarks.stats.metric_facts import STREAM_FACTS, TIMES
from benchmarks.stats.noise_floor import second_label
from benchmarks.verify.intervals import MIN_RESAMPLES, distance, torn
from benchmarks.verify.rounding import ROUNDING
from benchmarks.verify.verdict import Verdict, verdicts

Numbered = TypeVar("Numbered", ScoreRow, Comparison)

_ABOUT = "score rows"
_OF_EVERY_POINT = ("bpp", "size_bytes", "psnr", "encode_s", "decode_s")
_OF_LATENTS = "decode_s"
"""The one number of a stream that is measured on the latent route, too."""


def named(row: ScoreRow) -> str:
    """A row's codec, point, head, metric and class, as messages name it."""
    codec = second_label(row.codec) if row.ladder else row.codec
    return " ".join(f"{codec} {row.point} {row.head} {row.metric} {row.part}".split())


def check_scores(run: Run) -> Iterator[Verdict]:
    """No row is repeated, missing, of another cell or impossible, and no number lies outside its own interval."""
    rows = run.score_rows
    wrong = [
        *_repeated(rows),
        *(f"{named(row)} has {mismatch}" for row, mismatch in common_mismatches(run, rows)),
        *_of_cells(run),
        *_missing(run),
    ]
    right = f"each of {len(rows)} rows stands once and has the head, route and unit of run.json, none is missing"
    yield from verdicts(_ABOUT, wrong, right)
    wrong, count = [], 0
    notes: list[str] = []
    enough = run.about["resamples"] >= MIN_RESAMPLES
    for row in rows:
        wrong += _impossible(run, row)
        if not math.isnan(row.low):
            count += 1
            (wrong if enough else notes).extend(_outside(row))
    yield from verdicts("intervals", wrong, f"{count} scores lie in their own intervals")
    for text in notes:
        yield Verdict("note", "intervals", text)


def common_mismatches(run: Run, rows: Sequence[Numbered]) -> Iterator[tuple[Numbered, str]]:
    """The first row that differs from the run in each column that is the same all through a run."""
    about, task = run.about, TASKS.get(run.about["task"]["name"])
    pseudo = about.get("pseudo_label_score") is not None and not isinstance(task, ScoresOriginals)
    expected = {"task": about["task"]["name"], "seed": about["seed"]}
    expected["dataset"] = about["dataset"]["name"] + (" (pseudo-labels)" if pseudo else "")
    config = about["dataset"]["config"]
    if isinstance(config.get("split"), str):
        expected["split"] = config["split"]
    elif run.score_rows:
        expected["split"] = Counter(row.split for row in run.score_rows).most_common(1)[0][0]
    for column, value in expected.items():
        if strangers := [row for row in rows if getattr(row, column) != value]:
            yield strangers[0], f"the {column} {getattr(strangers[0], column)}, run.json has {value}"


def _repeated(rows: Sequence[ScoreRow]) -> Iterator[str]:
    counts: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], ScoreRow] = {}
    for row in rows:
        reason = row.reason if row.status == "skipped" else ""  # a head may be skipped for several reasons
        key = (row.codec, row.ladder, row.point, row.route, row.head, row.part, row.metric, reason)
        counts[key] += 1
        first.setdefault(key, row)
    yield from (f"{named(first[key])} stands {count} times in scores.csv" for key, count in counts.items() if count > 1)


def _of_cells(run: Run) -> Iterator[str]:
    """Mismatches of rows with their cells; rows without a cell name codecs and heads of the run."""
    cells, codecs, heads = run.about["cells"], codecs_of(run.about) | {""}, heads_of(run.about) | {""}
    skipped_heads = run.about["skipped_heads"]  # in older runs the row of such a head has its label as its codec
    labels = {
        (head["label"], head["route"]): {key: head[key] for key in ("name", "config", "provenance")}
        for head in run.about.get("heads", [])
    }
    for row in run.score_rows:
        if row.cell in cells:
            yield from _of_cell(run, row, cells[row.cell], labels)
        elif row.codec not in codecs and not (row.status == "skipped" and row.codec in skipped_heads):
            yield f"{named(row)} is of the codec {row.codec}, which run.json does not have"
    if labels and (strangers := [row for row in run.score_rows if row.head not in heads]):
        yield f"{named(strangers[0])} is of the head {strangers[0].head}, which run.json does not have"


def _of_cell(run: Run, row: ScoreRow, cell: Mapping[str, Any], labels: Mapping[tuple[str, str], Any]) -> Iterator[str]:
    expected = {"codec": cell["curve"], "ladder": cell.get("ladder", ""), "point": cell["point"]}
    if "head" in cell:
        expected |= {"route": cell["route"], "regime": cell["regime"]}
        unit = run.results.facts_of(row.metric).unit
        if labels and labels.get((row.head, row.route)) != cell["head"]:
            yield (
                f"{named(row)} is of the head {row.head or 'none'}, its cell {row.cell} is of {cell['head']['name']} "
                f"with other settings"
            )
    else:
        expected |= {"head": "", "regime": ""} | ({} if row.metric == _OF_LATENTS else {"route": "image"})
        unit = STREAM_FACTS[row.metric].unit if row.metric in STREAM_FACTS else ""
    if row.status == "ok":
        expected["unit"] = unit
    for column, value in expected.items():
        if getattr(row, column) != value:
            written = getattr(row, column) or "none"
            yield f"{named(row)} has the {column} {written}, its cell {row.cell} has {value or 'none'}"


def _missing(run: Run) -> Iterator[str]:
    """Every point of a codec has the numbers that its others have, and is read by each head that reads the others."""
    numbers: dict[tuple[str, ...], dict[str, set[tuple[str, str]]]] = defaultdict(dict)
    first: dict[str, ScoreRow] = {}
    for row in run.score_rows:
        if row.cell and (row.status == "ok" or (row.status == "n/a" and row.metric in TIMES)):
            reader = (row.head, row.route if row.head else "", row.ladder)
            numbers[reader].setdefault(row.cell, set()).add((row.metric, row.part if row.head else ""))
            first.setdefault(row.cell, row)
    rates = [RATES.get(RATES.parse(text).name).metric for text in run.about.get("rates", ())]
    for (head, _, _), of_cells in numbers.items():
        usual = set.union(*of_cells.values()) if head else {(metric, "") for metric in (*_OF_EVERY_POINT, *rates)}
        for cell_id, present in of_cells.items():
            if absent := sorted(usual - present):
                number = " ".join(f"{absent[0][0]} {absent[0][1]}".split())
                yield f"{named(first[cell_id])}: its cell {cell_id} has no {number}, which the others have"
    yield from _unread(run)


def _unread(run: Run) -> Iterator[str]:
    points: dict[tuple[str, str], set[str]] = defaultdict(set)
    read: dict[tuple[tuple[str, str], str, str], set[str]] = defaultdict(set)
    for cell in run.about["cells"].values():
        curve = cell["curve"], cell.get("ladder", "")
        points[curve].add(cell["point"])
        if "head" in cell:
            read[curve, str(cell["head"]), cell["route"]].add(cell["point"])
    for (curve, _, _), present in read.items():
        if absent := sorted(points[curve] - present):
            label = second_label(curve[0]) if curve[1] else curve[0]
            yield f"{label} {absent[0]} is not read by a head that reads {len(present)} other points of the codec"


def _impossible(run: Run, row: ScoreRow) -> Iterator[str]:
    """Values that no measurement gives: a rate of 0, a score above 1, half an interval, a number without status ok."""
    if row.status != "ok":
        if row.cell and not math.isnan(row.value):
            yield f"{named(row)} is {row.status} and has the value {row.value:g}"
        if not row.reason:
            yield f"{named(row)} is {row.status} and has no reason"
    elif torn(row.low, row.high):
        yield f"{named(row)} has an interval from {row.low:g} to {row.high:g}"
    elif row.metric in ("bpp", "size_bytes") and not row.value > 0:
        yield f"{named(row)} is {row.value:g}, expected more than 0"
    else:
        facts = run.results.facts_of(row.metric)
        ends = row.value, row.low, row.high
        if any(end < facts.low - ROUNDING or end > facts.high + ROUNDING for end in ends):
            yield f"{named(row)} is {row.value:g}, it lies between {facts.low:g} and {facts.high:g}"


def _outside(row: ScoreRow) -> Iterator[str]:
    """A number outside its own interval: rates and scores are means over images, or nearly so, and never lie there."""
    if distance(row.value, row.low, row.high) > 0:
        yield f"{named(row)} is {row.value:.6g}, its own interval goes from {row.low:.6g} to {row.high:.6g}"
