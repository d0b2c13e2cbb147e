"""A control: a data set whose every image has the labels of another.

What a head says of one image is scored by what is in the next of its size, so heads that truly look at their input fall
to chance, and the score that is left is what knowing the data set alone is worth. Images, and so files and predictions,
are those of the data set itself: after a run on that, nothing is coded or read again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.api import DATASETS, Dataset, HasBoxes, HasLabelMaps, HasMasks, HasRemarks, Sample
from benchmarks.programs.data_only import why_not_spec
from downstream.api import LabelSpace, Prediction, SegmentationMap
from hsc.errors import DataError
from hsc.registry import parse_spec
from hsc.weights.fetching import Fetches, unfetched


@DATASETS.register("mismatched", aliases=("shuffled_labels",))
@dataclass(frozen=True)
class Mismatched:
    """Each image with the labels of the next image of its size. of: the data set."""

    of: str = "roadscenes"

    at_chance: ClassVar[bool] = True

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """As far as the data set itself is."""
        return why_not_spec(DATASETS, settings["of"])

    @property
    def split(self) -> str:
        return _built(self.of).split

    @property
    def revision(self) -> str:
        return _built(self.of).revision

    def __len__(self) -> int:
        return len(_built(self.of))

    def image_ids(self) -> Sequence[str]:
        return _built(self.of).image_ids()

    def load(self, index: int) -> Sample:
        return _built(self.of).load(index)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return _built(self.of).label_space(kind)

    def coco(self) -> Mapping[str, Any]:
        """The data set's labels, those of each image moved to the one before it of its size.

        Raises:
            DataError: it has no boxes, or an image is the only one of its size.
        """
        dataset = _built(self.of)
        if not isinstance(dataset, HasBoxes):
            raise DataError(f"{self.of} has no boxes")
        return self._moved(dataset.coco())

    def coco_with_masks(self) -> Mapping[str, Any]:
        """The same with masks. Raises as ``coco`` does, and AnnotationError where the data set's masks are missing or
        damaged.
        """
        dataset = _built(self.of)
        if not isinstance(dataset, HasMasks):
            raise DataError(f"{self.of} has no masks")
        return self._moved(dataset.coco_with_masks())

    def _moved(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        moves = _moves([(image["height"], image["width"]) for image in found["images"]], self.of)
        ids = [image["id"] for image in found["images"]]
        before = {ids[source]: ids[target] for target, source in enumerate(moves)}
        return {**found, "annotations": [{**one, "image_id": before[one["image_id"]]} for one in found["annotations"]]}

    def label_map(self, index: int) -> SegmentationMap:
        """The label map of the next image of this one's size. Raises as ``coco`` does."""
        dataset = _built(self.of)
        if not isinstance(dataset, HasLabelMaps):
            raise DataError(f"{self.of} has no label maps")
        shape = dataset.label_map(index).labels.shape
        for step in range(1, len(self)):
            other = dataset.label_map((index + step) % len(self))
            if other.labels.shape == shape:
                return other
        raise DataError(f"image {index} of {self.of} is the only one of {shape}; no other's labels fit it")

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """The data set's own."""
        dataset = _built(self.of)
        return dataset.remarks(indices) if isinstance(dataset, HasRemarks) else ()

    def unfetched(self) -> str:
        """What use of the data set would download."""
        return unfetched(_built(self.of))

    def fetch(self) -> None:
        """Bring the data set here. Raises UnavailableError where it cannot be fetched."""
        dataset = _built(self.of)
        if isinstance(dataset, Fetches):
            dataset.fetch()

    def available(self) -> str | None:
        return _built(self.of).available()

    def provenance(self) -> Mapping[str, str]:
        """The data set's own."""
        return {**_built(self.of).provenance(), "labels": "of the next image of the same size"}


def _moves(sizes: Sequence[tuple[int, int]], name: str) -> list[int]:
    """For each image, the next one of its size, the first after the last."""
    places: dict[tuple[int, int], list[int]] = {}
    for at, size in enumerate(sizes):
        places.setdefault(size, []).append(at)
    alone = [size for size, members in places.items() if len(members) == 1]
    if alone:
        raise DataError(f"{name} has one image alone of {alone[0]}; no other's labels fit it")
    found = [0] * len(sizes)
    for members in places.values():
        for at, following in zip(members, [*members[1:], members[0]], strict=True):
            found[at] = following
    return found


@functools.lru_cache(maxsize=4)
def _built(of: str) -> Dataset:
    return DATASETS.build(parse_spec(of))
