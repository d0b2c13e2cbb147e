"""Plug-ins of the page's tests, in a module that worker processes can import by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from hsc_testkit import Blocks

from benchmarks.api import Sample
from downstream.api import VOID, LabelSpace, SegmentationMap
from downstream.label_spaces import CAMVID11
from hsc.errors import CodecError


@dataclass(frozen=True)
class Broken(Blocks):
    """Fails on every image."""

    spec_name: ClassVar[str] = "broken"

    def encode(self, image: np.ndarray) -> bytes:
        raise CodecError("broken on purpose, with <b>markup</b> & more")


@dataclass(frozen=True)
class Absent(Blocks):
    """Cannot run here."""

    spec_name: ClassVar[str] = "absent"

    def available(self) -> str | None:
        return "its program is not installed"


@dataclass(frozen=True)
class Bands:
    """Three bands of grey that say the class, 20 levels each, and their label maps."""

    split: ClassVar[str] = "test"
    revision: ClassVar[str] = "1"

    def __len__(self) -> int:
        return 12

    def image_ids(self) -> list[str]:
        return [f"bands-{i}" for i in range(12)]

    def load(self, index: int) -> Sample:
        grey = self.label_map(index).labels.astype(np.int64) * 20
        grey = np.where(grey > 220, 255, grey) + np.random.default_rng(index).integers(0, 6, grey.shape)
        return Sample(self.image_ids()[index], np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2))

    def label_map(self, index: int) -> SegmentationMap:
        labels = np.full((48, 80), CAMVID11.classes.index("road"), np.uint8)
        labels[: 13 + index] = CAMVID11.classes.index("sky")
        labels[20:31, 7 : 31 + index] = CAMVID11.classes.index("car")
        labels[:2, :2] = VOID
        return SegmentationMap(labels)

    def label_space(self, kind: type) -> LabelSpace | None:
        return CAMVID11 if kind is SegmentationMap else None

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class ReadGrey:
    """Reads the class back from the grey."""

    output: ClassVar[type] = SegmentationMap
    regime: ClassVar[str] = "frozen"
    label_space: ClassVar[LabelSpace] = CAMVID11

    def predict(self, images: Any) -> list[SegmentationMap]:
        return [
            SegmentationMap(np.minimum(image[..., 0] // 20, len(CAMVID11.classes) - 1).astype(np.uint8))
            for image in images
        ]

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {}
