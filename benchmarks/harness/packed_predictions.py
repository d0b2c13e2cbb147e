"""Predictions as the store keeps them, in a list that unpacks one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from downstream.api import VOID, Detections, Prediction, SegmentationMap, from_bytes


@dataclass(frozen=True, eq=False)
class Relabelling:
    """Turns predictions into other classes; objects that have none there go. table: uint8 (256,), label by label, VOID
    for those that have none.
    """

    table: npt.NDArray[np.uint8]

    def __call__(self, prediction: Prediction) -> Prediction:
        if isinstance(prediction, SegmentationMap):
            return SegmentationMap(self.table[prediction.labels])
        if not isinstance(prediction, Detections):
            return prediction
        labels = self.table[prediction.labels].astype(np.int64)
        keep = labels != VOID
        masks = prediction.masks and prediction.masks.kept(keep)
        return Detections(prediction.boxes_xyxy[keep], prediction.scores[keep], labels[keep], masks)


@dataclass(frozen=True, eq=False)
class PackedPredictions(Sequence[Any]):
    """The predictions, or label maps, of a set of images, each unpacked when it is asked for and not kept.

    data: as ``downstream.api.to_bytes`` packs them. relabel: None where they are in the wanted classes already.
    """

    data: tuple[bytes, ...]
    relabel: Relabelling | None = None

    def __len__(self) -> int:
        return len(self.data)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> PackedPredictions: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return PackedPredictions(self.data[place], self.relabel)
        prediction = from_bytes(self.data[place])
        return self.relabel(prediction) if self.relabel else prediction
