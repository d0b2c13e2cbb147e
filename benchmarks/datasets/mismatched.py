"""A control experiment: a data set in which each image has the labels of another image.

A head's predictions on one image are scored against the labels of the next image of the same size, or against class
labels in an order that is drawn at random. Heads that use their input fall to chance, and the remaining score is the
value of knowing only the data set. Images, and so streams and predictions, are those of the data set itself: after a
run on that, nothing is coded or predicted again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import (
    DATASETS,
    HasBoxes,
    HasClassLabels,
    HasLabelMaps,
    HasMasks,
    HasRegions,
    HasRemarks,
    Region,
    Sample,
)
from benchmarks.datasets._wrapped import WrappedDataset, built
from benchmarks.programs.data_only import why_not_spec
from downstream.api import LabelSpace, Prediction, SegmentationMap
from hsc.errors import DataError


@DATASETS.register("mismatched", aliases=("shuffled_labels",))
@dataclass(frozen=True)
class Mismatched(WrappedDataset):
    """Each image with the labels of the next image of its size, or with class labels in another order. of: the data
    set.
    """

    of: str = "roadscenes"

    at_chance: ClassVar[bool] = True

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the data set itself."""
        return why_not_spec(DATASETS, settings["of"])

    def load(self, index: int) -> Sample:
        return self.wrapped.load(index)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return self.wrapped.label_space(kind)

    def coco(self) -> Mapping[str, Any]:
        """The data set's labels, each image's moved to the previous image of the same size.

        Raises:
            DataError: it has no boxes, or an image is the only one of its size.
        """
        dataset = self.wrapped
        if not isinstance(dataset, HasBoxes):
            raise DataError(f"{self.of} has no boxes")
        return self._moved(dataset.coco())

    def coco_with_masks(self) -> Mapping[str, Any]:
        """The same with masks.

        Raises:
            DataError: as ``coco``.
            AnnotationError: the data set's masks are missing or damaged.
        """
        dataset = self.wrapped
        if not isinstance(dataset, HasMasks):
            raise DataError(f"{self.of} has no masks")
        return self._moved(dataset.coco_with_masks())

    def _moved(self, labels: Mapping[str, Any]) -> Mapping[str, Any]:
        following = _next_of_size([(image["height"], image["width"]) for image in labels["images"]], self.of)
        ids = [image["id"] for image in labels["images"]]
        new_ids = {ids[source]: ids[target] for target, source in enumerate(following)}
        return {
            **labels,
            "annotations": [
                {**annotation, "image_id": new_ids[annotation["image_id"]]} for annotation in labels["annotations"]
            ],
        }

    def label_map(self, index: int) -> SegmentationMap:
        """The label map of the next image of the same size. Raises as ``coco`` does."""
        dataset = self.wrapped
        if not isinstance(dataset, HasLabelMaps):
            raise DataError(f"{self.of} has no label maps")
        shape = dataset.label_map(index).labels.shape
        for step in range(1, len(self)):
            candidate = dataset.label_map((index + step) % len(self))
            if candidate.labels.shape == shape:
                return candidate
        raise DataError(f"image {index} of {self.of} is the only one of {shape}; no other's labels fit it")

    def regions(self, index: int) -> Sequence[Region] | None:
        """The regions of the data set itself: crops are its own, and only their classes are another's."""
        dataset = self.wrapped
        return dataset.regions(index) if isinstance(dataset, HasRegions) else None

    def class_labels(self, index: int) -> npt.NDArray[np.int64]:
        """As many class labels as the image has, out of those of all images in an order that is drawn once: data sets
        often stand in the order of their classes, so the next image's label would mostly be right.

        Raises:
            DataError: the data set has no class labels.
        """
        return _shuffled_labels(self.of)[index]

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """The remarks of the data set itself."""
        dataset = self.wrapped
        return dataset.remarks(indices) if isinstance(dataset, HasRemarks) else ()

    def provenance(self) -> Mapping[str, str]:
        """The data set's provenance, and whose labels its images have."""
        return {**self.wrapped.provenance(), "labels": "of the next image of the same size"}


def _next_of_size(sizes_hw: Sequence[tuple[int, int]], name: str) -> list[int]:
    """For each image, the index of the next image of the same size; the last is followed by the first.

    Raises:
        DataError: an image is the only one of its size. name: the data set's, for the message.
    """
    indices_by_size: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes_hw):
        indices_by_size.setdefault(size, []).append(index)
    alone = [size for size, indices in indices_by_size.items() if len(indices) == 1]
    if alone:
        raise DataError(f"{name} has one image alone of {alone[0]}; no other's labels fit it")
    following = [0] * len(sizes_hw)
    for indices in indices_by_size.values():
        for index, next_index in zip(indices, [*indices[1:], indices[0]], strict=True):
            following[index] = next_index
    return following


@functools.lru_cache(maxsize=4)
def _shuffled_labels(of: str) -> list[npt.NDArray[np.int64]]:
    """The class labels of all images in another order, cut into parts as long as those of each image."""
    dataset = built(of)
    if not isinstance(dataset, HasClassLabels):
        raise DataError(f"{of} has no class labels")
    labels = [dataset.class_labels(index) for index in range(len(dataset))]
    ends = np.cumsum([len(of_image) for of_image in labels])
    return np.split(np.random.default_rng(0).permutation(np.concatenate(labels)), ends[:-1])
