"""A run's records as a table: what each image took at each operating point."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmarks.runs.records import Line


def record_frame(lines: Sequence[Line], scores: pd.DataFrame) -> pd.DataFrame:
    """One image at one operating point a row: the columns of ``records.csv``, after them the codec, its ladder, the
    point, and the bits per pixel. scores: of the same run; they name the operating point of each cell.
    """
    table = pd.DataFrame(lines, columns=list(Line._fields))
    cells = scores[scores["head"] == ""].drop_duplicates("cell").set_index("cell")
    for column in ("codec", "ladder", "point"):
        table[column] = table["cell"].map(cells[column]).astype(object)
    table["bpp"] = 8.0 * table["size_bytes"] / (table["height"] * table["width"])
    return table
