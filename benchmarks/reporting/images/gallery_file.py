"""``gallery.json`` read back: the pictures of a run, of the shape and within the bounds of what a run writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.reporting.images.embedding import LARGEST_HW, MAX_BOXES, check_picture
from benchmarks.runs.folder_files import exists, read_json
from benchmarks.runs.schema import Fields, ListOf, Matching, Maybe, Number, OneOf, Row, Shape, Text, Whole, check
from hsc.errors import ResultsError

FILE = "gallery.json"

_LABEL, _SIDE, _PACKED = Text(2000), Whole(1, 1 << 20), Text(1 << 24)
_CORNER, _PIXEL = Number(0, max(LARGEST_HW)), Whole(0, 1 << 20)
_WINDOW_SIDE = Whole(1, max(LARGEST_HW))
_BOX = Row((_CORNER, _CORNER, _CORNER, _CORNER, Number(0, 1), Whole(0, 10_000)))
_OUTLINE = Matching(r"[MLZ0-9. \-]*", 1_000_000)
"""The path of an SVG: numbers, and the commands to move, draw a line and close."""
_DRAWING = Maybe(
    Fields({}, {"boxes": ListOf(_BOX, MAX_BOXES), "outlines": ListOf(_OUTLINE, MAX_BOXES), "map": _PACKED})
)
_PICTURE: dict[str, Shape] = {
    "kind": OneOf(("image/avif", "image/webp")),
    "data": _PACKED,
    "psnr": Maybe(Number(-1000, 1000)),
}
_RATES = 10
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
    "tiles": ListOf(Fields(_TILE, {"rate": Whole(0, _RATES - 1)}), 1000),
}
_GALLERY = Fields(
    {
        "images": ListOf(Fields(_IMAGE), 1000),
        "heads": ListOf(Fields({"head": _LABEL, "route": _LABEL, "regime": _LABEL}), 1000),
        "classes": ListOf(_LABEL, 10_000),
        "failed": ListOf(Fields({"codec": _LABEL, "image": Text(4096), "reason": Text(10_000)}), 10_000),
        "target_bpp": Maybe(Number(0, 1e6)),
    },
    {"rates": ListOf(Number(0, 1e6), _RATES)},
)


def read_gallery(folder: Path) -> dict[str, Any] | None:
    """The gallery of a run's folder; None where the run left none. One of an earlier version has one rate.

    Raises:
        ResultsError: the file is damaged, or not a run's.
    """
    path = folder / FILE
    if not exists(path):
        return None
    gallery = read_json(path)
    try:
        check(gallery, _GALLERY, FILE)
        rates = max(len(gallery.setdefault("rates", [r for r in [gallery["target_bpp"]] if r])), 1)
        if any(tile.get("rate", 0) >= rates for image in gallery["images"] for tile in image["tiles"]):
            raise ValueError(f"a tile of {FILE} is of a rate that is none of its {rates}")
        for number, image in enumerate(gallery["images"]):
            _check_image(image, f"{FILE}.images[{number}]", len(gallery["heads"]), len(gallery["classes"]))
    except ValueError as error:
        raise ResultsError(
            f"{path} is damaged, or is not a run's: {error}; let hsc-bench run write it again"
        ) from error
    return dict(gallery)


def _check_image(image: dict[str, Any], where: str, heads: int, classes: int) -> None:
    """Refuse an image some of whose parts contradict others: a window outside the image, pictures of another size than
    the window, classes without a name, heads or outlines of another number.

    Raises:
        ValueError: a part contradicts another, or a picture is damaged.
    """
    top, left, height, width = image["window"]
    if top + height > image["image_hw"][0] or left + width > image["image_hw"][1]:
        raise ValueError(f"the window of {where} lies outside its image")
    if any(len(tile["found"]) != heads for tile in image["tiles"]):
        raise ValueError(f"a tile of {where} has the predictions of other than {heads} heads")
    answers = [image["labels"], *(drawing for tile in image["tiles"] for drawing in tile["found"])]
    drawings = [drawing for drawing in answers if drawing]
    if any(box[5] >= classes for drawing in drawings for box in drawing.get("boxes", ())):
        raise ValueError(f"a box of {where} is of a class that has no name")
    if any(len(d["outlines"]) != len(d.get("boxes", ())) for d in drawings if "outlines" in d):
        raise ValueError(f"the boxes of {where} have another number of outlines than of boxes")
    pictures = [tile["picture"]["data"] for tile in image["tiles"]]
    for packed in [*pictures, *(drawing["map"] for drawing in drawings if "map" in drawing)]:
        check_picture(packed, (height, width))
