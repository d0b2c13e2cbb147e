"""Advice as files: ``advice.csv`` beside the files of a run of all settings that were tried, and its page with both."""

from __future__ import annotations

from pathlib import Path

from benchmarks.advice.advising import Advice
from benchmarks.harness.progress import Progress
from benchmarks.reporting.images import gallery
from benchmarks.reporting.save_run import writable
from benchmarks.runs import run_json
from benchmarks.runs.advice_rows import FILE
from benchmarks.runs.folder_files import exists
from hsc.errors import UsageError


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """See that advice can be written into a folder, before anything is coded.

    Raises:
        UsageError: it holds a finished run, with advice or without, and may not be replaced.
        ResultsError: it cannot be written.
    """
    if exists(folder / run_json.FILE) and not overwrite:
        raise UsageError(
            f"{folder} holds a finished run; name another folder with --out, or replace that run with "
            f"--overwrite-folder"
        )
    writable(folder)


def save(
    advice: Advice,
    folder: Path,
    *,
    overwrite: bool = False,
    pictures: int = gallery.IMAGES,
    progress: Progress | None = None,
) -> Path:
    """Write the run that the advice rests on, ``advice.csv``, and the page with both; returns the folder.

    pictures: how many scenes the page shows decoded.

    Raises:
        UsageError, ResultsError: as ``check_folder``.
    """
    check_folder(folder, overwrite=overwrite)
    tables = {FILE: advice.table}
    return advice.outcome.save(folder, overwrite=overwrite, pictures=pictures, progress=progress, tables=tables)
