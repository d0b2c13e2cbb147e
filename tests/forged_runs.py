"""Runs' folders as a forger rewrites them: other scores, and every table, page and comparison made from those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.api import Comparison, ScoreRow
from benchmarks.reporting import html
from benchmarks.runs import tables
from benchmarks.runs.notices import notices_of
from benchmarks.runs.rows import frame
from benchmarks.runs.run_folder import Run, load
from benchmarks.verify.check_comparisons import computed_again


def written(folder: Path) -> Run:
    """The run as its files stand."""
    return load(folder, consistent=False)


def rewrite(folder: Path, change: Callable[[ScoreRow], ScoreRow]) -> None:
    """Other scores, with comparisons, tables and page made from them as an honest run would."""
    save(folder, [change(row) for row in written(folder).score_rows])
    html.write(folder)


def save(folder: Path, scores: Sequence[ScoreRow]) -> None:
    """Write these scores, and the comparisons and tables that follow from them."""
    run = written(folder)
    forged = replace(run.results, scores=frame(scores, ScoreRow), comparisons=frame([], Comparison))
    comparisons = computed_again(replace(run, results=forged))
    results = replace(forged, comparisons=frame(comparisons, Comparison))
    tables.write(results, folder, notices_of(run.about))


def raised(row: ScoreRow, codec: str = "blocks") -> ScoreRow:
    """A codec's AP twenty points higher, its interval too."""
    if not (row.head and row.metric == "ap" and row.codec == codec):
        return row
    return replace(row, **{name: min(getattr(row, name) + 0.2, 1.0) for name in ("value", "low", "high")})
