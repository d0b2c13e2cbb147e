"""Texts in CSV files that spreadsheets must not take for formulas: a mark before them, which is taken off again when we
read.

    "=HYPERLINK(...)" --marked--> "'=HYPERLINK(...)" --unmarked--> "=HYPERLINK(...)"
    "'=1"             --marked--> "''=1"             --unmarked--> "'=1"

Numbers stay numbers: negative ones too, since only texts are marked.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

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
    """What ``marked`` was given."""
    return text[1:] if _MARKED.match(text) else text


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV with a line of columns, its texts marked, their line ends as one kind (a bare return ends a line
    of CSV).
    """
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [marked(_one_kind(value)) for value in safe[name]]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _one_kind(value: Any) -> Any:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) and "\r" in value else value


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, csv_text(table))
