"""Masks of a COCO-format label file, and label maps painted from them.

    polygons or runs of each object --read_masks--> Mask --paint--> label map: 0 background, 1 + k category k, 255 void

COCO labels objects one by one, a segmenter one class a pixel. Crowd regions are painted first, as void, because their
objects are not labelled one by one; then the objects from the largest to the smallest, so that the smaller one shows
where two overlap.
Format: cocodataset.org/#format-data; the rasteriser is hotcoco's, which our tests compare with pycocotools'.
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
"""The number of categories that fit into a label map beside background and void."""

_MAX_DISTANCE = 16
"""Limit of polygon corners, in multiples of the image's longer side: farther ones are faults, and slow to draw."""


class Mask(NamedTuple):
    """One object's mask as in the label file.

    number: the index of its annotation. label: 1 + the index of its category. segmentation: polygons, or runs in a
    dict.
    """

    number: int
    label: int
    iscrowd: bool
    segmentation: Any


def read_masks(annotations: Path) -> Mapping[int, Sequence[Mask]]:
    """The masks of each image id, in the file's order, cached until the file changes.

    annotations: a file that ``read_coco`` has checked.
    """
    return _read(annotations, sha256_of_file(annotations))


@functools.lru_cache(maxsize=2)
def _read(annotations: Path, _sha256: str) -> Mapping[int, Sequence[Mask]]:
    content = json.loads(annotations.read_bytes())
    labels = {category_id: label for label, category_id in enumerate(sorted(c["id"] for c in content["categories"]), 1)}
    masks: dict[int, list[Mask]] = {}
    for number, record in enumerate(content["annotations"]):
        is_crowd, segmentation = bool(record.get("iscrowd", 0)), record.get("segmentation")
        mask = Mask(number, labels[record["category_id"]], is_crowd, segmentation)
        masks.setdefault(record["image_id"], []).append(mask)
    return masks


def paint(masks: Sequence[Mask], height: int, width: int, name: str) -> npt.NDArray[np.uint8]:
    """Label map uint8 (height, width) of one image's masks; ``name`` is the image's, for messages.

    Raises:
        AnnotationError: a mask is neither polygons nor runs, or is runs of another size than the image or that do not
        cover all of it.
    """
    drawn = [(mask, draw(mask, height, width, name)) for mask in masks]
    # The sort is stable: equal areas stay in the file's order.
    drawn.sort(key=lambda pair: (not pair[0].iscrowd, -int(pair[1].sum())))
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

    segmentation = mask.segmentation
    annotation = f"annotation {mask.number} of image {name!r}"
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        if size != [height, width]:
            raise AnnotationError(
                f"{annotation} has runs of size {size}, expected {[height, width]}, the image's height and width"
            )
        _check_runs(segmentation.get("counts"), height * width, annotation)
    elif not _are_polygons(segmentation, _MAX_DISTANCE * max(height, width)):
        raise AnnotationError(
            f"{annotation} has a segmentation that is neither a list of polygons x, y, x, y, x, y, ... nor runs: "
            f"{str(segmentation)[:80]}"
        )
    try:
        encoded = official.frPyObjects(segmentation, height, width)
        merged = official.merge(encoded) if isinstance(encoded, list) else encoded
        official.decode(merged)  # damaged runs raise only here
        counts = merged["counts"]
        return {"size": [height, width], "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}
    except (ValueError, TypeError, OverflowError) as error:
        raise AnnotationError(f"{annotation} has a segmentation that cannot be drawn: {error}") from error


def _check_runs(counts: Any, pixels: int, annotation: str) -> None:
    """Check that runs cover all pixels; runs that end early would be filled with background silently.

    annotation: its number and image, for messages.

    Raises:
        AnnotationError: the runs cannot be read, or cover more or fewer pixels.
    """
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
        raise AnnotationError(f"{annotation} has runs that cannot be read: {error}") from error
    if covered != pixels:
        fault = "end early" if covered < pixels else "go on too long"
        raise AnnotationError(
            f"{annotation} has runs that {fault}: they cover {str(covered)[:20]} pixels, "
            f"expected all {pixels} of the image; get the labels again"
        )


def _are_polygons(segmentation: Any, limit: int) -> bool:
    """Whether a segmentation is a list of polygons x, y, x, y, ... with no coordinate beyond ``limit``."""
    return (
        isinstance(segmentation, list)
        and bool(segmentation)
        and all(isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in segmentation)
        and all(isinstance(v, int | float) and abs(v) <= limit for polygon in segmentation for v in polygon)
    )
