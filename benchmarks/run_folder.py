"""A run's folder, read back: what ``benchmarks.run`` wrote, checked for being whole before anything is made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from benchmarks.api import Row
from benchmarks.null_floor import PART
from hsc.errors import ResultsError

_NUMBERS = ("value", "low", "high")
_WHOLE = ("seed", "images")
_NEEDED = ("task", "dataset", "anchors", "seed", "resamples", "skipped", "cells", "environment")


class Verdict(NamedTuple):
    """What one check found. about: what was checked; text: in words what holds, what differs, or why it could not be checked."""

    state: Literal["holds", "differs", "unchecked", "note"]
    about: str
    text: str


def verdicts(about: str, wrong: Sequence[str], right: str) -> list[Verdict]:
    """One for each thing that is wrong, or one that says what is right."""
    return [Verdict("differs", about, text) for text in wrong] or [Verdict("holds", about, right)]


@dataclass(frozen=True)
class RunFolder:
    """path: the folder; about: ``run.json``; rows: ``rows.csv``."""

    path: Path
    about: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def images(self) -> tuple[str, ...]:
        return tuple(self.about["dataset"]["images"])

    @property
    def points(self) -> dict[str, Mapping[str, Any]]:
        """The operating points by id: cells without a head."""
        return {at: cell for at, cell in self.about["cells"].items() if "head" not in cell}

    @property
    def curve_rows(self) -> list[Row]:
        """The rows of operating points, those of second ladders under their curve's own label again."""
        plain = [r for r in self.rows if not r.anchor]
        return [Row(**{**vars(r), "codec": f"{r.codec}, {PART}", "part": ""}) if r.part == PART else r for r in plain]


def read(path: Path) -> RunFolder:
    """Read a run's folder.

    Raises:
        ResultsError: it is no such folder, or ``run.json`` or ``rows.csv`` is missing or damaged.
    """
    about_path, rows_path = path / "run.json", path / "rows.csv"
    try:
        about = json.loads(about_path.read_text("utf-8"))
        if missing := [name for name in _NEEDED if name not in about] + [n for n in ("images", "config", "revision") if n not in about["dataset"]]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        if wrong := [at for at, cell in about["cells"].items() if not {"codec", "curve", "point"} <= set(cell)]:
            raise ValueError(f"the cell {wrong[0]} lacks its codec, curve or point")
    except OSError as error:
        raise ResultsError(f"{about_path} cannot be read: {error.strerror}; name the folder that python -m benchmarks.run wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{about_path} is damaged: {error}; restore it or run again") from error
    try:
        table = pd.read_csv(rows_path, keep_default_na=False, dtype=str)
        names = [f.name for f in fields(Row)]
        if list(table.columns) != names:
            raise ValueError(f"its columns are {', '.join(table.columns)}, expected {', '.join(names)}")
        rows = tuple(_row(line) for line in table.to_dict("records"))
    except OSError as error:
        raise ResultsError(f"{rows_path} cannot be read: {error.strerror}; restore it or run again") from error
    except (ValueError, TypeError) as error:  # pandas' own errors are ValueErrors
        raise ResultsError(f"{rows_path} is damaged: {error}; restore it or run again") from error
    return RunFolder(path, about, rows)


def _row(line: Mapping[Any, str]) -> Row:
    numbers: dict[str, Any] = {name: float(line[name]) if line[name] else math.nan for name in _NUMBERS}
    numbers |= {name: int(line[name]) for name in _WHOLE}
    return Row(**{str(k): v for k, v in line.items()} | numbers)
