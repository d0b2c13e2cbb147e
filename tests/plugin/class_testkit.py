"""Scenes of squares in seven shades, and a head that tells a crop's shade, so that classifications can be followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import DATASETS, Sample
from downstream.api import HEADS, Classification, Detections, LabelSpace, ranked

SHADES = LabelSpace("shades", tuple(f"shade-{number}" for number in range(7)))
LEVELS = 60 + 30 * np.arange(7)
"""The grey of each shade."""


@DATASETS.register("shades")
@dataclass(frozen=True)
class Shades:
    """Squares of 8 to 20 pixels on black noise, 0 to 4 in an image, each with its box and shade."""

    images: int = 12
    split: ClassVar[str] = "test"
    revision: ClassVar[str] = "1"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Drawn here."""
        return None

    def __len__(self) -> int:
        return self.images

    def image_ids(self) -> list[str]:
        return [f"shades-{i}" for i in range(self.images)]

    def squares(self, index: int) -> list[tuple[int, int, int, int]]:
        """left, top, side and shade of each square."""
        random = np.random.default_rng(index)
        count = (index + 3) % 5
        return [
            (4 + 36 * k, int(random.integers(0, 12)), int(random.integers(8, 20)), int(random.integers(0, 7)))
            for k in range(count)
        ]

    def load(self, index: int) -> Sample:
        image = np.random.default_rng(index + 1000).integers(0, 40, (32, 148, 3)).astype(np.uint8)
        for left, top, side, shade in self.squares(index):
            image[top : top + side, left : left + side] = LEVELS[shade]
        return Sample(f"shades-{index}", image, 1000)

    def label_space(self, kind: type) -> LabelSpace | None:
        return SHADES if kind is Detections else None

    def coco(self) -> dict[str, Any]:
        boxes = [(i, square) for i in range(self.images) for square in self.squares(i)]
        annotations = [
            {
                "id": number,
                "image_id": i + 1,
                "category_id": 10 + shade,
                "bbox": [float(left), float(top), float(side), float(side)],
                "area": float(side**2),
                "iscrowd": 0,
            }
            for number, (i, (left, top, side, shade)) in enumerate(boxes, 1)
        ]
        images = [{"id": i + 1, "file_name": f"{i}.png", "height": 32, "width": 148} for i in range(self.images)]
        categories = [{"id": 10 + n, "name": name} for n, name in enumerate(SHADES.classes)]
        return {"images": images, "annotations": annotations, "categories": categories}

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"source": "made here"}


@HEADS.register("shades")
@dataclass(frozen=True)
class TellShade:
    """Ranks the shades by their distance from the grey in the middle of a picture. first: only this many are known."""

    first: int = 7

    output: ClassVar[type] = Classification
    regime: ClassVar[str] = "frozen"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Nothing but sums."""
        return None

    @property
    def label_space(self) -> LabelSpace:
        return SHADES if self.first == 7 else LabelSpace("some-shades", SHADES.classes[: self.first])

    def predict(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Classification]:
        return [self._one(image) for image in images]

    def _one(self, image: npt.NDArray[np.uint8]) -> Classification:
        height, width = image.shape[:2]
        grey = image[height // 2, width // 2].mean()
        return ranked(-np.abs(LEVELS[None, : self.first] - grey))

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "shades-1"}
