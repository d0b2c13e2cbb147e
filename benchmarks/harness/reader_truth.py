"""The truth that one reader's predictions are scored against: labels, or its own predictions on the originals."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import HasBoxes, HasClassLabels, HasLabelMaps, Truth
from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.cache import Store
from benchmarks.harness.config import Config
from benchmarks.harness.executors import Executor, Inline
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.keys import identity
from benchmarks.harness.label_maps import LabelMaps, packed_maps
from benchmarks.harness.packed_predictions import Relabelling
from benchmarks.harness.plan import Plan, packed_predictions
from benchmarks.harness.readers import Reader
from benchmarks.harness.requirements import PSEUDO_SCORE, boxes_of
from benchmarks.harness.truth import ScoredClasses, class_labels_in, limit_coco, pseudo_truth, scored_classes
from downstream.api import Classification, Detections, SegmentationMap
from hsc.errors import UsageError


def label_truth(config: Config, images: Sequence[IndexedImage], reader: Reader, classes: ScoredClasses) -> Truth | None:
    """The labels of these images as a reader is scored on them; None where the data set has none of this kind.

    Label maps are read when they are asked for, one at a time.

    Raises:
        HscError: labels cannot be read.
    """
    dataset, output, ids = config.dataset, reader.head.output, tuple(image.image_id for image in images)
    indices, names = [image.index for image in images], classes.space.classes
    if output not in (Detections, SegmentationMap, Classification):
        return Truth(ids, ())
    if classes.target is not None and output is Detections and isinstance(dataset, HasBoxes):
        coco = limit_coco(boxes_of(dataset, config.task), indices, names, classes.merge)
        return Truth(ids, names, coco=coco)
    if classes.target is not None and output is SegmentationMap and isinstance(dataset, HasLabelMaps):
        return Truth(ids, names, maps=LabelMaps(dataset, tuple(indices), Relabelling(classes.label_table)))
    if classes.target is not None and output is Classification and isinstance(dataset, HasClassLabels):
        table = classes.label_table
        return Truth(ids, names, labels=[class_labels_in(dataset, index, table) for index in indices])
    return None


class ScoredObjects(NamedTuple):
    """The support of a score. images: different images with something scored. objects: how many, None in label maps and
    where images are classified as wholes.
    """

    images: int
    objects: int | None


class ReaderTruth:
    """The truth of a plan's images for one of its readers, and the classes that both are brought into.

    executor: reads label maps.
    """

    def __init__(self, plan: Plan, store: Store, reader: Reader, executor: Executor | None = None) -> None:
        self.plan, self.store, self.reader, self.executor = plan, store, reader, executor or Inline()
        self.classes = scored_classes(plan.config, reader.head)
        self._truth: Truth | None = None

    def truth(self) -> Truth:
        """The labels, or the predictions on the originals; read at the first call.

        Raises:
            UsageError: the data set has no labels for this task, and the reader cannot read the originals.
            HscError: labels cannot be read.
        """
        if self._truth is None:
            truth = label_truth(self.plan.config, self.plan.images, self.reader, self.classes) or self._pseudo_truth()
            if isinstance(truth.maps, LabelMaps):
                truth = replace(truth, maps=packed_maps(truth.maps, self.executor))
            self._truth = truth
        return self._truth

    def _pseudo_truth(self) -> Truth:
        """The reader's predictions on the originals, as labels. Raises as ``truth``."""
        if self.classes.target is not None:
            raise UsageError(f"the data set {self.plan.dataset_label} has no labels for this task")
        originals = self.plan.cells[0]
        if self.reader.name not in originals.predictions:
            raise UsageError(
                f"{self.plan.dataset_label} has no labels, and {self.reader.label} cannot read the originals, which "
                f"would stand in for them"
            )
        keys = originals.predictions[self.reader.name]
        return pseudo_truth(self.plan.images, self.classes.space, packed_predictions(keys, self.store))

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """The identity of the truth, for score keys; hashing a data set takes time, so it is done once a reader."""
        config, classes = self.plan.config, self.classes
        return {
            "dataset": identity(config.dataset),
            "revision": config.dataset.revision,
            "pseudo": self._originals(),
            "classes": classes.space.classes,
            "map": classes.between.names,
            "merge": classes.merge,
        }

    def _originals(self) -> list[str]:
        """The keys of the predictions that stand in for labels; none where there are labels."""
        if self.classes.target:
            return []
        return [*self.plan.cells[0].predictions[self.reader.name], str(PSEUDO_SCORE)]

    def objects(self, of_class: str = "") -> ScoredObjects:
        """The images and objects that scores rest on, crowds left out. of_class: of this class alone."""
        fingerprints = [image.pixels.sha256 for image in self.plan.images]
        label = self.classes.space.classes.index(of_class) if of_class else -1
        if self.reader.head.output is Classification:
            hits = [(of_image == label if of_class else of_image >= 0).sum() for of_image in self.truth().labels or ()]
            labelled = np.array(hits, np.int64) > 0
            whole = all(image.regions is None for image in self.plan.images)
            return ScoredObjects(
                len(set(itertools.compress(fingerprints, labelled))), None if whole else int(sum(hits))
            )
        if self.reader.head.output is not Detections:
            labelled = self._labels_present[:, label] if of_class else np.ones(len(fingerprints), bool)
            return ScoredObjects(len(set(itertools.compress(fingerprints, labelled))), None)
        table = self._boxes
        sha256 = {entry["id"]: sha for entry, sha in zip(table.images, fingerprints, strict=True)}
        counted = ~table.crowd & (not of_class or table.category_ids == label + 1)
        images = np.unique(table.image_ids[counted]).tolist()
        return ScoredObjects(len({sha256[image_id] for image_id in images}), int(counted.sum()))

    @functools.cached_property
    def _labels_present(self) -> npt.NDArray[np.bool_]:
        """Whether each image's label map holds each label: bool (N, 256)."""
        maps = self.truth().maps or ()
        return np.stack([np.bincount(one.labels.ravel(), minlength=256) > 0 for one in maps])

    @functools.cached_property
    def _boxes(self) -> CocoTable:
        """The labels that boxes are scored against; their masks are not drawn only to count them."""
        dataset = self.plan.config.dataset
        if self._truth is not None or self.classes.target is None or not isinstance(dataset, HasBoxes):
            coco = self.truth().coco
            assert coco is not None
            return CocoTable.of(coco)
        indices = [image.index for image in self.plan.images]
        return limit_coco(dataset.coco(), indices, self.classes.space.classes, self.classes.merge)
