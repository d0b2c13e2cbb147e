"""``scores.csv`` and ``comparisons.csv``: one number a line, as tables and as values, read back within bounds."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import pandas as pd

from benchmarks.api import Comparison, Kind, Method, ScoreRow
from benchmarks.runs.csv_cells import unmarked
from benchmarks.runs.folder_files import read_text
from benchmarks.stats.bootstrap import MIN_IMAGES
from benchmarks.text import one_line
from hsc.errors import ResultsError

SCORES = "scores.csv"
COMPARISONS = "comparisons.csv"
MAX_IMAGES = 1_000_000
MAX_TEXT = 10_000
"""Characters of one cell of a table."""

Numbered = type[Any]
"""What a row of a file holds: ``ScoreRow``, ``Comparison``, or another dataclass of texts and numbers."""
_Row = TypeVar("_Row")

_MAX_COUNTS = {"seed": 1 << 53, "images": MAX_IMAGES, "resamples": 1_000_000, "refused": 1_000_000}
"""The columns of whole numbers, and the largest of each."""
_MAX_NUMBER = 1e15
_SHARES = ("overlap_test", "overlap_anchor")
"""Columns of numbers from 0 to 1."""
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}(?:[eE][+-]?[0-9]{1,3})?|inf|nan)")
_SCORE_WORDS = {"ladder": ("", "second"), "status": ("ok", "n/a", "skipped", "failed", "missing")}
_COMPARISON_WORDS = {"kind": get_args(Kind), "method": get_args(Method), "status": ("ok", "n/a")}


def read_scores(path: Path) -> pd.DataFrame:
    """``scores.csv``: the columns of ``ScoreRow``, empty numbers as NaN, all else text; perhaps without a row.

    Raises:
        ResultsError: it is missing or damaged.
    """
    return read_rows(path, ScoreRow, _SCORE_WORDS)


def read_comparisons(path: Path) -> pd.DataFrame:
    """``comparisons.csv``: the columns of ``Comparison``, read as ``read_scores`` reads those of ``ScoreRow``.

    Raises:
        ResultsError: as ``read_scores`` does.
    """
    return read_rows(path, Comparison, _COMPARISON_WORDS)


def frame(rows: Sequence[Any], kind: Numbered) -> pd.DataFrame:
    """The tidy table of rows of one kind: the columns of its file."""
    return pd.DataFrame([vars(row) for row in rows], columns=_columns(kind)).astype(_dtypes(kind))


def only_sure(table: pd.DataFrame) -> pd.DataFrame:
    """The table without the intervals that rest on too few images, whoever wrote them."""
    few = table["images"] < MIN_IMAGES
    return table.assign(low=table["low"].mask(few), high=table["high"].mask(few))


def score_rows(table: pd.DataFrame) -> list[ScoreRow]:
    """The rows of a table of scores as values."""
    return rows_of(table, ScoreRow)


def comparison_rows(table: pd.DataFrame) -> list[Comparison]:
    """The rows of a table of comparisons as values."""
    return rows_of(table, Comparison)


def rows_of(table: pd.DataFrame, kind: type[_Row]) -> list[_Row]:
    """The rows of a table of one kind as values."""
    return [kind(**{str(name): cell for name, cell in row.items()}) for row in table.to_dict("records")]


def _columns(kind: Numbered) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _dtypes(kind: Numbered) -> dict[str, Any]:
    types = {"float": "float64", "int": "int64"}
    return {field.name: types.get(str(field.type), object) for field in dataclasses.fields(kind)}


def read_rows(path: Path, kind: Numbered, words: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """A file of rows of one kind, read as ``read_scores`` does. words: those that a column may hold, by its name.

    Raises:
        ResultsError: it is missing or damaged.
    """
    text = read_text(path)
    try:
        return _parsed(text, kind, words)
    except (ValueError, csv.Error) as error:
        raise ResultsError(f"{path} is damaged: {error}; run the command that made it again") from error


def _parsed(text: str, kind: Numbered, words: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The table in a text of CSV. Raises ValueError and csv.Error."""
    columns, dtypes = _columns(kind), _dtypes(kind)
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if not records or records[0] != columns:
        came = f"it has the columns {', '.join(records[0])}; " if records else ""
        raise ValueError(f"{one_line(came, 300)} expected the columns {','.join(columns)}".lstrip())
    torn = next((number for number, record in enumerate(records, 1) if len(record) != len(columns)), None)
    torn = torn or (None if text.endswith("\n") else len(records))
    if torn:
        raise ValueError(f"record {torn} of {len(records)} is cut off or has too many fields")
    table = pd.DataFrame(records[1:], columns=columns, dtype=object)
    for name in columns:
        table[name] = pd.Series(_column(name, dtypes[name], table[name]), dtype=dtypes[name])
    for name, allowed in words.items():
        if strange := set(table[name]) - set(allowed):
            expected = ", ".join(word or "nothing" for word in sorted(allowed))
            raise ValueError(f"the {name} {one_line(min(strange), 60)!r} is none of {expected}")
    if kind is Comparison and (table["refused"] > table["resamples"]).any():
        row = table[table["refused"] > table["resamples"]].iloc[0]
        raise ValueError(f"{row['refused']} of {row['resamples']} resamples are refused, expected at most all of them")
    return table


def _column(name: str, dtype: Any, cells: pd.Series) -> list[Any]:
    """A column's cells as what they are. Raises ValueError."""
    if dtype == "int64":
        return [_count(name, cell) for cell in cells]
    if dtype == "float64":
        return [_number(name, cell) for cell in cells]
    if longest := next((cell for cell in cells if len(cell) > MAX_TEXT), None):
        raise ValueError(f"a cell of the column {name} has {len(longest):,} characters, expected at most {MAX_TEXT:,}")
    return [unmarked(cell) for cell in cells]


def _count(name: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 20 and int(cell) <= _MAX_COUNTS[name]):
        came = f"holds something that is no number ({one_line(cell, 60)!r})"
        raise ValueError(f"the column {name} {came}, expected 0 to {_MAX_COUNTS[name]}")
    return int(cell)


def _number(name: str, cell: str) -> float:
    if not cell:
        return math.nan
    if not _DECIMAL.fullmatch(cell):
        raise ValueError(f"the column {name} holds something that is no number ({one_line(cell, 60)!r})")
    number = float(cell)
    if name in _SHARES and not 0 <= number <= 1:
        raise ValueError(f"the column {name} holds {one_line(cell, 60)}, expected a share from 0 to 1")
    if (math.isinf(number) and "inf" not in cell) or (math.isfinite(number) and abs(number) > _MAX_NUMBER):
        raise ValueError(
            f"the column {name} holds {one_line(cell, 60)}, larger than anything that is measured ({_MAX_NUMBER:g})"
        )
    return number
