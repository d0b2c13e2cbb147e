"""A run's folder as the page needs it: rows, description and gallery, checked for being there and being whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import TASKS
from benchmarks.gallery import FILE as GALLERY
from benchmarks.results import read_about, read_rows
from benchmarks.tables import only_sure
from hsc.errors import ResultsError


@dataclass(frozen=True)
class RunFiles:
    """rows: the tidy table; about: ``run.json``; gallery: ``gallery.json``, None where the run left none; main, columns: the task's scores."""

    rows: pd.DataFrame
    about: Mapping[str, Any]
    gallery: Mapping[str, Any] | None
    main: str
    columns: tuple[str, ...]


def read(folder: Path) -> RunFiles:
    """Read what ``benchmarks.run`` left in a folder, whether all of it was measured or not.

    Raises:
        ResultsError: a file is missing, damaged or not of a run.
    """
    if not folder.is_dir():
        raise ResultsError(f"there is no folder {folder}; name one that python -m benchmarks.run wrote")
    about = read_about(folder / "run.json", parse_constant=str)
    task: Any = TASKS.get(str(about["task"]["name"]))
    return RunFiles(only_sure(read_rows(folder / "rows.csv")), about, _gallery(folder / GALLERY), task.main_metric, task.columns)


def _gallery(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise ResultsError(f"{path} is damaged: {error}; let python -m benchmarks.run write it again") from error
    missing = [name for name in ("images", "heads", "classes", "failed") if not isinstance(found, dict) or name not in found]
    if missing:
        raise ResultsError(f"{path} is not a run's: it has no {', '.join(missing)}; let python -m benchmarks.run write it again")
    return dict(found)
