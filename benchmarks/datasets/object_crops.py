"""The objects of a data set with boxes, one by one: what each is, given where it is.

    coded=scene   scene --codec--> decoded scene --boxes--> crops --classifier--> a class each      what a camera sends
    coded=crop    scene --boxes--> crops --codec--> decoded crop --classifier--> its class          one image each

A crop goes beyond its box by a share of the box's longer side and ends at the edge of the scene. Crowds are left out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import DATASETS, HasBoxes, HasRemarks, Region, Sample
from benchmarks.datasets._wrapped import WrappedDataset, built
from benchmarks.formats.coco_table import CocoTable
from benchmarks.programs.data_only import why_not_spec
from downstream.api import Classification, Detections, LabelSpace, Prediction
from hsc.errors import DataError


class _Object(NamedTuple):
    """An object of a scene. label: its class, as an index into the label space of the boxes."""

    region: Region
    label: int


class _Found(NamedTuple):
    """The objects of a data set. scenes: those of each scene. crops: the scene of each object, and its number there."""

    scenes: tuple[tuple[_Object, ...], ...]
    crops: tuple[tuple[int, int], ...]


@DATASETS.register("object_crops", aliases=("crops",))
@dataclass(frozen=True)
class ObjectCrops(WrappedDataset):
    """The class of each labelled object of another data set, cut out by its exact box.

    of: the data set with boxes. coded: "scene" codes whole scenes, as a camera sends them, and cuts the objects out of
    the decoded scene; intervals are then over scenes. "crop" codes each object's crop alone, as if a first stage had
    cut it out before the link: images are small, rates are those of small files, and intervals take the objects of one
    scene as independent, so they are somewhat narrow. margin: how far a crop goes beyond its box on each side, as a
    share of the box's longer side. min_side: objects whose box has a longer side of fewer pixels are left out.

    Raises:
        ValueError: margin is not 0 to 1, min_side is below 1, or coded is another word.
    """

    of: str = "roadscenes"
    coded: Literal["scene", "crop"] = "scene"
    margin: float = 0.15
    min_side: int = 8

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the data set itself."""
        return why_not_spec(DATASETS, settings["of"])

    def __post_init__(self) -> None:
        if self.coded not in ("scene", "crop"):
            raise ValueError(f"coded came as {self.coded!r}, expected scene or crop")
        if not 0 <= self.margin <= 1 or self.min_side < 1:
            raise ValueError(
                f"margin {self.margin} and min_side {self.min_side}: expected a share from 0 to 1, and 1 pixel or more"
            )

    def __len__(self) -> int:
        return len(self.wrapped) if self.coded == "scene" else len(self._found.crops)

    def image_ids(self) -> Sequence[str]:
        """The names of the scenes; or of their crops, numbered in each scene: ``val-00000#3``."""
        scenes = self.wrapped.image_ids()
        if self.coded == "scene":
            return scenes
        return [f"{scenes[scene]}#{number}" for scene, number in self._found.crops]

    def load(self, index: int) -> Sample:
        """A scene, or a crop of one. Raises as ``load`` of the data set itself."""
        if self.coded == "scene":
            return self.wrapped.load(index)
        scene, number = self._found.crops[index]
        left, top, right, bottom = self._found.scenes[scene][number].region
        sample = self.wrapped.load(scene)
        return Sample(f"{sample.image_id}#{number}", np.ascontiguousarray(sample.image[top:bottom, left:right]))

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """The classes of the boxes, for classifications alone.

        Raises:
            DataError: the data set has no boxes.
        """
        return _labelled(self.of)[1] if kind is Classification else None

    def regions(self, index: int) -> Sequence[Region] | None:
        """The crops of a scene; None where crops are coded themselves. Raises AnnotationError for damaged labels."""
        return [one.region for one in self._found.scenes[index]] if self.coded == "scene" else None

    def class_labels(self, index: int) -> npt.NDArray[np.int64]:
        """The classes of a scene's objects; or of a crop, the one class. Raises AnnotationError for damaged labels."""
        if self.coded == "crop":
            scene, number = self._found.crops[index]
            return np.array([self._found.scenes[scene][number].label], np.int64)
        return np.array([one.label for one in self._found.scenes[index]], np.int64)

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """The remarks of the data set itself on its scenes; and where crops are coded, what intervals rest on."""
        dataset = self.wrapped
        scenes = indices if self.coded == "scene" else sorted({self._found.crops[index][0] for index in indices})
        own = list(dataset.remarks(scenes)) if isinstance(dataset, HasRemarks) else []
        if self.coded == "crop" and len(scenes) < len(indices):
            own.append(
                f"{len(indices)} crops of {len(scenes)} scenes are coded one by one and count as independent images, "
                f"so intervals are narrower than over scenes; object_crops(coded=scene) resamples scenes"
            )
        return own

    def available(self) -> str | None:
        if reason := self.wrapped.available():
            return reason
        try:
            objects = len(self._found.crops)
        except DataError as error:
            return str(error)
        return (
            None if objects else f"{self.of} has no object of {self.min_side} pixels or more; give a smaller min_side"
        )

    def provenance(self) -> Mapping[str, str]:
        """The provenance of the data set itself, and the rule of the crops."""
        rule = "boxes rounded outwards, margin a share of the longer side, clipped to the scene, crowds left out"
        return {**self.wrapped.provenance(), "crops": rule}

    @property
    def _found(self) -> _Found:
        return _objects(self.of, self.margin, self.min_side)


