"""A run's folder for notebooks and scripts: its numbers as tables, and as Jupyter shows them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.errors import error_rows
from benchmarks.files.mirror import fetched
from benchmarks.files.remote_paths import is_remote
from benchmarks.reporting.figures.rate_curves import where
from benchmarks.reporting.notebook import notebook_html
from benchmarks.runs import records, run_folder
from benchmarks.runs.codec_summary import codec_summary
from benchmarks.runs.notices import notices_of
from benchmarks.runs.record_frame import record_frame
from benchmarks.runs.run_folder import Run
from benchmarks.runs.sentences import failed_cells


@dataclass(frozen=True)
class SavedRun(Run):
    """A run as its folder holds it.

    scores, comparisons, records, summary: its numbers as DataFrames, those of ``Outcome``. about: ``run.json``. It is
    read and not checked: ``hsc-bench verify FOLDER`` says whether the numbers hold.
    """

    @functools.cached_property
    def records(self) -> pd.DataFrame:
        """One image at one operating point a row: its size and error, see ``record_frame``.

        Raises:
            ResultsError: ``records.csv`` is missing or damaged.
        """
        return record_frame(records.read(self.folder), self.scores)

    @functools.cached_property
    def errors(self) -> pd.DataFrame | None:
        """What heads lose and make up, the columns of ``errors.csv``; None where the run was made without ``--errors``.

        Raises:
            ResultsError: ``errors.csv`` is damaged.
        """
        return error_rows.read(self.folder)

    @functools.cached_property
    def summary(self) -> pd.DataFrame:
        """One codec and head a row: BD-rate, verdict, scores at common rates, times; see ``codec_summary``."""
        return codec_summary(self.results)

    @property
    def failed(self) -> list[str]:
        """One line for each cell without a number: codec, point, head, reason."""
        return failed_cells(self.scores)

    def _repr_html_(self) -> str:
        title = f"{self.name}: {where(self.scores)}" if len(self.scores) else self.name
        notes = [*notices_of(self.about), *(f"failed: {line}" for line in self.failed)]
        return notebook_html(self.results, title, notes)


def load(folder: str | Path, *, complete: bool = False) -> SavedRun:
    """Read the folder of a finished run, whoever made it. folder: its path, or a URI, which is copied into the cache.

    complete: refuse a run some of whose cells were not measured; by default their rows say so by ``status``.

    Raises:
        ResultsError: the folder is missing, empty, damaged or of several runs, or its task is not installed here.
        DownloadError: it cannot be fetched.
    """
    path = fetched(str(folder)) if is_remote(folder) else Path(folder)
    run = run_folder.load(path, complete=complete)
    return SavedRun(run.folder, run.about, run.results)
