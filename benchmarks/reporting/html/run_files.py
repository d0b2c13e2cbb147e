"""A run's folder as the page needs it: rows, description and gallery, checked for being there and being whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import TASKS
from benchmarks.reporting.images.embedding import LARGEST_HW, MOST_BOXES, check_picture
from benchmarks.reporting.images.gallery import FILE as GALLERY
from benchmarks.runs.folder_files import exists, read_json
from benchmarks.runs.rows import read_rows
from benchmarks.runs.run_folder import check_rows, read_about
from benchmarks.runs.schema import Fields, ListOf, Matching, Maybe, Number, OneOf, Row, Shape, Text, Whole, check
from benchmarks.runs.tables import only_sure
from hsc.errors import ResultsError

_LABEL, _SIDE, _PACKED = Text(2000), Whole(1, 1 << 20), Text(1 << 24)
_CORNER, _PIXEL = Number(0, max(LARGEST_HW)), Whole(0, 1 << 20)
_WINDOW_SIDE = Whole(1, max(LARGEST_HW))
_BOX = Row((_CORNER, _CORNER, _CORNER, _CORNER, Number(0, 1), Whole(0, 10_000)))
_OUTLINE = Matching(r"[MLZ0-9. \-]*", 1_000_000)
"""The path of an SVG: numbers and where to go."""
_DRAWING = Maybe(
    Fields({}, {"boxes": ListOf(_BOX, MOST_BOXES), "outlines": ListOf(_OUTLINE, MOST_BOXES), "map": _PACKED})
)
_PICTURE: dict[str, Shape] = {
    "kind": OneOf(("image/avif", "image/webp")),
    "data": _PACKED,
    "psnr": Maybe(Number(-1000, 1000)),
}
_TILE: dict[str, Shape] = {
    **dict.fromkeys(("codec", "point", "note"), _LABEL),
    "bytes": Whole(0, 1 << 40),
    "psnr": Maybe(Number(-1000, 1000)),
    "picture": Fields(_PICTURE),
    "found": ListOf(_DRAWING, 1000),
}
_IMAGE: dict[str, Shape] = {
    "image": Text(4096),
    "image_hw": Row((_SIDE, _SIDE)),
    "window": Row((_PIXEL, _PIXEL, _WINDOW_SIDE, _WINDOW_SIDE)),
    "labels": _DRAWING,
    "tiles": ListOf(Fields(_TILE), 1000),
}
_SHAPE = Fields(
    {
        "images": ListOf(Fields(_IMAGE), 1000),
        "heads": ListOf(Fields({"head": _LABEL, "route": _LABEL, "regime": _LABEL}), 1000),
        "classes": ListOf(_LABEL, 10_000),
        "failed": ListOf(Fields({"codec": _LABEL, "image": Text(4096), "reason": Text(10_000)}), 10_000),
        "target_bpp": Maybe(Number(0, 1e6)),
    }
)
"""What a run writes into gallery.json."""


@dataclass(frozen=True)
class RunFiles:
    """rows: the tidy table; about: ``run.json``; gallery: ``gallery.json``, None where the run left none; main,
    columns: the task's scores.
    """

    rows: pd.DataFrame
    about: Mapping[str, Any]
    gallery: Mapping[str, Any] | None
    main: str
    columns: tuple[str, ...]


def read(folder: Path) -> RunFiles:
    """Read what ``benchmarks.run`` left in a folder, whether all of it was measured or not.

    Raises:
        ResultsError: a file is missing, damaged or not of a run.
    """
    if not folder.is_dir():
        raise ResultsError(f"there is no folder {folder}; name one that python -m benchmarks.run wrote")
    about = read_about(folder / "run.json", parse_constant=str)
    task: Any = TASKS.get(str(about["task"]["name"]))
    rows = read_rows(folder / "rows.csv")
    check_rows(folder, about, rows, whole=False)
    return RunFiles(only_sure(rows), about, _gallery(folder / GALLERY), task.main_metric, task.columns)


def _gallery(path: Path) -> dict[str, Any] | None:
    if not exists(path):
        return None
    gallery = read_json(path)
    try:
        check(gallery, _SHAPE, "gallery.json")
        for number, image in enumerate(gallery["images"]):
            _fits(image, f"gallery.json.images[{number}]", len(gallery["heads"]), len(gallery["classes"]))
    except ValueError as error:
        raise ResultsError(
            f"{path} is damaged, or is not a run's: {error}; let python -m benchmarks.run write it again"
        ) from error
    return dict(gallery)


def _fits(image: dict[str, Any], where: str, heads: int, classes: int) -> None:
    """Refuse what fits its own shape and not the rest: parts outside the image, pictures of other sizes, classes that
    have no name.
    """
    top, left, height, width = image["window"]
    if top + height > image["image_hw"][0] or left + width > image["image_hw"][1]:
        raise ValueError(f"the window of {where} lies outside its image")
    drawings = [image["labels"], *(drawing for tile in image["tiles"] for drawing in tile["found"])]
    if any(len(tile["found"]) != heads for tile in image["tiles"]):
        raise ValueError(f"a tile of {where} has answers of other than {heads} heads")
    if any(box[5] >= classes for drawing in drawings if drawing for box in drawing.get("boxes", ())):
        raise ValueError(f"a box of {where} is of a class that has no name")
    if any(
        len(drawing["outlines"]) != len(drawing.get("boxes", ()))
        for drawing in drawings
        if drawing and "outlines" in drawing
    ):
        raise ValueError(f"boxes of {where} have more or fewer outlines than they are")
    pictures = [tile["picture"]["data"] for tile in image["tiles"]]
    for packed in [*pictures, *(drawing["map"] for drawing in drawings if drawing and "map" in drawing)]:
        check_picture(packed, (height, width))
