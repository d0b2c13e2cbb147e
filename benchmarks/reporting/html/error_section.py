"""The page's section on what heads lose and make up: shares at every operating point, by part, and the worst images."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.errors.error_rows import NONE, THRESHOLD
from benchmarks.errors.error_rows import read as read_rows
from benchmarks.errors.kinds import OF_THE_TRUTH
from benchmarks.reporting.figures.common_points import common_points
from benchmarks.reporting.figures.rate_curves import rates
from benchmarks.reporting.html.cells import NOTHING, codec_cell, head_cell, row_marks
from benchmarks.reporting.html.curves import Points
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, table
from benchmarks.runs.display_names import Naming
from benchmarks.runs.folder_files import exists, read_bytes
from benchmarks.runs.results import Results
from hsc.errors import ResultsError

WORST = "worst.jpg"
_MAX_BYTES, _MAX_SIDE = 1 << 24, 20_000
_TITLES: Mapping[str, tuple[str, str]] = {
    "kept": ("Kept", "found on the original and on the coded image"),
    "lost": ("Lost", "found on the original alone"),
    "vanished": ("Vanished", "lost, and no new false detection explains it"),
    "class_changed": ("Class changed", "lost, and a new detection of another class lies there"),
    "box_moved": ("Box moved", "lost, and a new detection of its class overlaps it too little (IoU .1 to .5)"),
    "gained": ("Gained", "found on the coded image alone"),
    "missed": ("Missed", "found on neither"),
    "already_false": ("False already", "false on the original, too"),
    "new_false": ("New false", "false on the coded image alone"),
    "hallucinated": ("Hallucinated", "new false detections that lie on no labelled object (IoU up to .1)"),
    "cured": ("Cured", "false on the original alone"),
}
"""The kinds that the tables show, each with its title and meaning."""
_BRIEF = ("lost", "gained", "hallucinated", "new_false")
_OBJECTS = (
    "Each head is compared with itself on the originals, at scores that were fixed there, and judged by the labels. "
    "Kinds of objects are shares of the labelled objects; false detections are a number an image. Below a number "
    "stands its 95 % interval."
)
_PIXELS = (
    "Each head is compared with itself on the originals and judged by the labels. Kinds of pixels are shares of the "
    "labelled pixels. Below a number stands its 95 % interval."
)
_PARTS = "Each codec at its operating point nearest to one rate. Objects go by their labels, false ones by themselves."
_WORST = "The worst images of each codec by the first head: the most objects or pixels lost and newly false."


class Errors(NamedTuple):
    """What a run's folder holds of errors. table: the columns of ``ErrorRow``. worst: a JPEG, None for none."""

    table: pd.DataFrame
    worst: bytes | None


def read_errors(folder: Path) -> Errors | None:
    """The errors of a run's folder; None where the run decomposed none.

    Raises:
        ResultsError: a file is damaged.
    """
    rows = read_rows(folder)
    if rows is None:
        return None
    path = folder / WORST
    return Errors(rows, _picture(path) if exists(path) else None)


def _picture(path: Path) -> bytes:
    """The bytes of a JPEG, if it is one. Raises ResultsError."""
    from PIL import Image

    data = read_bytes(path, _MAX_BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            size = image.size
            if max(size) > _MAX_SIDE:
                raise ResultsError(f"it has {size[0]}x{size[1]} pixels, more than any sheet of a run")
            image.verify()
    except Exception as error:  # Pillow raises errors of any kind on damaged files
        raise ResultsError(f"{path} is no picture of a run: {error}; remove it, or run the command again") from error
    return data


def error_section(errors: Errors | None, naming: Naming, results: Results, points: Points) -> Markup:
    """The section as HTML, empty where a run decomposed no errors. results: with the names that people read."""
    if errors is None:
        return Markup("")
    rows = naming.frame(errors.table)
    pixels = not (rows["kind"] == "hallucinated").any()
    untold = rows["kind"] == NONE
    reasons = [element("p", f"{row.head}: {row.reason}.", class_="note") for row in rows[untold].itertuples()]
    parts = [element("h2", "What is lost and what is made up")]
    if untold.all():
        return element("section", *parts, *reasons, id="errors")
    parts += [element("p", _PIXELS if pixels else _OBJECTS, class_="note"), *reasons]
    parts.append(_points(rows[(rows["by"] == "all") & (rows["other"] == "")], points, pixels))
    if (rows["other"] != "").any():
        parts += [element("h3", "At equal rates"), _differences(rows[rows["other"] != ""], points, pixels)]
    parts += [element("h3", "By part"), element("p", _PARTS, class_="note"), _by_part(rows, results, points, pixels)]
    if errors.worst is not None:
        source = "data:image/jpeg;base64," + base64.b64encode(errors.worst).decode()
        picture = element("img", src=source, alt="the worst images, original and coded, errors marked", class_="sheet")
        parts += [element("h3", "The worst images"), element("p", _WORST, class_="note"), picture]
    return element("section", *parts, id="errors")


def _shown(table: pd.DataFrame, kinds: Sequence[str]) -> list[str]:
    return [kind for kind in kinds if (table["kind"] == kind).any()]


def _columns(kinds: Sequence[str]) -> list[Column]:
    ends = {kind: "high" if kind in ("kept", "gained", "cured") else "low" for kind in kinds}
    return [Column(_TITLES[kind][0], about=_TITLES[kind][1], best=ends[kind]) for kind in kinds]


def _points(whole: pd.DataFrame, points: Points, pixels: bool) -> Markup:
    """A row for each head and operating point."""
    kinds = _shown(whole, list(_TITLES))
    rows = []
    for (head, route, codec, point), group in whole.groupby(["head", "route", "codec", "point"], sort=False):
        numbers = {row.kind: row for row in group.itertuples()}
        cells = [codec_cell(points, codec, point), *(_cell(numbers.get(kind), pixels) for kind in kinds)]
        rows.append((row_marks(points, head, route, codec, point), [*cells, head_cell(head, route)]))
    columns = [Column("Codec", "text", "with its operating point below"), *_columns(kinds), Column("Head", "text")]
    return table("errors-points", "Lost and made up at every operating point", columns, rows)


def _differences(apart: pd.DataFrame, points: Points, pixels: bool) -> Markup:
    """A row for each two codecs at one rate: the shares of the first less those of the second."""
    kinds = _shown(apart, _BRIEF)
    rows = []
    by = ["head", "route", "codec", "point", "other", "other_point"]
    for (head, route, codec, point, other, other_point), group in apart.groupby(by, sort=False):
        numbers = {row.kind: row for row in group.itertuples()}
        cells = [codec_cell(points, codec, point), Cell(f"{other} {other_point}", other)]
        cells += [_cell(numbers.get(kind), pixels, sign=True) for kind in kinds]
        rows.append((row_marks(points, head, route, codec, f"{point} {other}"), [*cells, head_cell(head, route)]))
    columns = [Column("Codec", "text"), Column("Minus", "text"), *_columns(kinds), Column("Head", "text")]
    return table("errors-apart", "Differences at equal rates", columns, rows)


def _by_part(rows: pd.DataFrame, results: Results, points: Points, pixels: bool) -> Markup:
    """A row for each head, codec and part at the codec's point nearest to one rate."""
    bpp_of = {(str(codec), str(point)): float(bpp) for (codec, point), bpp in rates(results.scores).items()}
    shown = common_points(bpp_of)
    of_parts = rows[~rows["by"].isin(["", "all"]) & (rows["other"] == "") & (rows["kind"] != THRESHOLD)]
    kinds = _shown(of_parts, _BRIEF)
    nearest = [shown.get(codec) == point for codec, point in zip(of_parts["codec"], of_parts["point"], strict=True)]
    lines = _part_rows(of_parts.loc[nearest], kinds, points, pixels)
    columns = [
        Column("Codec", "text", "with its operating point below"),
        Column("Part", "text", "class, size, contrast or distance to a class boundary in pixels"),
        Column("Labelled", best="high"),
        *_columns(kinds),
        Column("Head", "text"),
    ]
    return table("errors-parts", "Lost and made up by part", columns, lines)


def _part_rows(
    of_parts: pd.DataFrame, kinds: Sequence[str], points: Points, pixels: bool
) -> Iterator[tuple[dict[str, Any], Sequence[Cell]]]:
    by = ["head", "route", "by", "part", "codec", "point"]
    for (head, route, kind_of_part, part, codec, point), group in of_parts.groupby(by, sort=False):
        numbers = {row.kind: row for row in group.itertuples()}
        labelled = max((row.of for row in group.itertuples() if row.kind in OF_THE_TRUTH), default=0)
        cells = [codec_cell(points, codec, point), Cell(part, f"{kind_of_part} {part}", kind_of_part)]
        cells += [
            Cell(f"{labelled:,.0f}", repr(float(labelled))),
            *(_cell(numbers.get(kind), pixels) for kind in kinds),
        ]
        words = f"{point} {kind_of_part} {part}"
        yield row_marks(points, head, route, codec, words), [*cells, head_cell(head, route)]


def _cell(row: Any, pixels: bool, *, sign: bool = False) -> Cell:
    """A share in percent, or a number an image, with its interval below."""
    if row is None or math.isnan(row.value):
        return NOTHING
    percent = pixels or row.kind in OF_THE_TRUTH
    ends = ""
    if not math.isnan(row.low):
        ends = f"{_text(row.low, percent, sign)} to {_text(row.high, percent, sign)}"
    return Cell(_text(row.value, percent, sign), repr(float(row.value)), ends)


def _text(value: float, percent: bool, sign: bool) -> str:
    unit = "\u00a0pp" if sign else "\u00a0%"
    text = f"{100 * value:{'+' if sign else ''}.1f}{unit}" if percent else f"{value:{'+' if sign else ''}.2f}"
    return text.replace("-", "−")
