"""A run's folder as the page needs it: rows, description and gallery, checked for being there and being whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import TASKS, Row
from benchmarks.gallery import FILE as GALLERY
from hsc.errors import ResultsError

_NUMBERS = ("value", "low", "high")
_WHOLE = ("seed", "images")


@dataclass(frozen=True)
class RunFiles:
    """rows: the tidy table; about: ``run.json``; gallery: ``gallery.json``, None where the run left none; main, columns: the task's scores."""

    rows: pd.DataFrame
    about: Mapping[str, Any]
    gallery: Mapping[str, Any] | None
    main: str
    columns: tuple[str, ...]


def read(folder: Path) -> RunFiles:
    """Read what ``benchmarks.run`` left in a folder.

    Raises:
        ResultsError: a file is missing, damaged or not of a run.
    """
    if not folder.is_dir():
        raise ResultsError(f"there is no folder {folder}; name one that python -m benchmarks.run wrote")
    about = _json(folder / "run.json", ("task", "dataset", "environment", "cells"))
    gallery = _json(folder / GALLERY, ("images", "heads", "classes", "failed")) if (folder / GALLERY).exists() else None
    task: Any = TASKS.get(str(about["task"]["name"]))
    return RunFiles(_rows(folder / "rows.csv"), about, gallery, task.main_metric, task.columns)


def _rows(path: Path) -> pd.DataFrame:
    names = list(Row.__dataclass_fields__)
    types: Any = {name: "float64" if name in _NUMBERS else "int64" if name in _WHOLE else "str" for name in names}
    try:
        rows = pd.read_csv(path, keep_default_na=False, na_values={key: [""] for key in _NUMBERS}, dtype=types)
    except FileNotFoundError as error:
        raise ResultsError(f"{path} is missing; the page is made from it, so let python -m benchmarks.run write the folder again") from error
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise ResultsError(f"{path} is damaged: {' '.join(str(error).split())}; let python -m benchmarks.run write it again") from error
    if list(rows.columns) != names:
        raise ResultsError(f"{path} has the columns {', '.join(map(str, rows.columns))}; expected {', '.join(names)}")
    return rows


def _json(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"), parse_constant=str)  # a setting may be infinite; JSON proper knows no such number
    except FileNotFoundError as error:
        raise ResultsError(f"{path} is missing; the page is made from it, so let python -m benchmarks.run write the folder again") from error
    except (ValueError, OSError) as error:
        raise ResultsError(f"{path} is damaged: {error}; let python -m benchmarks.run write it again") from error
    missing = [name for name in needed if not isinstance(found, dict) or name not in found]
    if missing:
        raise ResultsError(f"{path} is not a run's: it has no {', '.join(missing)}; let python -m benchmarks.run write it again")
    return dict(found)
