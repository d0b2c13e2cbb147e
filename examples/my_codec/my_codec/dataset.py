"""The data set: drawn discs and squares with exact boxes, so that a run needs no download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from benchmarks import DATASETS, Sample
from downstream import Detections, LabelSpace
from hsc import Image

SHAPES = LabelSpace("my shapes", ("disc", "square"))
HEIGHT, WIDTH = 96, 144
CELL = 48
"""Pixels along a side of the cells, of which each holds one shape at the most."""


class Shape(NamedTuple):
    """One object. label: an index into ``SHAPES``; left, top, side: in pixels."""

    label: int
    left: int
    top: int
    side: int


@DATASETS.register("my_shapes")
@dataclass(frozen=True)
class MyShapes:
    """Bright shapes of 8 to 26 pixels on a dark, textured ground. images: how many."""

    images: int = 24

    split: ClassVar[Literal["test"]] = "test"

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"images is {self.images}, expected 1 or more")

    @property
    def revision(self) -> str:
        """It changes when any image or label does."""
        return f"my_shapes-1-{self.images}"

    def __len__(self) -> int:
        return self.images

    def image_ids(self) -> Sequence[str]:
        return [f"shapes-{index:04d}" for index in range(self.images)]

    def load(self, index: int) -> Sample:
        """Image ``index``, the same each time."""
        return Sample(self.image_ids()[index], _drawn(index))

    def label_space(self, kind: type) -> LabelSpace | None:
        """There are labels for boxes, and none of another kind."""
        return SHAPES if kind is Detections else None

    def coco(self) -> Mapping[str, Any]:
        """The labels as a COCO-format dict."""
        numbered = [(index, shape) for index in range(self.images) for shape in shapes_of(index)]
        return {
            "images": [
                {"id": index + 1, "file_name": name, "height": HEIGHT, "width": WIDTH}
                for index, name in enumerate(self.image_ids())
            ],
            "categories": [{"id": number + 1, "name": name} for number, name in enumerate(SHAPES.classes)],
            "annotations": [
                {
                    "id": number + 1,
                    "image_id": index + 1,
                    "category_id": shape.label + 1,
                    "bbox": [float(shape.left), float(shape.top), float(shape.side), float(shape.side)],
                    "area": float(shape.side**2),
                    "iscrowd": 0,
                }
                for number, (index, shape) in enumerate(numbered)
            ],
        }

    def available(self) -> str | None:
        """It is drawn, so it is always here."""
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "my_shapes-1", "licence": "Apache-2.0"}

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """It reads and starts nothing, so a folder of strangers may name it."""
        return None


def shapes_of(index: int) -> list[Shape]:
    """The objects of image ``index``, in reading order."""
    draw = np.random.default_rng([1, index])
    shapes = []
    for top in range(0, HEIGHT, CELL):
        for left in range(0, WIDTH, CELL):
            side = int(draw.integers(8, 27))
            room = CELL - side - 2
            places = (int(draw.integers(2, room)) for _ in range(2))
            label, kept = int(draw.integers(2)), draw.random() < 0.8
            down, right = places
            if kept:
                shapes.append(Shape(label, left + right, top + down, side))
    return shapes


def _drawn(index: int) -> Image:
    """uint8 (96, 144, 3)."""
    draw = np.random.default_rng([2, index])
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = 12 * np.sin(x / draw.uniform(2, 6) + 3 * np.cos(y / draw.uniform(4, 9)))
    picture = 60 + waves[..., None] + draw.normal(0, 4, (HEIGHT, WIDTH, 3))
    for shape in shapes_of(index):
        middle = (shape.side - 1) / 2
        across, down = x - shape.left - middle, y - shape.top - middle
        inside = np.hypot(across, down) <= shape.side / 2 if shape.label == 0 else (
            np.maximum(abs(across), abs(down)) <= middle)  # fmt: skip
        colour = draw.uniform(130, 220, 3)
        picture[inside] = colour + draw.normal(0, 4, (int(inside.sum()), 3))
    pixels: Image = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels
