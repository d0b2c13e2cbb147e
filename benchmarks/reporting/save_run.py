"""Writes every file of a finished run into its folder."""

from __future__ import annotations

import argparse
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.api import Illustrated
from benchmarks.harness.cache import Store
from benchmarks.harness.progress import Progress
from benchmarks.reporting import error_files, html
from benchmarks.reporting.figures import rate_curves
from benchmarks.reporting.images import gallery
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs import (
    RUN_FILE,
    archive,
    earlier_run,
    prediction_files,
    provenance,
    records,
    run_json,
    saved_images,
    tables,
)
from benchmarks.runs.class_support import NAME as CLASS_SUPPORT
from benchmarks.runs.class_support import class_support
from benchmarks.runs.csv_cells import write_csv
from benchmarks.runs.environment import environment
from benchmarks.runs.notices import NAME as NOTICES
from benchmarks.runs.notices import notices_of
from hsc.errors import ResultsError
from hsc.files.atomic_files import write_text


def writable(folder: Path) -> None:
    """Make the folder of a run's files before anything is coded, so that no run ends without one.

    Raises:
        ResultsError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultsError(
            f"the folder {folder} cannot be written: {error.strerror}; name another with --out"
        ) from error


def write(
    outcome: Outcome,
    folder: Path,
    options: argparse.Namespace,
    arguments: Sequence[str],
    progress: Progress,
    *,
    settings: str = "",
    more: Mapping[str, pd.DataFrame] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Write a run's files, the page of them all last.

    Files of an earlier run go first, so that none of them stays beside the new numbers.

    options: ``workers``, ``device``, ``cache``, ``gallery``, ``errors``, ``keep_predictions`` and ``save_images`` of
    ``hsc-bench run``. arguments: of its command line. settings: the text of ``run.toml``, empty for none. more:
    further tables, by the names of their CSV files. tell: is given a sentence on what was removed for good, or could
    not be saved or shown.
    """
    task, results = outcome.plan.config.task, outcome.results
    command = {"command": "python -m benchmarks.run " + shlex.join(arguments)}
    workers = options.workers or environment()["machine"]["cores"]
    description = provenance.describe(outcome.plan, workers, options.device, command)
    for name in earlier_run.remove(folder, description):
        tell(f"{folder / name} showed an earlier run and was removed; hsc-bench contact-sheet draws another")
    if settings:
        write_text(folder / RUN_FILE, settings)
    for name, table in (more or {}).items():
        write_csv(folder / name, table)
    tables.write(results, folder, notices_of({NOTICES: outcome.plan.notices}))
    records.write(outcome.record_rows, folder)
    if outcome.keeping:
        archive.write(outcome.keeping.kept, folder)
    rate_curves.curves(results, folder / "curves")
    if isinstance(task, Illustrated):
        task.figures(outcome.score_rows, outcome.counts, folder, results.names)
    description[CLASS_SUPPORT] = class_support(outcome.plan, outcome.counts)
    provenance.write(folder / run_json.FILE, description)
    shutil.rmtree(folder / prediction_files.FOLDER, ignore_errors=True)  # those of an earlier run are not this run's
    if vars(options).get("keep_predictions", False):
        with Store(Path(options.cache) / "store.sqlite") as store:
            prediction_files.write(outcome.plan, store, folder)
    if save_images := vars(options).get("save_images"):
        cache, place = Path(options.cache), Path(save_images)
        for line in saved_images.keep(outcome.plan, cache, place, workers, options.device, progress):
            tell(line)
    if vars(options).get("errors", False):
        for text in error_files.write(outcome, folder, Path(options.cache), progress):
            tell(text)
    gallery.keep(outcome.plan, folder, options.cache, options.gallery, progress)
    html.write(folder)
