"""``rows.csv``: one number a line, written and read back."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import Row
from benchmarks.runs.csv_cells import csv_text, unmarked
from benchmarks.runs.folder_files import read_text
from benchmarks.text import one_line
from hsc.errors import ResultsError
from hsc.files.atomic_files import write_text

MOST_IMAGES = 1_000_000


_COLUMNS = tuple(Row.__dataclass_fields__)


_WHOLE = {"seed": 1 << 53, "images": MOST_IMAGES}


_LARGEST = 1e15


_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}(?:[eE][+-]?[0-9]{1,3})?|inf|nan)")


_STATUS = {"ok", "n/a", "skipped", "failed", "missing"}


_MOST_TEXT = 10_000


def read_rows(path: Path) -> pd.DataFrame:
    """``rows.csv``, its columns those of ``Row``: numbers NaN where they are empty, all else text. It may have no line.

    Raises:
        ResultsError: it is missing or damaged.
    """
    text = read_text(path)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ResultsError(f"{path} is damaged: {error}; run the command that made it again") from error
    if not lines or tuple(lines[0]) != _COLUMNS:
        came = f"it has the columns {', '.join(lines[0])}; " if lines else ""
        raise ResultsError(
            f"{path} is damaged: {one_line(came, 300)} its first line should be {','.join(_COLUMNS)}; run the "
            f"command that made it again"
        )
    torn = next(
        (n for n, line in enumerate(lines, 1) if len(line) != len(_COLUMNS)),
        None if text.endswith("\n") else len(lines),
    )
    if torn:
        raise ResultsError(
            f"{path} is damaged: record {torn} of {len(lines)} is cut off or has too many fields; run the command "
            f"that made it again"
        )
    rows = pd.DataFrame(lines[1:], columns=list(_COLUMNS))
    try:
        for name in _COLUMNS:
            rows[name] = pd.Series(_column(name, rows[name]), dtype=None if len(rows) else rows[name].dtype)
    except ValueError as error:
        raise ResultsError(f"{path} is damaged: {error}; run its command again") from error
    if strange := set(rows["status"]) - _STATUS:
        raise ResultsError(
            f"{path} is damaged: the status {one_line(min(strange), 60)!r} is none of {', '.join(sorted(_STATUS))}; "
            f"run its command again"
        )
    return rows


def _column(name: str, cells: pd.Series) -> list[Any]:
    """A column's cells as what they are. Raises ValueError."""
    if name in _WHOLE:
        return [_counted(name, cell) for cell in cells]
    if name in ("value", "low", "high"):
        return [_measured(name, cell) for cell in cells]
    if longest := next((cell for cell in cells if len(cell) > _MOST_TEXT), None):
        raise ValueError(
            f"a cell of the column {name} has {len(longest):,} characters, expected at most {_MOST_TEXT:,}"
        )
    return [unmarked(cell) for cell in cells]


def _counted(name: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 20 and int(cell) <= _WHOLE[name]):
        raise ValueError(
            f"the column {name} holds something that is no number ({one_line(cell, 60)!r}), expected 0 to "
            f"{_WHOLE[name]}"
        )
    return int(cell)


def _measured(name: str, cell: str) -> float:
    if not cell:
        return math.nan
    if not _DECIMAL.fullmatch(cell):
        raise ValueError(f"the column {name} holds something that is no number ({one_line(cell, 60)!r})")
    number = float(cell)
    if (math.isinf(number) and "inf" not in cell) or (math.isfinite(number) and abs(number) > _LARGEST):
        raise ValueError(
            f"the column {name} holds {one_line(cell, 60)}, larger than anything that is measured ({_LARGEST:g})"
        )
    return number


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The tidy table: a line a number, the columns of ``rows.csv``."""
    return pd.DataFrame([vars(r) for r in rows], columns=list(Row.__dataclass_fields__))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, csv_text(table))
