"""Label maps painted from the masks of a COCO-format label file.

    polygons or runs of each object --read_masks--> Mask --paint--> label map: 0 background, 1 + k category k, 255 void

COCO labels objects one by one, a segmenter one class a pixel. Painted are first the crowd regions, as void, since what
stands in them is not told apart; then the objects from the largest to the smallest, so that where two overlap the
smaller one shows.
Format: cocodataset.org/#format-data; the rasteriser is hotcoco's, which our tests hold equal to pycocotools'.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.api import VOID
from downstream.ops.masks import covered_pixels
from hsc.errors import AnnotationError
from hsc.files.file_digests import sha256_of_file

MAX_CATEGORIES = VOID - 1
"""A label map has room for so many beside background and void."""

_FAR = 16
"""Corners farther from the image than so many of its longer sides are no polygon's of it, and would be slow to draw."""


class Mask(NamedTuple):
    """One object as the label file has it. label: 1 + the place of its category. segmentation: polygons, or runs in a
    dict.
    """

    number: int
    label: int
    iscrowd: bool
    segmentation: Any


def read_masks(annotations: Path) -> Mapping[int, Sequence[Mask]]:
    """The masks of each image id, in the file's order; read again where it changed. The file is one that ``read_coco``
    has checked.
    """
    return _read(annotations, sha256_of_file(annotations))


@functools.lru_cache(maxsize=2)
def _read(annotations: Path, _sha256: str) -> Mapping[int, Sequence[Mask]]:
    content = json.loads(annotations.read_bytes())
    place = {number: at for at, number in enumerate(sorted(c["id"] for c in content["categories"]), 1)}
    found: dict[int, list[Mask]] = {}
    for at, record in enumerate(content["annotations"]):
        mask = Mask(at, place[record["category_id"]], bool(record.get("iscrowd", 0)), record.get("segmentation"))
        found.setdefault(record["image_id"], []).append(mask)
    return found


def paint(masks: Sequence[Mask], height: int, width: int, name: str) -> npt.NDArray[np.uint8]:
    """Label map uint8 (height, width) of one image's masks; ``name`` is the image's, for messages.

    Raises:
        AnnotationError: a mask is no polygons and no runs, or runs of another size than the image, or that do not cover
        all of it.
    """
    drawn = [(mask, draw(mask, height, width, name)) for mask in masks]
    drawn.sort(
        key=lambda pair: (not pair[0].iscrowd, -int(pair[1].sum()))
    )  # stable: equal ones stay in the file's order
    labels = np.zeros((height, width), np.uint8)
    for mask, inside in drawn:
        labels[inside] = VOID if mask.iscrowd else mask.label
    return labels


def draw(mask: Mask, height: int, width: int, name: str) -> npt.NDArray[np.bool_]:
    """The pixels of one mask: bool (height, width). Raises as ``paint`` does."""
    from hotcoco import mask as official

    return np.asarray(official.decode(runs(mask, height, width, name)), bool)


def runs(mask: Mask, height: int, width: int, name: str) -> dict[str, Any]:
    """One mask as packed runs in COCO's form, {"size": [height, width], "counts": str}. Raises as ``paint`` does."""
    from hotcoco import mask as official

    told = mask.segmentation
    what = f"annotation {mask.number} of image {name!r}"
    if isinstance(told, dict):
        if told.get("size") != [height, width]:
            raise AnnotationError(
                f"{what} has runs of size {told.get('size')}, expected {[height, width]}, the image's height and width"
            )
        _check_runs(told.get("counts"), height * width, what)
    elif not _are_polygons(told, _FAR * max(height, width)):
        raise AnnotationError(
            f"{what} has a segmentation that is neither a list of polygons x, y, x, y, x, y, ... nor runs: "
            f"{str(told)[:80]}"
        )
    try:
        found = official.frPyObjects(told, height, width)
        whole = official.merge(found) if isinstance(found, list) else found
        official.decode(whole)  # what is damaged shows only here
        counts = whole["counts"]
        return {"size": [height, width], "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}
    except (ValueError, TypeError, OverflowError) as error:
        raise AnnotationError(f"{what} has a segmentation that cannot be drawn: {error}") from error


def _check_runs(counts: Any, pixels: int, what: str) -> None:
    """Runs that end early would be filled up with background in silence."""
    try:
        if isinstance(counts, str | bytes):
            covered = covered_pixels(counts.encode("ascii") if isinstance(counts, str) else counts)
        elif isinstance(counts, list) and all(
            isinstance(run, int) and not isinstance(run, bool) and run >= 0 for run in counts
        ):
            covered = sum(counts)
        else:
            raise ValueError(f"its counts are {str(counts)[:40]}, expected whole numbers of pixels, or text")
    except ValueError as error:
        raise AnnotationError(f"{what} has runs that cannot be read: {error}") from error
    if covered != pixels:
        how = "end early" if covered < pixels else "go on too long"
        raise AnnotationError(
            f"{what} has runs that {how}: they cover {str(covered)[:20]} pixels, expected all {pixels} of the image; "
            f"get the labels again"
        )


def _are_polygons(told: Any, far: int) -> bool:
    return (
        isinstance(told, list)
        and bool(told)
        and all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in told)
        and all(isinstance(v, int | float) and abs(v) <= far for p in told for v in p)
    )
