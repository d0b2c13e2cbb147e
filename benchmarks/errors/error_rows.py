"""``errors.csv``: one number of what was lost or made up a line, written and read back within bounds."""

from __future__ import annotations

import csv
import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.errors.kinds import BOX_KINDS
from benchmarks.runs.csv_cells import csv_records, unmarked, write_csv
from benchmarks.runs.folder_files import exists, read_text
from benchmarks.runs.rows import frame as rows_frame
from benchmarks.text import one_line
from hsc.errors import ResultsError

FILE = "errors.csv"
THRESHOLD, NONE = "score_threshold", "none"
"""Kinds of rows that count nothing: the score from which a class' detections count, and a head without errors."""
_BY = ("", "all", "class", "size", "contrast", "distance")
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}\.?\d{0,40}(?:e[+-]?\d{1,3})?|inf)")
_MAX_TEXT, _MAX_COUNT, _MAX_ROWS = 10_000, 1e15, 4_000_000


@dataclass(frozen=True)
class ErrorRow:
    """One number: the columns of ``errors.csv``, in this order.

    cell, codec, point, route, head: as in ``scores.csv``. by, part: what is counted: "all", or the class, size,
    contrast or distance that ``part`` names. kind: of ``BOX_KINDS``; "score_threshold" for the score from which
    detections of a class count; "none" for a head whose errors cannot be decomposed, ``reason`` says why. count: how
    many. of: what ``value`` is a share of. low, high: ends of the 95 % interval of ``value``, NaN where there is none.
    other, other_point: where these are named, ``value`` is the difference from this codec at this point, which was
    matched to the same rate. images: of the run. reason: why there is no interval.
    """

    cell: str
    codec: str
    point: str
    route: str
    head: str
    by: str
    part: str
    kind: str
    count: float = math.nan
    of: float = math.nan
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    other: str = ""
    other_point: str = ""
    images: int = 0
    reason: str = ""


COLUMNS = tuple(field.name for field in dataclasses.fields(ErrorRow))
_TEXTS = tuple(field.name for field in dataclasses.fields(ErrorRow) if field.type == "str")


def frame(rows: Sequence[ErrorRow]) -> pd.DataFrame:
    """The rows as a table of the file's columns."""
    return rows_frame(rows, ErrorRow)


def write(rows: Sequence[ErrorRow], folder: Path) -> None:
    """Write ``errors.csv`` into a run's folder, whole or not at all."""
    write_csv(folder / FILE, frame(rows).astype({"count": "Int64", "of": "Int64"}))  # whole, and perhaps none


def read(folder: Path) -> pd.DataFrame | None:
    """The table of a run's folder, as ``frame`` makes it; None where the run decomposed no errors.

    Raises:
        ResultsError: the file is damaged.
    """
    path = folder / FILE
    if not exists(path):
        return None
    text = read_text(path)
    try:
        return frame(_rows(text))
    except (ValueError, csv.Error) as error:
        raise ResultsError(f"{path} is damaged: {error}; run the command that made it again") from error


def _rows(text: str) -> list[ErrorRow]:
    lines = csv_records(text, COLUMNS)
    if len(lines) > _MAX_ROWS:
        raise ValueError(f"it has {len(lines):,} lines, expected at most {_MAX_ROWS:,}")
    return [_row(number, line) for number, line in enumerate(lines, 2)]


def _row(number: int, line: Sequence[str]) -> ErrorRow:
    """One line's cells. Raises ValueError."""
    cells = dict(zip(COLUMNS, line, strict=True))
    if longest := next((name for name in _TEXTS if len(cells[name]) > _MAX_TEXT), None):
        raise ValueError(f"record {number} has {len(cells[longest]):,} characters in {longest}")
    if cells["by"] not in _BY or cells["kind"] not in (*BOX_KINDS, THRESHOLD, NONE):
        raise ValueError(f"record {number} counts {one_line(cells['by'], 40)!r} {one_line(cells['kind'], 40)!r}")
    texts: dict[str, Any] = {name: unmarked(cells[name]) for name in _TEXTS}
    numbers: dict[str, Any] = {n: _number(number, cells[n]) for n in COLUMNS if n not in (*_TEXTS, "images")}
    if not cells["images"].isdigit() or len(cells["images"]) > 7:
        raise ValueError(f"record {number} is over {one_line(cells['images'], 40)!r} images")
    return ErrorRow(**texts, **numbers, images=int(cells["images"]))


def _number(number: int, cell: str) -> float:
    if not cell:
        return math.nan
    if not _NUMBER.fullmatch(cell) or (math.isfinite(float(cell)) and abs(float(cell)) > _MAX_COUNT):
        raise ValueError(f"record {number} holds {one_line(cell, 60)!r}, expected a number")
    return float(cell)
