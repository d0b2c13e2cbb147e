"""Objects of training shards, each cut out of its image with some of its surroundings.

shard (images, boxes) --scorable boxes, grown--> crops, small enough to be kept in memory where the images are not
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from downstream.training.shards import boxes_by_image, in_words, read_shards
from hsc.api import Image
from hsc.errors import DataError

GROWN = 0.35
"""The share of its box's longer side by which an object's crop goes beyond the box on each side: views of training are
cut out of it.
"""


@dataclass(frozen=True)
class Crop:
    """An object with its surroundings. box: left, top, right, bottom of its own box within the crop, in pixels."""

    image: Image
    box: tuple[int, int, int, int]
    label: int


@dataclass(frozen=True)
class Crops:
    """The objects of a folder of shards. source: the origin of the images, in words."""

    crops: tuple[Crop, ...]
    classes: tuple[str, ...]
    source: str


def read_crops(folder: Path) -> Crops:
    """Cut every object that is not ignored out of every shard of a folder, in the order of their names.

    Raises:
        DataError: there is no shard, a shard is damaged or has no boxes, shards differ in classes, or hold no object.
    """
    crops: list[Crop] = []
    classes: tuple[str, ...] = ()
    sources: list[str] = []
    for name, shard in read_shards(folder, ("images", "boxes_xyxy", "labels", "ignored", "owner", "classes", "source")):
        names = tuple(str(class_name) for class_name in shard["classes"])
        if classes and names != classes:
            raise DataError(f"{name} has the classes {names}, earlier shards {classes}; export all from one data set")
        classes = names
        for image, boxes in zip(shard["images"], boxes_by_image(shard, len(shard["images"])), strict=True):
            scorable = ~boxes.ignored
            for box, label in zip(boxes.boxes_xyxy[scorable], boxes.labels[scorable].tolist(), strict=True):
                crops.append(_cut(image, box, label))
        sources.append(str(shard["source"]))
    if not crops:
        raise DataError(f"the shards in {folder} hold no object that is not ignored; export more images")
    return Crops(tuple(crops), classes, in_words(sources))


def _cut(image: Image, box: npt.NDArray[np.float32], label: int) -> Crop:
    """One object of an image, its box rounded outwards."""
    height, width = image.shape[:2]
    left, top = (max(0, int(edge)) for edge in np.floor(box[:2]))
    right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    grown = int(np.ceil(GROWN * max(right - left, bottom - top)))
    x0, y0 = max(0, left - grown), max(0, top - grown)
    crop = np.array(image[y0 : min(height, bottom + grown), x0 : min(width, right + grown)])
    return Crop(crop, (left - x0, top - y0, right - x0, bottom - y0), label)
