"""The one reader of a run's folder: ``run.json``, ``scores.csv`` and ``comparisons.csv`` as a ``Run``.

    load(folder)                          a finished run, for a paper
    load(folder, complete=False)          as much as was measured, for a page
    load(folder, consistent=False)        the files as they are written, for a check that names each mismatch itself

A folder that is missing or damaged is refused with the reason each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import TASKS, Comparison, ScoreRow, Task
from benchmarks.harness.guard import why
from benchmarks.runs import run_json
from benchmarks.runs.consistency import (
    COMPARISON_NAMES,
    SCORE_NAMES,
    comparison_mismatches,
    repeated,
    score_mismatches,
)
from benchmarks.runs.folder_files import exists
from benchmarks.runs.results import Results
from benchmarks.runs.rows import (
    COMPARISONS,
    SCORES,
    comparison_rows,
    only_sure,
    read_comparisons,
    read_scores,
    score_rows,
)
from benchmarks.stats.design import Design, Ladder
from hsc.errors import HscError, ResultsError


@dataclass(frozen=True)
class Run:
    """A run as its folder holds it. about: ``run.json``; results: its scores and comparisons, with their facts."""

    folder: Path
    about: Mapping[str, Any]
    results: Results

    @property
    def scores(self) -> pd.DataFrame:
        """``scores.csv``, the columns of ``ScoreRow``."""
        return self.results.scores

    @property
    def comparisons(self) -> pd.DataFrame:
        """``comparisons.csv``, the columns of ``Comparison``."""
        return self.results.comparisons

    @functools.cached_property
    def score_rows(self) -> list[ScoreRow]:
        """The rows of ``scores`` as values."""
        return score_rows(self.scores)

    @functools.cached_property
    def comparison_rows(self) -> list[Comparison]:
        """The rows of ``comparisons`` as values."""
        return comparison_rows(self.comparisons)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def task(self) -> Task:
        """The run's task as it is installed here."""
        return TASKS.build(self.about["task"]["name"])

    @property
    def dataset(self) -> str:
        """The data set as tables name it: with a note where predictions stand in for labels."""
        return str(self.scores["dataset"].iloc[0])

    @property
    def images(self) -> tuple[str, ...]:
        """The ids of the run's images."""
        return tuple(self.about["dataset"]["images"])

    @property
    def points(self) -> dict[str, Mapping[str, Any]]:
        """The operating points by cell id: the cells without a head."""
        return {cell_id: cell for cell_id, cell in self.about["cells"].items() if "head" not in cell}

    @property
    def design(self) -> Design:
        """The curves of the run, and what its comparisons rest on."""
        points: dict[tuple[str, bool], list[str]] = {}
        for cell in self.points.values():
            points.setdefault((cell["curve"], bool(cell.get("ladder"))), []).append(cell["point"])
        curves = [Ladder(label, tuple(names), second) for (label, second), names in points.items()]
        curves += [Ladder(label, ("",)) for label in self.about["skipped"] if (label, False) not in points]
        matched, anchors = tuple(self.about.get("match_bpp", ())), tuple(self.about["anchors"])
        results = self.results
        names = (results.columns, results.main_metric)
        return Design(tuple(curves), anchors, matched, *names, results.facts, results.added)


def load(
    folder: Path,
    *,
    complete: bool = True,
    consistent: bool = True,
    parse_constant: Callable[[str], Any] | None = None,
) -> Run:
    """Read a run's folder.

    complete: refuse a run some of whose cells were not measured. consistent: refuse tables that name what run.json does
    not have, and leave out intervals over too few images; False takes the tables as they are written, complete or not.
    parse_constant: as ``run_json.read``.

    Raises:
        ResultsError: the folder is missing, empty, unfinished or damaged, or its task is not installed here.
    """
    _require_files(folder)
    about = run_json.read(folder / run_json.FILE, parse_constant)
    scores, comparisons = read_scores(folder / SCORES), read_comparisons(folder / COMPARISONS)
    try:
        task: Any = TASKS.get(about["task"]["name"])
    except HscError as error:
        raise ResultsError(f"the run in {folder} is of a task that is not installed here: {error}") from error
    if consistent:
        scores, comparisons = only_sure(scores), only_sure(comparisons)
        _require_one_run(folder, about, scores, comparisons, complete)
        if complete:
            _require_all_measured(folder, scores)
    facts = run_json.facts_of_run(about, task)
    added = run_json.added_columns(about, task)
    names = about.get(run_json.NAMES, {})
    columns = (*_columns(about, task, scores), *added)
    results = Results(scores, comparisons, columns, task.main_metric, facts, added, names)
    return Run(folder, about, results)


def _columns(about: Mapping[str, Any], task: Any, scores: pd.DataFrame) -> list[str]:
    """The columns of a task's tables when the run was made: without scores that the task has only had since."""
    known = {*run_json.recorded_facts(about), *scores["metric"]}
    return [name for name in task.columns if name in known or not run_json.recorded_facts(about)]


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        raise ResultsError(
            f"there is no run folder {folder}; name the folder that hsc-bench run wrote, as results/runs/detection"
        )
    needed = (run_json.FILE, SCORES, COMPARISONS)
    missing = [name for name in needed if not exists(folder / name)]
    if len(missing) == len(needed):
        raise ResultsError(
            f"{folder} holds no run: it has none of {', '.join(needed)}; name the folder that hsc-bench run wrote"
        )
    if missing:
        raise ResultsError(
            f"the run in {folder} is not finished: {missing[0]} is not there; run its command again, what was measured "
            "is kept"
        )


def _require_one_run(
    folder: Path, about: Mapping[str, Any], scores: pd.DataFrame, comparisons: pd.DataFrame, complete: bool
) -> None:
    if scores.empty and complete:
        raise ResultsError(f"{folder / SCORES} is empty: it has columns and no row; run the command that made it again")
    for mismatches in (score_mismatches(about, scores, complete), comparison_mismatches(about, comparisons)):
        if mismatch := next(mismatches, ""):
            raise ResultsError(f"the files in {folder} are not of one run: {mismatch}; run its command again")
    for file, table, names in ((SCORES, scores, SCORE_NAMES), (COMPARISONS, comparisons, COMPARISON_NAMES)):
        if row := repeated(table, names):
            raise ResultsError(f"{folder / file} is damaged: {row} stands in it twice; run its command again")


def _require_all_measured(folder: Path, scores: pd.DataFrame) -> None:
    unmeasured = scores[scores["status"] == "missing"]
    if len(unmeasured):
        first = unmeasured.iloc[0]
        cell = " ".join(f"{first['codec']} {first['point']} {first['head']}".split())
        raise ResultsError(
            f"the run in {folder} is not finished: {len(unmeasured)} cells were not measured ({cell}: "
            f"{first['reason']}); run it again"
        )


@contextmanager
def made_from(folder: object) -> Iterator[None]:
    """A guard around whatever is made from a folder: an unforeseen error there becomes a ResultsError.

    Raises:
        ResultsError: in place of any error that is not ours.
    """
    try:
        yield
    except (HscError, OSError):
        raise
    except Exception as error:
        raise ResultsError(
            f"nothing can be made of {folder}, it holds what no run writes: {why(error)}; run its command again"
        ) from error
