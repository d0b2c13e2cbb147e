"""COCO annotations of rendered frames: scorable objects one by one, the others gathered into ``iscrowd`` regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes.materials import OBJECTS

if TYPE_CHECKING:
    from benchmarks.datasets.roadscenes.frame import Frame

REACH = 3.0
"""Ignored objects of a class whose boxes, grown by this many pixels, meet are one region: a crowd."""


class _Region(NamedTuple):
    """One annotation of a frame. instances: its instance numbers. kind: its object class."""

    instances: list[int]
    kind: int
    iscrowd: bool


def annotate(frames: Iterable[Frame], names: Sequence[str]) -> dict[str, Any]:
    """The COCO dict of frames in order; image ids run from 1, category ids are 1 to 5 in the order of ``OBJECTS``."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (frame, name) in enumerate(zip(frames, names, strict=True), start=1):
        height, width = frame.semantic.shape
        images.append({"id": number, "file_name": f"{name}.png", "width": width, "height": height})
        for region in _regions(frame):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": region.kind + 1,
                    "iscrowd": int(region.iscrowd),
                    **_shape(np.isin(frame.instances, region.instances)),
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(OBJECTS, start=1)]
    return {
        "info": {"description": "roadscenes, rendered"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _regions(frame: Frame) -> list[_Region]:
    """The annotations of a frame: its scorable objects one by one, then its crowds."""
    objects = frame.objects
    single = [_Region([int(i) + 1], int(objects.classes[i]), False) for i in np.flatnonzero(~objects.iscrowd)]
    crowds: list[_Region] = []
    for kind in range(len(OBJECTS)):
        left = [int(i) for i in np.flatnonzero(objects.iscrowd & (objects.classes == kind))]
        while left:
            group = [left.pop()]
            for member in group:
                near = [i for i in left if _meet(objects.boxes_xyxy[member], objects.boxes_xyxy[i])]
                group += near
                left = [i for i in left if i not in near]
            crowds.append(_Region([i + 1 for i in sorted(group)], kind, True))
    return single + crowds


def _meet(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    """Whether two boxes (left, top, right, bottom) are closer than ``REACH`` on both axes."""
    return bool(a[0] - REACH < b[2] and b[0] - REACH < a[2] and a[1] - REACH < b[3] and b[1] - REACH < a[3])


def _shape(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """bbox (x, y, width, height), area and run-length mask of a region."""
    from pycocotools import mask as coco_mask

    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    x, y = int(columns[0]), int(rows[0])
    bbox = [float(x), float(y), float(columns[-1] + 1 - x), float(rows[-1] + 1 - y)]
    return {
        "bbox": bbox,
        "area": float(mask.sum()),
        "segmentation": {"size": [int(v) for v in code["size"]], "counts": code["counts"].decode("ascii")},
    }
