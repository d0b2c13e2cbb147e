"""The head: finds bright blobs and tells discs from squares by how much of their box they fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import ndimage

from downstream import HEADS, Detections, LabelSpace, Prediction
from hsc import Image
from my_codec.dataset import SHAPES

SMALLEST = 30
"""Pixels of the smallest blob that counts."""
BETWEEN = (1 + np.pi / 4) / 2
"""Half way between the part of its box that a disc fills and that of a square."""


@HEADS.register("my_detector")
@dataclass(frozen=True)
class MyDetector:
    """A detector without weights. threshold: the brightness at which an object begins, 0 to 255."""

    threshold: int = 105

    output: ClassVar[type[Prediction]] = Detections
    regime: ClassVar[Literal["frozen"]] = "frozen"  # it never saw a decoded image
    label_space: ClassVar[LabelSpace] = SHAPES

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """The objects of each image; images may differ in size."""
        return [self._found(image) for image in images]

    def available(self) -> str | None:
        """It needs nothing but SciPy."""
        return None

    def provenance(self) -> Mapping[str, str]:
        """Everything beside the fields that decides its answers: here the version of its code."""
        return {"code": "my_detector-1"}

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """It reads and starts nothing, so a folder of strangers may name it."""
        return None

    def _found(self, image: Image) -> Detections:
        blobs, _ = ndimage.label(image.mean(axis=2) > self.threshold)
        boxes, scores, labels = [], [], []
        for number, (rows, columns) in enumerate(ndimage.find_objects(blobs), 1):
            inside = blobs[rows, columns] == number
            if inside.sum() >= SMALLEST:
                filled = float(inside.mean())
                boxes.append((columns.start, rows.start, columns.stop, rows.stop))
                labels.append(int(filled > BETWEEN))
                scores.append(min(1.0, 0.5 + 4 * abs(filled - BETWEEN)))
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64)
        )