def _labelled(of: str) -> tuple[HasBoxes, LabelSpace]:
    """The data set, and the classes of its boxes. Raises DataError where it has none."""
    dataset = built(of)
    space = dataset.label_space(Detections)
    if space is None or not isinstance(dataset, HasBoxes):
        raise DataError(f"{of} has no labelled boxes to cut objects out by; give of= a data set that has, such as coco")
    return dataset, space


@functools.lru_cache(maxsize=4)
def _objects(of: str, margin: float, min_side: int) -> _Found:
    """The objects of each scene, in the order of their labels. Raises DataError where there are no labels to read."""
    dataset, _ = _labelled(of)
    coco = CocoTable.of(dataset.coco())
    places = {entry["id"]: place for place, entry in enumerate(coco.images)}
    labels = {entry["id"]: label for label, entry in enumerate(coco.categories)}  # in the order of the label space
    found: list[list[_Object]] = [[] for _ in coco.images]
    large = ~coco.crowd & (coco.boxes[:, 2:].max(1, initial=0) >= min_side)
    for image_id, category_id, box in zip(
        coco.image_ids[large].tolist(), coco.category_ids[large].tolist(), coco.boxes[large].tolist(), strict=True
    ):
        place = places[image_id]
        height, width = _size_of(dataset, coco.images[place], place)
        if (region := _grown(box, margin, height, width)) is not None:
            found[place].append(_Object(region, labels[category_id]))
    crops = [(scene, number) for scene, objects in enumerate(found) for number in range(len(objects))]
    return _Found(tuple(map(tuple, found)), tuple(crops))


def _size_of(dataset: Any, entry: Mapping[str, Any], place: int) -> tuple[int, int]:
    """The height and width of a scene: as its labels state them, else of its pixels."""
    if "height" in entry and "width" in entry:
        return int(entry["height"]), int(entry["width"])
    height, width = dataset.load(place).image.shape[:2]
    return height, width


def _grown(box: Sequence[float], margin: float, height: int, width: int) -> Region | None:
    """The part of a scene that a box (left, top, width, height) with its margin covers; None where there is none."""
    left, top, box_width, box_height = box
    grown = margin * max(box_width, box_height)
    region = Region(
        max(0, math.floor(left - grown)),
        max(0, math.floor(top - grown)),
        min(width, math.ceil(left + box_width + grown)),
        min(height, math.ceil(top + box_height + grown)),
    )
    return region if region.left < region.right and region.top < region.bottom else None
