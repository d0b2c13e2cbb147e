"""A data set and a head of label maps, small enough to be followed pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks.api import Sample
from downstream.api import VOID, LabelSpace, SegmentationMap
from downstream.label_spaces import CAMVID11, VOC21


@dataclass(frozen=True)
class Greys:
    """Images of 4x6 whose grey says the class, 20 levels each, and their label maps in CamVid's classes; the first
    twelve differ.
    """

    labels: bool = True
    images: int = 2
    split: ClassVar[str] = "test"
    revision: ClassVar[str] = "1"

    def __len__(self) -> int:
        return self.images

    def image_ids(self) -> list[str]:
        return ["first", "second", *(f"image {n}" for n in range(3, self.images + 1))][: self.images]

    def load(self, index: int) -> Sample:
        image = np.repeat(self.label_map(index).labels[..., None], 3, axis=2)
        return Sample(self.image_ids()[index], np.where(image == VOID, 255, image * 20).astype(np.uint8))

    def label_map(self, index: int) -> SegmentationMap:
        labels = np.full((4, 6), CAMVID11.classes.index("road"), np.uint8)
        labels[:2] = CAMVID11.classes.index("building" if index % 2 else "sky")
        labels[2, : 1 + (index // 2 + 2) % 6] = CAMVID11.classes.index("car")
        labels[3, 3:5] = CAMVID11.classes.index("bicyclist" if index % 2 else "pedestrian")
        labels[0, 0] = VOID
        return SegmentationMap(labels)

    def label_space(self, kind: type) -> LabelSpace | None:
        return CAMVID11 if self.labels and kind is SegmentationMap else None

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class ReadGrey:
    """Reads the class back from the grey, in CamVid's or VOC's classes. size: answers maps one row too short."""

    voc: bool = False
    size: bool = False

    output: ClassVar[type] = SegmentationMap
    regime: ClassVar[str] = "frozen"

    @property
    def label_space(self) -> LabelSpace:
        return VOC21 if self.voc else CAMVID11

    def predict(self, images: Any) -> list[SegmentationMap]:
        return [SegmentationMap(self._classes(image[..., 0])[int(self.size) :]) for image in images]

    def _classes(self, grey: np.ndarray) -> np.ndarray:
        labels = np.round(grey / 20).astype(np.uint8)
        if not self.voc:
            return np.where(labels < len(CAMVID11.classes), labels, VOID).astype(np.uint8)
        table = np.zeros(256, np.uint8)  # background
        for camvid, voc in (("car", "bus"), ("pedestrian", "person"), ("bicyclist", "bicycle"), ("road", "cow")):
            table[CAMVID11.classes.index(camvid)] = VOC21.classes.index(voc)
        return table[labels]

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {}
