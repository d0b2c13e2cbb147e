"""The errors of one head at every operating point of a run, from its kept predictions and the labels.

labels, predictions on the originals --> thresholds (boxes), and what is found there
predictions at each operating point --judged, compared--> counts by image and part
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Dataset, Truth
from benchmarks.errors import box_errors, map_errors
from benchmarks.errors.box_counts import Contrasts, Images, box_counts
from benchmarks.errors.box_errors import BoxErrors, Judged
from benchmarks.errors.contrast import box_contrasts
from benchmarks.errors.map_counts import map_counts
from benchmarks.errors.part_counts import PartCounts
from benchmarks.errors.score_thresholds import best_thresholds
from benchmarks.harness.guard import guarded
from benchmarks.metrics._coco_detections import Found, Kind
from benchmarks.metrics._coco_evaluation import checked_labels
from benchmarks.metrics._coco_matching import Floats, Ints, Shapes, countable, take
from benchmarks.metrics._coco_tally import labelled_shapes, shapes_of
from downstream.api import Prediction
from hsc.errors import UsageError


class BoxDetail(NamedTuple):
    """What the counts of boxes at one operating point are made from, for pictures."""

    objects: Shapes
    coded: Judged
    errors: BoxErrors


class MapDetail(NamedTuple):
    """The label maps that the counts at one operating point are made from, one an image each, for pictures."""

    labels: Sequence[Any]
    original: Sequence[Any]
    coded: Sequence[Any]


@dataclass(frozen=True)
class Compared:
    """One head's errors. thresholds: float64 (C,), the score from which each class counts; none for label maps.
    counts, details: at each operating point, in the order given.
    """

    thresholds: Floats
    counts: list[PartCounts]
    details: list[BoxDetail] | list[MapDetail]


@dataclass(frozen=True)
class ScoredImages:
    """The images of a run. dataset: loads them. indices: of them in the data set. same_as: see ``PartCounts``."""

    dataset: Dataset
    indices: Sequence[int]
    same_as: npt.NDArray[np.int64]

    def originals(self) -> Iterator[Any]:
        """The original images, one after another."""
        for index in self.indices:
            yield guarded(self.dataset.load, index).image


def errors_of_boxes(
    truth: Truth, predictions: Sequence[Sequence[Prediction]], kind: Kind, images: ScoredImages
) -> Compared:
    """The errors of boxes or masks at each operating point.

    predictions: at each operating point, the originals first; one an image, in the truth's classes.

    Raises:
        HscError: labels, predictions or images cannot be used.
    """
    coco, classes = checked_labels(truth, kind), len(truth.classes)
    labelled, first = labelled_shapes(coco, kind), Found.of(coco, predictions[0], kind)
    taken = take(labelled.objects, labelled.crowd, shapes_of(first), first.scores, classes)
    counting = labelled.objects.label[countable(labelled.objects, labelled.crowd)]
    thresholds = best_thresholds(first.label, first.scores, taken, np.bincount(counting, minlength=classes))

    def judged(found: Found) -> Judged:
        keep = np.flatnonzero(found.scores >= thresholds[found.label])
        shapes = shapes_of(found).taken(keep)
        return box_errors.judge(labelled.objects, labelled.crowd, shapes, found.scores[keep], classes)

    before = judged(first)
    points = [before, *(judged(Found.of(coco, coded, kind)) for coded in predictions[1:])]
    contrasts = _contrasts([labelled.objects, *(point.shapes for point in points)], images)
    about = Images(len(images.indices), images.same_as, truth.classes)
    counts, details = [], []
    for judged_coded, own in zip(points, contrasts[1:], strict=True):
        errors: BoxErrors = box_errors.compare(labelled.objects, labelled.crowd, before, judged_coded)
        shown = Contrasts(contrasts[0], own, contrasts[1])
        counts.append(box_counts(labelled.objects, before, judged_coded, errors, shown, about))
        details.append(BoxDetail(labelled.objects, judged_coded, errors))
    return Compared(thresholds, counts, details)


def _contrasts(shapes: Sequence[Shapes], images: ScoredImages) -> list[Floats]:
    """The contrast of every shape on the original of its image; each image is loaded once."""
    contrasts = [np.zeros(len(one.image)) for one in shapes]
    by_image: list[tuple[Ints, Ints]] = []
    for one in shapes:
        order = np.argsort(one.image, kind="stable")
        by_image.append((order, np.searchsorted(one.image[order], np.arange(len(images.indices) + 1))))
    for number, image in enumerate(images.originals()):
        places = [order[begins[number] : begins[number + 1]] for order, begins in by_image]
        boxes = np.concatenate([one.boxes[place] for one, place in zip(shapes, places, strict=True)])
        found = np.split(box_contrasts(image, boxes), np.cumsum([len(place) for place in places])[:-1])
        for contrast, place, values in zip(contrasts, places, found, strict=True):
            contrast[place] = values
    return contrasts


def errors_of_maps(truth: Truth, predictions: Sequence[Sequence[Any]], same_as: npt.NDArray[np.int64]) -> Compared:
    """The errors of label maps at each operating point; arguments as of ``errors_of_boxes``.

    Raises:
        UsageError: a map is not of its labels' size.
    """
    maps = truth.maps or ()
    errors: list[list[map_errors.MapErrors]] = [[] for _ in predictions]
    for number, labelled in enumerate(maps):
        labels, given = labelled.labels, [point[number].labels for point in predictions]
        before, band = given[0], map_errors.bands(labels)
        for errors_of_point, after in zip(errors, given, strict=True):
            if not labels.shape == before.shape == after.shape:
                raise UsageError(
                    f"image {truth.image_ids[number]} has label maps of shapes {before.shape} and {after.shape} for "
                    f"labels of {labels.shape}; a head answers at its image's size"
                )
            errors_of_point.append(map_errors.compare(labels, band, before, after, len(truth.classes)))
    details = [MapDetail(maps, predictions[0], coded) for coded in predictions]
    return Compared(np.zeros(0), [map_counts(one, truth.classes, same_as) for one in errors], details)
