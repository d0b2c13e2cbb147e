"""``records.csv``: size and error of each image at each operating point, from which every rate can be summed again."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.cache import Store
from benchmarks.harness.plan import Plan, stream_records
from benchmarks.imaging.image_arrays import MAX_PIXELS
from benchmarks.runs.csv_cells import csv_records, unmarked, write_records
from benchmarks.runs.folder_files import exists, read_text
from benchmarks.text import one_line
from hsc.errors import ResultsError

FILE = "records.csv"
_MAX_BYTES = 1 << 40


class Line(NamedTuple):
    """One image at one operating point. cell: the id in ``run.json``; squared_error: summed over decoded samples."""

    cell: str
    image: str
    height: int
    width: int
    size_bytes: int
    squared_error: int


def collect(plan: Plan, store: Store) -> list[Line]:
    """The records behind every rate of a run, cell by cell; incomplete cells have no rate and no records."""
    return [
        Line(cell.id, r.image_id, *r.image_hw, r.size_bytes, r.squared_error)
        for cell in plan.cells
        for r in stream_records(plan, cell, store).records
    ]


def write(lines: Sequence[Line], folder: Path) -> None:
    """Write ``records.csv``, whole or not at all."""
    write_records(folder / FILE, Line._fields, lines)


def read(folder: Path) -> list[Line]:
    """Read what ``write`` wrote.

    Raises:
        ResultsError: the file is missing or is not one of these.
    """
    path = folder / FILE
    if not exists(path):
        raise ResultsError(f"{path} cannot be read, it is not there; a run of this version writes it, so run it again")
    text = read_text(path)
    try:
        return [_line(number, line) for number, line in enumerate(csv_records(text, Line._fields), 2)]
    except (ValueError, csv.Error) as error:
        raise ResultsError(f"{path} is damaged: {error}; restore it or run again") from error


def _line(number: int, cells: Sequence[str]) -> Line:
    """One line's cells; raises ValueError where one is not what a run writes there."""
    cell, image, *counts = cells
    if wrong := [text for text in counts if not (text.isascii() and text.isdigit() and len(text) < 20)]:
        raise ValueError(
            f"record {number} holds {one_line(wrong[0], 60)!r}, expected a whole number of at most 19 digits"
        )
    line = Line(unmarked(cell), unmarked(image), *map(int, counts))
    if not 0 < line.height * line.width <= MAX_PIXELS or line.size_bytes > _MAX_BYTES:
        raise ValueError(
            f"record {number} has {line.size_bytes} bytes for {line.width}x{line.height} pixels, more or fewer than "
            f"any image has"
        )
    return line


def by_cell(lines: Iterable[Line]) -> defaultdict[str, list[Line]]:
    """The lines of each cell, in their order; none of a cell without any."""
    of_cell: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        of_cell[line.cell].append(line)
    return of_cell
