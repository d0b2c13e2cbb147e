"""Texts in CSV files, marked so that no spreadsheet takes them for formulas; the mark is removed on reading.

    "=HYPERLINK(...)" --marked--> "'=HYPERLINK(...)" --unmarked--> "=HYPERLINK(...)"
    "'=1"             --marked--> "''=1"             --unmarked--> "'=1"

Numbers stay numbers: negative ones too, since only texts are marked.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.text import one_line
from hsc.files.atomic_files import write_text

_FORMULA = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n\v\f])")
_MARKED = re.compile(r"'+(?:\s*[=+\-@＝＋－＠]|[\t\r\n\v\f])")


def marked(text: Any) -> Any:
    """A text with a mark before it where a spreadsheet could take it for a formula; anything else as it is.

    >>> marked("-1+2"), marked("small"), marked(-1.5)
    ("'-1+2", 'small', -1.5)
    """
    return f"'{text}" if isinstance(text, str) and _FORMULA.match(text) else text


def unmarked(text: str) -> str:
    """The text that ``marked`` was given."""
    return text[1:] if _MARKED.match(text) else text


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV with a header line; texts are marked, and their line ends are line feeds (a bare return would end
    a line of CSV).
    """
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [marked(_line_feeds(value)) for value in safe[name]]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _line_feeds(value: Any) -> Any:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) and "\r" in value else value


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, csv_text(table))


def write_records(path: Path, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
    """Write lines of cells as CSV below a header line, whole or not at all; texts are marked."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *(map(marked, cells) for cells in records)])
    write_text(path, text.getvalue())


def csv_records(text: str, columns: Sequence[str]) -> list[list[str]]:
    """The lines of a CSV below its header, their cells as they stand.

    Raises:
        ValueError: there is no header, or another; a line has more or fewer cells, or the last one is cut off.
        csv.Error: it is no CSV.
    """
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if not records or records[0] != list(columns):
        came = one_line(", ".join(records[0]), 200) if records else "none"
        raise ValueError(f"its columns are {came}, expected {', '.join(columns)}")
    if torn := next((number for number, cells in enumerate(records, 1) if len(cells) != len(columns)), None):
        raise ValueError(f"record {torn} has {len(records[torn - 1])} fields, expected {len(columns)}")
    if not text.endswith("\n"):
        raise ValueError(f"record {len(records)} is cut off")
    return records[1:]
