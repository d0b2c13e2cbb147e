"""Every table and figure of a run is written once before anything is coded, on made-up numbers under the run's real
names.

    plan --make_up--> scores, comparisons, counts --write--> a folder that is thrown away

A class called ``$$ cash``, a codec's setting, a data set's name: a file that cannot be written under them is found now,
and not at the end of the run. Each name is drawn at least once; numbers and most of the panels are not, so that it
takes a second.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.api import Illustrated
from benchmarks.harness.plan import Plan
from benchmarks.reporting import html
from benchmarks.reporting.figures import rate_curves
from benchmarks.reporting.figures.figure_files import laid_out_only
from benchmarks.reporting.made_up_run import MadeUp, make_up, results_of
from benchmarks.runs import provenance, tables
from hsc.errors import HscError, ResultsError, UsageError


def rehearse(plan: Plan) -> None:
    """Write a run's files into a folder that is thrown away.

    Raises:
        UsageError: one of them cannot be written under the run's names.
        ResultsError: there is no room for them.
    """
    if not plan.todo:
        return  # everything was coded before, so the end is near
    made_up = make_up(plan)
    try:
        with tempfile.TemporaryDirectory(prefix="hsc-") as folder, laid_out_only():
            _write(plan, made_up, Path(folder))
    except OSError as error:
        raise ResultsError(
            f"the run's files cannot be tried in {tempfile.gettempdir()}: {error.strerror}; make room, or set TMPDIR"
        ) from error


def _write(plan: Plan, made_up: MadeUp, folder: Path) -> None:
    """Write each file in its order. Raises as ``rehearse``."""
    for name, write in _files(plan, made_up, folder):
        try:
            write()
        except OSError:
            raise
        except Exception as error:
            text = str(error) if isinstance(error, HscError) else f"{type(error).__name__}: {error}"
            raise UsageError(
                f"{name} of this run could not be written at its end: {' '.join(text.split())}; change the names of "
                "classes, pictures or settings that stand in it"
            ) from error


def _files(plan: Plan, made_up: MadeUp, folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The files that a run writes at its end, in their order; the page is made from those before it."""
    task, results = plan.config.task, results_of(plan, made_up)
    yield "the tables", lambda: tables.write(results, folder, plan.notices)
    yield "the curves", lambda: rate_curves.curves(results, folder / "curves")
    if isinstance(task, Illustrated):
        yield "the figures of the task", lambda: task.figures(made_up.scores, made_up.counts, folder, results.names)
    yield "run.json", lambda: _write_description(plan, folder)
    yield "the page", lambda: html.write(folder)


def _write_description(plan: Plan, folder: Path) -> None:
    provenance.write(folder / "run.json", provenance.describe(plan, 1, "cpu", {"command": ""}))
