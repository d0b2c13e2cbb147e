"""Writes the folder of merged runs: the files of a run, with the predictions that its runs kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.api import Illustrated
from benchmarks.reporting import html
from benchmarks.reporting.figures import rate_curves
from benchmarks.reporting.save_run import writable
from benchmarks.runs import RUN_FILE, archive, earlier_run, provenance, records, run_json, tables
from benchmarks.runs.folder_files import exists, read_json
from benchmarks.runs.kept_predictions import file_inside
from benchmarks.runs.merge import Merged
from benchmarks.runs.merged_description import NAME
from benchmarks.runs.notices import notices_of
from benchmarks.runs.prediction_files import FOLDER, MANIFEST
from benchmarks.runs.rows import score_rows
from benchmarks.runs.run_toml import without_settings
from hsc.errors import ResultsError, UsageError
from hsc.files.atomic_files import write_text


def why_not_into(folder: Path, runs: list[Path], *, overwrite: bool) -> str | None:
    """Why merged runs may not be written into a folder, None where they may. overwrite: whether a run there may go."""
    if folder.resolve() in {run.resolve() for run in runs}:
        return f"{folder} is one of the runs to merge; name another folder with --out"
    if overwrite or not exists(folder / run_json.FILE):
        return None
    try:
        about = run_json.read(folder / run_json.FILE)
    except ResultsError:
        about = {}
    if about.get(NAME, {}).get("runs") and {one.get("name") for one in about[NAME]["runs"]} == {r.name for r in runs}:
        return None
    return f"{folder} holds another run; name another folder with --out, or replace that run with --overwrite-folder"


def write(merged: Merged, folder: Path) -> None:
    """Write the run's files, the page last. Pictures of decoded images are those of a run, and not among them.

    Raises:
        UsageError: the folder is that of one of the runs.
        ResultsError: the folder cannot be written, or a manifest names a file outside of the predictions.
    """
    if reason := why_not_into(folder, [run.folder for run in merged.runs], overwrite=True):
        raise UsageError(reason)
    writable(folder)
    earlier_run.remove(folder, merged.about)
    names = ", ".join(run.name for run in merged.runs)
    write_text(folder / RUN_FILE, without_settings(f"it was merged from the runs {names}; repeat each of them"))
    tables.write(merged.results, folder, notices_of(merged.about))
    records.write(merged.lines, folder)
    if merged.kept:
        archive.write(merged.kept, folder)
    rate_curves.curves(merged.results, folder / "curves")
    task: Any = merged.runs[0].task
    if isinstance(task, Illustrated) and not _needs_counts(merged):
        task.figures(score_rows(merged.results.scores), (), folder, merged.results.names)
    provenance.write(folder / run_json.FILE, merged.about)
    _write_predictions(merged, folder / FOLDER)
    html.write(folder)


def _needs_counts(merged: Merged) -> bool:
    """Whether figures of the task rest on counts, which a folder does not hold."""
    return any(exists(run.folder / "confusion.csv") for run in merged.runs)


def _write_predictions(merged: Merged, place: Path) -> None:
    """Copy the kept predictions of every cell, and the labels that each run scored them against."""
    shutil.rmtree(place, ignore_errors=True)
    sources = [run.folder / FOLDER for run in merged.runs]
    if not all(exists(source / MANIFEST) for source in sources):
        return
    place.mkdir(parents=True)
    files: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    written: set[str] = set()
    for number, source in enumerate(sources):
        manifest = read_json(source / MANIFEST)
        left_out += [entry for entry in manifest.get("left_out", ()) if entry not in left_out]
        for entry in manifest["files"]:
            if entry["cell"] in written:
                continue
            written.add(entry["cell"])
            labels = entry["labels"] and f"labels-{number}-{entry['labels'].removeprefix('labels-')}"
            _copy(file_inside(source, entry["file"]), place / entry["file"])
            if labels:  # what is compared with originals has none
                _copy(file_inside(source, entry["labels"]), place / labels)
            files.append({**entry, "labels": labels})
    images = list(merged.runs[0].images)
    text = json.dumps({"version": "1", "images": images, "files": files, "left_out": left_out}, indent=1)
    write_text(place / MANIFEST, text + "\n")


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder of files, where it is not there yet; its bytes, never what a link leads to elsewhere."""
    if exists(target):
        return
    if source.is_symlink() or any(path.is_symlink() for path in source.glob("*")):
        raise ResultsError(f"{source} is a link, and is not followed; put the files themselves there")
    try:
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    except OSError as error:
        raise ResultsError(f"{source} cannot be copied into {target.parent}: {error}") from error
