"""The outcome of a run in memory: its numbers as tables, as files, and as Jupyter shows them."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import Comparison, Counts, ScoreRow
from benchmarks.files.remote_paths import refuse_remote
from benchmarks.harness.plan import Plan
from benchmarks.harness.progress import Progress, Silent
from benchmarks.reporting.figures.rate_curves import where
from benchmarks.reporting.images import gallery
from benchmarks.reporting.notebook import backend_kept, notebook_html
from benchmarks.runs import earlier_run, run_json
from benchmarks.runs.codec_summary import codec_summary
from benchmarks.runs.equivalent_command import arguments_of, equivalent_settings, run_text
from benchmarks.runs.folder_files import exists
from benchmarks.runs.keep_streams import Keeping
from benchmarks.runs.provenance import describe
from benchmarks.runs.record_frame import record_frame
from benchmarks.runs.records import Line
from benchmarks.runs.results import Results
from benchmarks.runs.sentences import failed_cells
from benchmarks.stats.bootstrap import Bootstrap
from hsc.errors import UsageError


@dataclass(frozen=True)
class Execution:
    """How a run was carried out. workers: processes; device: torch's name; cache: the folder of kept measurements."""

    workers: int = 1
    device: str = "cpu"
    cache: Path = Path("results/cache")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    scores, comparisons, records, summary: its numbers as DataFrames. score_rows, comparison_rows, record_rows: the
    same as values. counts: what its metrics counted, for figures of the task. keeping: the bitstreams it keeps.
    bootstrap: its rates and scores on each resample of the images; None for a plan alone.
    """

    plan: Plan
    score_rows: Sequence[ScoreRow]
    comparison_rows: Sequence[Comparison] = ()
    counts: Sequence[Counts] = ()
    record_rows: Sequence[Line] = ()
    keeping: Keeping | None = None
    execution: Execution = Execution()
    bootstrap: Bootstrap | None = field(default=None, repr=False, compare=False)

    @functools.cached_property
    def results(self) -> Results:
        """The numbers, with what is needed to show them."""
        design = self.plan.config.design
        names = (design.columns, design.main_metric)
        given = dict(self.plan.config.names)
        return Results.of(self.score_rows, self.comparison_rows, *names, design.facts, design.added, given)

    @property
    def scores(self) -> pd.DataFrame:
        """One number of one cell a row, the columns of ``scores.csv``."""
        return self.results.scores

    @property
    def comparisons(self) -> pd.DataFrame:
        """One number about two curves, codecs or heads a row, the columns of ``comparisons.csv``."""
        return self.results.comparisons

    @functools.cached_property
    def records(self) -> pd.DataFrame:
        """One image at one operating point a row: its size and error, see ``record_frame``."""
        return record_frame(self.record_rows, self.scores)

    @functools.cached_property
    def summary(self) -> pd.DataFrame:
        """One codec and head a row: BD-rate, verdict, scores at common rates, times; see ``codec_summary``."""
        return codec_summary(self.results)

    @property
    def failed(self) -> list[str]:
        """One line for each cell without a number, or whose streams could not be kept: codec, point, head, reason."""
        return [*failed_cells(self.scores), *(self.keeping.troubles if self.keeping else ())]

    def save(
        self,
        folder: str | Path,
        *,
        overwrite: bool = False,
        pictures: int = gallery.IMAGES,
        errors: bool = False,
        progress: Progress | None = None,
        tables: Mapping[str, pd.DataFrame] | None = None,
    ) -> Path:
        """Write the files that ``hsc-bench run`` writes: tables, curves, ``run.json``, the page; returns the folder.

        Its ``run.toml`` has the settings with which ``hsc-bench rerun`` repeats the run. Where objects of the run are
        none of an installed plug-in, it says so instead.

        overwrite: replace a run of other settings that lies there. pictures: how many scenes the page shows decoded.
        errors: decompose what heads lose and make up, as ``--errors`` does. tables: more CSV files, by name; the page
        shows those it knows.

        Raises:
            UsageError: nothing was measured, or the folder holds a run of other settings.
            ResultsError: the folder cannot be written.
        """
        from benchmarks.reporting.save_run import writable, write

        refuse_remote(str(folder))
        folder = Path(folder)
        if not self.score_rows:
            raise UsageError("this outcome is a plan alone (dry=True), there is nothing to save; run it without dry")
        gallery.check_images(pictures)
        if not overwrite and self._another_run_in(folder):
            raise UsageError(
                f"{folder} holds a run of other settings; name another folder, or replace that run with overwrite=True"
            )
        settings, config = self._settings(pictures), self.plan.config
        if errors:
            settings["errors"] = True
        options = argparse.Namespace(**vars(self.execution), gallery=pictures, errors=errors)
        writable(folder)
        with backend_kept():
            write(
                self,
                folder,
                options,
                arguments_of(settings),
                progress or Silent(),
                settings=run_text(config, settings),
                more=tables,
            )
        return folder

    def _settings(self, pictures: int) -> dict[str, Any]:
        """The options of ``hsc-bench run`` for this run, by their long names; defaults are left out."""
        execution, default = self.execution, Execution()
        settings = equivalent_settings(self.plan.config)
        if self.keeping:
            settings["keep-streams"] = len(self.keeping.kept.images)
        if execution.device != default.device:
            settings["device"] = execution.device
        if execution.cache != default.cache:
            settings["cache"] = str(execution.cache)
        if pictures != gallery.IMAGES:
            settings["gallery"] = pictures
        return settings

    def _another_run_in(self, folder: Path) -> bool:
        """Whether a run lies in a folder that is of other settings, cells or images, or cannot be read."""
        if not exists(folder / run_json.FILE):
            return False
        if earlier_run.why_not_into(folder, self.plan.config):
            return True
        here = describe(self.plan, self.execution.workers, self.execution.device, {})
        return not earlier_run.same_cells(folder, here)

    def _repr_html_(self) -> str:
        title = where(self.scores) if self.score_rows else "Run"
        notes = [*self.plan.notices, *(f"failed: {line}" for line in self.failed)]
        return notebook_html(self.results, title, notes)
