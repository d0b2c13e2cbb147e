"""``records.csv``: what each image took at each operating point, so that every rate of a table can be added up again from its own folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Plan
from benchmarks.scoring import stream_records
from benchmarks.store import Store
from benchmarks.whole_files import write_text
from hsc.errors import ResultsError

FILE = "records.csv"


class Line(NamedTuple):
    """One image at one operating point. cell: its id in ``run.json``; squared_error: sum over all samples of the decoded image."""

    cell: str
    image: str
    height: int
    width: int
    size_bytes: int
    squared_error: int


def collect(plan: Plan, store: Store) -> list[Line]:
    """The records behind every rate of a run, cell by cell; cells that are not whole have no rate and no records."""
    return [
        Line(cell.id, r.image_id, *r.image_hw, r.size_bytes, r.squared_error) for cell in plan.cells for r in stream_records(plan, cell, store)[0]
    ]


def write(lines: Sequence[Line], folder: Path) -> None:
    """Write ``records.csv``, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Line._fields)
    writer.writerows(lines)
    write_text(folder / FILE, text.getvalue())


def read(folder: Path) -> list[Line]:
    """What ``write`` wrote.

    Raises:
        ResultsError: the file is missing or is not one of these.
    """
    path = folder / FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
            if header != list(Line._fields):
                raise ValueError(f"its columns are {', '.join(header)}, expected {', '.join(Line._fields)}")
            return [Line(cell, image, *map(int, numbers)) for cell, image, *numbers in lines]
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}; a run of this version writes it, so run it again") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise ResultsError(f"{path} is damaged: {error}; restore it or run again") from error
