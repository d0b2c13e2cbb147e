"""The classes that predictions are scored in, and labels and predictions brought into them.

head's label --lookup--> scored class <--lookup-- data set's label        classes of the scored space: covered
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.api import Dataset, HasClassLabels, ScoresOriginals, Task, Truth
from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.packed_predictions import Relabelling
from benchmarks.harness.requirements import PSEUDO_SCORE
from downstream.api import NO_CLASS, Classification, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.class_maps import ClassMap, map_between
from downstream.ops.masks import unpack
from hsc.errors import HscError


class TaskOnData(Protocol):
    """The part of a run's config that decides which labels there are."""

    @property
    def task(self) -> Task: ...

    @property
    def dataset(self) -> Dataset: ...


def labels_of(config: TaskOnData, output: type[Prediction]) -> LabelSpace | None:
    """The classes of the labels that predictions are scored against; None where those on the originals stand in."""
    return None if isinstance(config.task, ScoresOriginals) else config.dataset.label_space(output)


@dataclass(frozen=True)
class ScoredClasses:
    """The classes that a head is scored in, and the way that labels and predictions come to them.

    target: the classes of the labels, None where predictions on the originals stand in. space: the scored classes.
    between: the map from the head's classes to the target's. relabel: turns a prediction into the scored classes.
    """

    target: LabelSpace | None
    space: LabelSpace
    between: ClassMap
    relabel: Relabelling

    @property
    def merge(self) -> Mapping[str, str]:
        """The class of the target that another of its classes counts as."""
        return self.between.merge

    @property
    def label_table(self) -> npt.NDArray[np.uint16]:
        """The table from the target's labels to the scored classes, merged ones as one, as ``lookup`` gives it."""
        assert self.target is not None
        merged = {name: self.merge.get(name, name) for name in self.target.classes}
        return lookup(self.target, self.space, merged)


def scored_classes(config: TaskOnData, head: Any) -> ScoredClasses:
    """The classes that a head is scored in on a data set; its own where it stands in for labels itself.

    Raises:
        HscError: no class map leads from the head's classes to the data set's.
    """
    own, target = head.label_space, labels_of(config, head.output)
    space = covered(own, target or own)
    between = map_between(own, target or own) or ClassMap({}, {})
    return ScoredClasses(target, space, between, relabelled(own, space, target))


def covered(source: LabelSpace, target: LabelSpace) -> LabelSpace:
    """The target's classes that the source could know, merged ones as one, in the target's order.

    Raises:
        HscError: no class map leads from the source to the target.
    """
    between = map_between(source, target)
    if between is None:
        raise HscError(f"no class map from {source.name} to {target.name}")
    return LabelSpace(target.name, between.scored(source, target))


def lookup(source: LabelSpace, space: LabelSpace, names: Mapping[str, str]) -> np.ndarray[Any, Any]:
    """A table from the labels of ``source`` to those of ``space``, uint16 (256,) or as many as there are classes,
    ``NO_CLASS`` for labels that have none.

    names: of the class in ``space`` by that in ``source``; empty where they are the same.
    """
    table = np.full(max(256, len(source.classes)), NO_CLASS, dtype=np.uint16)
    places = {name: place for place, name in reversed([*enumerate(space.classes)])}
    for label, name in enumerate(source.classes):
        mapped = names.get(name) if names else name
        if mapped in places:
            table[label] = places[mapped]
    return table


def relabelled(source: LabelSpace, space: LabelSpace, target: LabelSpace | None) -> Relabelling:
    """What turns a head's prediction into the classes it is scored in; objects of other classes go."""
    between = map_between(source, target) if target else None
    return Relabelling(lookup(source, space, between.names if between else {}))


def limit_coco(
    coco: Mapping[str, Any], indices: Sequence[int], classes: Sequence[str], merge: Mapping[str, str]
) -> CocoTable:
    """COCO labels of only these images and classes, in the order given.

    merge: the class that a category counts as, where it is another.

    Raises:
        AnnotationError: as ``CocoTable.of``.
    """
    table = CocoTable.of(coco)
    images = [table.images[i] for i in indices]
    numbers = {name: number for number, name in enumerate(classes, 1)}
    counts_as = {c["id"]: numbers.get(merge.get(c["name"], c["name"]), 0) for c in table.categories}
    known, place = np.unique(table.category_ids, return_inverse=True)
    category_ids = np.array([counts_as[category_id] for category_id in known.tolist()], np.int64)[place]
    keep = np.isin(table.image_ids, [image["id"] for image in images]) & (category_ids > 0)
    return table.kept(keep, category_ids, images, [{"id": n, "name": name} for name, n in numbers.items()])


def pseudo_truth(images: Sequence[IndexedImage], space: LabelSpace, predictions: Sequence[Prediction]) -> Truth:
    """Predictions on the originals as labels: boxes at or above ``PSEUDO_SCORE``, maps as they are, or the likeliest
    classes.

    Boxes have masks where the head gives them, and then the area of their mask.
    """
    ids = tuple(image.image_id for image in images)
    if isinstance(predictions[0], SegmentationMap):
        return Truth(ids, space.classes, maps=predictions, pseudo=True)  # type: ignore[arg-type]
    if isinstance(predictions[0], Classification):
        return Truth(ids, space.classes, labels=[likeliest(p) for p in predictions], pseudo=True)  # type: ignore[arg-type]
    annotations: list[dict[str, Any]] = []
    for number, prediction in enumerate(predictions, 1):
        assert isinstance(prediction, Detections)
        for entry in _annotations(prediction):
            annotations.append({"id": len(annotations) + 1, "image_id": number, "iscrowd": 0, **entry})
    entries = []
    for number, image in enumerate(images, 1):
        height, width = image.pixels.image_hw
        entries.append({"id": number, "file_name": image.image_id, "height": height, "width": width})
    categories = [{"id": n + 1, "name": name} for n, name in enumerate(space.classes)]
    coco = CocoTable.of({"images": entries, "categories": categories, "annotations": annotations})
    return Truth(ids, space.classes, coco=coco, pseudo=True)


def likeliest(prediction: Classification) -> npt.NDArray[np.int64]:
    """The first class of each row of a ranking (N, K), int64 (N,), -1 where a row holds none."""
    ranking = prediction.ranking
    first = ranking[:, 0].astype(np.int64) if ranking.shape[1] else np.full(len(ranking), NO_CLASS)
    return np.where(first == NO_CLASS, -1, first)


def class_labels_in(dataset: HasClassLabels, index: int, table: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """The labels of an image in the classes of a ``lookup`` table, int64 (N,), -1 for those that have none there."""
    labels = table[dataset.class_labels(index)].astype(np.int64)
    return np.where(labels == NO_CLASS, -1, labels)


def _annotations(detections: Detections) -> Iterator[dict[str, Any]]:
    """The detections of one image at or above ``PSEUDO_SCORE``, as COCO annotations without their ids."""
    keep = detections.scores >= PSEUDO_SCORE
    boxes, labels = detections.boxes_xyxy[keep].tolist(), detections.labels[keep].tolist()
    masks = detections.masks and detections.masks.kept(keep)
    areas = unpack(masks).sum((1, 2)).tolist() if masks else []
    for n, ((left, top, right, bottom), label) in enumerate(zip(boxes, labels, strict=True)):
        width, height = right - left, bottom - top
        entry = {"category_id": label + 1, "bbox": [left, top, width, height], "area": width * height}
        if masks:
            entry |= {
                "area": float(areas[n]),
                "segmentation": {"size": [*masks.image_hw], "counts": masks.counts[n].decode("ascii")},
            }
        yield entry
