"""Predictions as the store keeps them, in a list that unpacks one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from downstream.api import NO_CLASS, VOID, Classification, Detections, Prediction, SegmentationMap, from_bytes


@dataclass(frozen=True, eq=False)
class Relabelling:
    """Turns predictions into other classes; objects and ranks that have none there go. table: uint16 (256,) or longer,
    label by label, ``NO_CLASS`` for those that have none.
    """

    table: npt.NDArray[np.uint16]

    def __call__(self, prediction: Prediction) -> Prediction:
        if isinstance(prediction, SegmentationMap):
            return SegmentationMap(np.minimum(self.table[:256], VOID).astype(np.uint8)[prediction.labels])
        if isinstance(prediction, Classification):
            return Classification(_reranked(self.table, prediction.ranking))
        if not isinstance(prediction, Detections):
            return prediction
        labels = self.table[prediction.labels].astype(np.int64)
        keep = labels != NO_CLASS
        masks = prediction.masks and prediction.masks.kept(keep)
        return Detections(prediction.boxes_xyxy[keep], prediction.scores[keep], labels[keep], masks)


def _reranked(table: npt.NDArray[np.uint16], ranking: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Rankings (N, K) in other classes: a class that several stand for has the rank of the likeliest of them, and the
    places of those that are gone are filled up from behind.
    """
    rows = []
    for row in ranking:
        mapped = table[row[row != NO_CLASS]]
        mapped = mapped[mapped != NO_CLASS]
        _, first = np.unique(mapped, return_index=True)
        rows.append(mapped[np.sort(first)])
    longest = max((len(row) for row in rows), default=0)
    filled = np.full((len(rows), longest), NO_CLASS, np.uint16)
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
    return filled


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
