"""Miniatures of the data sets that recipes need, in the layouts of their publishers, and a head quick enough for them.

The pictures are the test kit's squares on noise, twelve of them with three squares each; a square is a person where the
classes are COCO's.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hsc_testkit import FindSquares, Squares
from PIL import Image

from downstream.api import HEADS, Classification, Detections, LabelSpace, ranked
from downstream.label_spaces import COCO80, IMAGENET1K, NUMBERS, space_of
from downstream.label_spaces.imagenet import imagenet1k

IMAGES = 12
HW = (56, 144)


@HEADS.register("persons")
@dataclass(frozen=True)
class Persons:
    """The test kit's squares, each called a person. masks: whether it says which pixels, too."""

    masks: bool = False

    output: ClassVar[type] = Detections
    regime: ClassVar[str] = "frozen"
    label_space: ClassVar[LabelSpace] = COCO80

    @property
    def gives_masks(self) -> bool:
        return self.masks

    def predict(self, images: Any) -> list[Detections]:
        return FindSquares(masks=self.masks).predict(images)

    def available(self) -> str | None:
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "persons-1"}


def pictures(folder: Path, names: Sequence[str], **options: Any) -> None:
    """Write a picture under each name. options: of Pillow."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        Image.fromarray(Squares(IMAGES).load(number).image).save(folder / name, **options)


def coco_val2017(cache: Path) -> None:
    """COCO's split as its archives unpack it, in the cache folder: 80 categories with COCO's own numbers."""
    squares = Squares(IMAGES).coco()
    numbers = [139 + 147 * number for number in range(IMAGES)]
    names = [f"{number:012d}.jpg" for number in numbers]
    pictures(cache / "coco" / "val2017" / "val2017", names, quality=95)
    annotations = [
        {**one, "image_id": numbers[one["image_id"] - 1], "category_id": 1, "segmentation": [_outline(one["bbox"])]}
        for one in squares["annotations"]
    ]
    records = [
        {"id": number, "file_name": name, "height": HW[0], "width": HW[1]}
        for number, name in zip(numbers, names, strict=True)
    ]
    categories = [{"id": number, "name": name} for number, name in zip(NUMBERS, COCO80.classes, strict=True)]
    content = {"images": records, "annotations": annotations, "categories": categories}
    (cache / "coco" / "val2017" / "instances_val2017.json").write_text(json.dumps(content))


def _outline(box: Sequence[float]) -> list[float]:
    left, top, width, height = box
    return [left, top, left + width, top, left + width, top + height, left, top + height]


def mpeg_oiv6(data: Path) -> None:
    """MPEG's list of Open Images: corners from 0 to 1, COCO's names with underscores, groups, verified labels."""
    root = data / "mpeg-oiv6"
    names = [f"{number:016x}" for number in range(40, 40 + IMAGES)]
    pictures(root / "images", [f"{name}.jpg" for name in names], quality=95)
    squares = Squares(IMAGES).coco()
    height, width = HW
    boxes = []
    for one in squares["annotations"]:
        left, top, wide, high = one["bbox"]
        corners = [left / width, (left + wide) / width, top / height, (top + high) / height]
        boxes.append([names[one["image_id"] - 1], "person", *corners, 0])
    labels = [[name, "person", 1] for name in names] + [[names[0], "traffic_light", 0]]
    _table(root / "detection_validation_5k_bbox.csv", "ImageID LabelName XMin XMax YMin YMax IsGroupOf", boxes)
    _table(root / "detection_validation_labels_5k.csv", "ImageID LabelName Confidence", labels)


def _table(path: Path, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(), *rows])


def kodak(data: Path) -> None:
    """Kodak's suite by its names, with fewer and smaller pictures."""
    pictures(data / "kodak", [f"kodim{number:02d}.png" for number in range(1, IMAGES + 1)])


def celeba(data: Path) -> None:
    """A folder of faces; here they are squares."""
    pictures(data / "celeba", [f"{number:06d}.png" for number in range(182638, 182638 + IMAGES)])


@HEADS.register("left_half")
@dataclass(frozen=True)
class LeftHalf:
    """ImageNet's class of the number that the brightness of the left half says, in steps of ten."""

    output: ClassVar[type] = Classification
    regime: ClassVar[str] = "frozen"

    @property
    def label_space(self) -> LabelSpace:
        return space_of(IMAGENET1K)

    def predict(self, images: Any) -> list[Classification]:
        logits = np.zeros((len(images), 1000))
        for row, image in zip(logits, images, strict=True):
            row[round(image[:, : image.shape[1] // 2].mean() / 10)] = 9
        return [ranked(row[None]) for row in logits]

    def available(self) -> str | None:
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "left-half-1"}


def imagenet(data: Path) -> None:
    """ImageNet's pictures for validation, in folders of WordNet ids."""
    for label, wordnet_id in enumerate(imagenet1k().wordnet_ids[:IMAGES]):
        folder = data / "imagenet" / "val" / wordnet_id
        folder.mkdir(parents=True)
        image = np.full((300, 400, 3), 10 * label, np.uint8)
        Image.fromarray(image).save(folder / f"ILSVRC2012_val_{label:08d}.JPEG", "JPEG", quality=95)
