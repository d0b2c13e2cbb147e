"""An earlier run in the folder that a run is to be written into: kept where its settings are others, else replaced.

Files that the new run does not write (a contact sheet, figures of another task, kept bitstreams) would show old
pictures beside new numbers, so they go first. Files that no run writes are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.config import Config
from benchmarks.runs import RUN_FILE, archive, records, run_json
from benchmarks.runs.advice_rows import FILE as ADVICE
from benchmarks.runs.folder_files import exists
from benchmarks.runs.rows import COMPARISONS, SCORES
from benchmarks.runs.run_settings import differences, settings_of_config, settings_of_run
from hsc.errors import ResultsError

PUBLISHED = "published.csv"
"""A recipe's published figures beside those of its run."""
SHEET, GALLERY = "sheet.jpg", "gallery.json"
"""Pictures of decoded images: they stay where the new run has the same cells and images."""
WRITTEN = (
    run_json.FILE,
    "report.html",
    SCORES,
    COMPARISONS,
    PUBLISHED,
    records.FILE,
    archive.FILE,
    RUN_FILE,
    ADVICE,
    "table.csv",
    "table.md",
    "table.tex",
    "curves.png",
    "curves.pdf",
    "class_curves.png",
    "class_curves.pdf",
    "confusion.csv",
    "confusion_change.csv",
    "confusion_change.png",
    "confusion_change.pdf",
    "errors.csv",
    "errors.png",
    "errors.pdf",
    "worst.jpg",
)
"""What a run may leave in its folder, ``run.json`` first: without it the folder reads as a run that is not finished."""
_MOST = 4
"""Differences that a message names."""


def why_not_into(folder: Path, config: Config, *, name: str = "") -> str | None:
    """Why a run may not be written into a folder unasked: a finished run of other settings lies there, or one that
    cannot be read. A sentence with what differs and the cure, or None. name: of the folder in it, by default its path.
    """
    name = name or str(folder)
    if not exists(folder / run_json.FILE):
        return None
    cure = "name another folder with --out, or replace that run with --overwrite-folder"
    try:
        there = settings_of_run(run_json.read(folder / run_json.FILE))
    except ResultsError as error:
        return f"{name} holds a run that cannot be read ({error}); {cure}"
    different = differences(there, settings_of_config(config))
    if not different:
        return None
    more = f"; and {len(different) - _MOST} more" if len(different) > _MOST else ""
    return f"{name} holds a finished run of other settings ({'; '.join(different[:_MOST])}{more}); {cure}"


def remove(folder: Path, description: Mapping[str, Any]) -> list[str]:
    """Remove the files of an earlier run before a new one is written; returns those that no run can write again.

    description: ``run.json`` of the new run. Pictures of the very same cells and images stay.
    """
    pictures = () if same_cells(folder, description) else (GALLERY, SHEET)
    drawn = [SHEET] if SHEET in pictures and exists(folder / SHEET) else []
    for name in (*WRITTEN, *pictures):
        (folder / name).unlink(missing_ok=True)
    return drawn


def same_cells(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether a folder holds a run of the very same cells and images. description: ``run.json`` of another run."""
    try:
        about = run_json.read(folder / run_json.FILE)
    except ResultsError:
        return False
    pixels = about["dataset"].get("pixels_sha256")
    same_images = bool(pixels == description["dataset"]["pixels_sha256"])
    return same_images and set(about["cells"]) == set(description["cells"])
