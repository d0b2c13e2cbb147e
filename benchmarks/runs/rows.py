"""``scores.csv`` and ``comparisons.csv``: one number a line, written and read back."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import Comparison, ScoreRow
from benchmarks.runs.csv_cells import unmarked
from benchmarks.runs.folder_files import read_text
from benchmarks.stats.bootstrap import MIN_IMAGES
from benchmarks.text import one_line
from hsc.errors import ResultsError

SCORES = "scores.csv"
COMPARISONS = "comparisons.csv"
MOST_IMAGES = 1_000_000

Numbered = type[ScoreRow] | type[Comparison]
"""What a line of one of the two files holds."""

_WHOLE = {"seed": 1 << 53, "images": MOST_IMAGES, "resamples": 1_000_000, "refused": 1_000_000}
"""The columns of whole numbers, and the largest of each."""
_LARGEST = 1e15
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}(?:[eE][+-]?[0-9]{1,3})?|inf|nan)")
_STATUS = {"ok", "n/a", "skipped", "failed", "missing"}
_MOST_TEXT = 10_000


def read_scores(path: Path) -> pd.DataFrame:
    """``scores.csv``: the columns of ``ScoreRow``, numbers NaN where they are empty, all else text. It may have no
    line.

    Raises:
        ResultsError: it is missing or damaged.
    """
    return _read(path, ScoreRow)


def read_comparisons(path: Path) -> pd.DataFrame:
    """``comparisons.csv``: the columns of ``Comparison``, as ``read_scores`` reads those of ``ScoreRow``. Raises as it
    does.
    """
    return _read(path, Comparison)


def frame(rows: Sequence[ScoreRow] | Sequence[Comparison], kind: Numbered) -> pd.DataFrame:
    """The tidy table of scores or comparisons: a line a number, the columns of its file."""
    return pd.DataFrame([vars(row) for row in rows], columns=_columns(kind)).astype(_dtypes(kind))


def only_sure(table: pd.DataFrame) -> pd.DataFrame:
    """The table without intervals over too few images, whoever wrote them."""
    few = table["images"] < MIN_IMAGES
    return table.assign(low=table["low"].mask(few), high=table["high"].mask(few))


def score_rows(table: pd.DataFrame) -> list[ScoreRow]:
    """The lines of a table of scores as values."""
    return [ScoreRow(**{str(name): cell for name, cell in line.items()}) for line in table.to_dict("records")]


def comparison_rows(table: pd.DataFrame) -> list[Comparison]:
    """The lines of a table of comparisons as values."""
    return [Comparison(**{str(name): cell for name, cell in line.items()}) for line in table.to_dict("records")]


def _columns(kind: Numbered) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _dtypes(kind: Numbered) -> dict[str, Any]:
    types = {"float": "float64", "int": "int64"}
    return {field.name: types.get(str(field.type), object) for field in dataclasses.fields(kind)}


def _read(path: Path, kind: Numbered) -> pd.DataFrame:
    columns, again = _columns(kind), "run the command that made it again"
    text = read_text(path)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ResultsError(f"{path} is damaged: {error}; {again}") from error
    if not lines or lines[0] != columns:
        came = f"it has the columns {', '.join(lines[0])}; " if lines else ""
        raise ResultsError(
            f"{path} is damaged: {one_line(came, 300)} expected the columns {','.join(columns)}; {again}"
        )
    torn = next((n for n, line in enumerate(lines, 1) if len(line) != len(columns)), None)
    torn = torn or (None if text.endswith("\n") else len(lines))
    if torn:
        raise ResultsError(
            f"{path} is damaged: record {torn} of {len(lines)} is cut off or has too many fields; {again}"
        )
    table = pd.DataFrame(lines[1:], columns=columns, dtype=object)
    dtypes = _dtypes(kind)
    try:
        for name in columns:
            table[name] = pd.Series(_column(name, dtypes[name], table[name]), dtype=dtypes[name])
    except ValueError as error:
        raise ResultsError(f"{path} is damaged: {error}; {again}") from error
    if strange := set(table["status"]) - _STATUS:
        raise ResultsError(
            f"{path} is damaged: the status {one_line(min(strange), 60)!r} is none of {', '.join(sorted(_STATUS))}; "
            f"{again}"
        )
    return table


def _column(name: str, dtype: Any, cells: pd.Series) -> list[Any]:
    """A column's cells as what they are. Raises ValueError."""
    if dtype == "int64":
        return [_counted(name, cell) for cell in cells]
    if dtype == "float64":
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
