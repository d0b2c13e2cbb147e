"""The page's advice, where a run's folder holds ``advice.csv``: a table a question, above the curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmarks.api import MetricFacts
from benchmarks.reporting.html.cells import NOTHING, score_cell
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, joined, table
from benchmarks.runs.advice_rows import AdviceRow, advice_in
from benchmarks.runs.advice_text import behind_text, kept_text, legend, notes_of, question_text
from benchmarks.runs.display_names import display_names
from benchmarks.runs.run_folder import Run


def advice_section(run: Run) -> Markup:
    """The section, empty for a run without advice.

    Raises:
        ResultsError: ``advice.csv`` is damaged.
    """
    rows = advice_in(run.folder)
    if not rows:
        return Markup("")
    parts = [element("h2", "Advice")]
    for place, (_, of_question) in enumerate(groupby(rows, key=lambda row: (row.aim, row.target))):
        asked = list(of_question)
        facts = run.results.facts_of(asked[0].metric)
        if answered := [row for row in asked if row.status == "ok"]:
            parts.append(_table(f"advice-{place}", answered, facts))
        else:
            parts.append(element("p", f"{question_text(asked[0], facts)}: no codec does."))
        parts += [element("p", note, class_="note") for note in notes_of(asked)]
    parts.append(element("p", legend(rows, run.results.facts_of(rows[0].metric)), class_="note"))
    return joined([element("section", *parts, id="advice"), "\n"])


def _table(name: str, rows: Sequence[AdviceRow], facts: MetricFacts) -> Markup:
    behind = [Column("Behind the best", about="how much worse the score is, with the interval of the difference")]
    columns = [
        Column("Setting", "text", "the codec as it is typed"),
        Column("kB/image", about="1000 bytes, the mean of the images"),
        Column("bpp", about="bits per pixel: the bits of all files over the pixels of all images"),
        Column("Kept %", about="share of the score on the originals", best="high"),
        Column(facts.title, best="high" if facts.higher_is_better else "low"),
        *(behind if rows[0].aim == "budget" else []),
        Column("Encode ms", about="the median of the images, on one thread"),
        Column("Decode ms", about="the median of the images, on one thread"),
    ]
    names = display_names([row.setting for row in rows])
    lines: list[tuple[dict[str, Any], list[Cell]]] = [
        (
            {},
            [
                Cell(names[row.setting], row.setting, row.codec if row.codec not in names[row.setting] else ""),
                Cell(f"{row.size_bytes / 1000:.2f}", repr(row.size_bytes)),
                Cell(f"{row.bpp:.3f}", repr(row.bpp)),
                _kept_cell(row),
                score_cell(row.score, row.score_low, row.score_high, facts),
                *([_behind_cell(row, facts)] if row.aim == "budget" else []),
                *(_milliseconds(taken) for taken in (row.encode_s, row.decode_s)),
            ],
        )
        for row in rows
    ]
    return table(name, question_text(rows[0], facts), columns, lines)


def _kept_cell(row: AdviceRow) -> Cell:
    if math.isnan(row.kept):
        return NOTHING
    share, _, ends = kept_text(row.kept, row.kept_low, row.kept_high).partition(" ")
    return Cell(share, repr(row.kept), ends.strip("[]").replace(", ", " to "))


def _behind_cell(row: AdviceRow, facts: MetricFacts) -> Cell:
    behind, _, ends = behind_text(row, facts).partition(" ")
    return Cell(behind, repr(row.behind), ends.strip("[]").replace(", ", " to "))


def _milliseconds(seconds: float) -> Cell:
    return Cell(f"{1000 * seconds:.1f}", repr(seconds)) if math.isfinite(seconds) else NOTHING
