"""What ``hsc-bench run`` prints at its end: the summary on one screen, and where the files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting.outcome import Outcome
from benchmarks.runs import tables
from benchmarks.runs.display_names import displayed
from benchmarks.runs.results import Results
from benchmarks.runs.summary import summary_of
from benchmarks.runs.summary_text import screen
from benchmarks.text import one_line

_FILES = {
    "report.html": "the page to open in a browser: curves, every operating point, pictures",
    "table.md": "every operating point, all comparisons and notes (--table full prints them here)",
    "curves.png": "the curves",
    "errors.csv": "what heads lose and make up",
    "errors.png": "its figure",
    "worst.jpg": "the images with the most errors",
    "scores.csv": "one number a row, comparisons.csv likewise; run.json says where each comes from",
}
"""The files that are named, in this order, and what each holds."""


def ending(outcome: Outcome, folder: Path, *, full: bool = False) -> str:
    """The last lines of a finished run. full: begin with all tables."""
    summary = summary_in(outcome.results, outcome.plan.notices, folder)
    if not full:
        return summary
    results, _ = displayed(outcome.results, outcome.plan.notices)
    return f"{tables.blocks(results, 'simple')}\n{summary}"


def summary_in(results: Results, notices: Sequence[str], folder: Path) -> str:
    """The summary of a run on one screen, and the files in its folder."""
    shown, notes = displayed(results, notices)
    return screen(summary_of(shown, notes), _files_in(folder))


def _files_in(folder: Path) -> list[str]:
    """A line for the folder, and one for each file of it that a reader looks for first."""
    width = max(map(len, _FILES))
    named = [f"  {name:{width}}  {holds}" for name, holds in _FILES.items() if (folder / name).exists()]
    return [f"Files in {one_line(folder)}", *named]
