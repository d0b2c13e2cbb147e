"""The tally of COCO's metrics: the scores of one operating point, and its matches for AP of many resamples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Score, Truth
from benchmarks.formats.coco_table import CocoTable
from benchmarks.metrics._ap_bootstrap import resampled_ap
from benchmarks.metrics._coco_evaluation import (
    AP,
    Floats,
    Kind,
    check_predictions,
    checked_labels,
    numbers,
    runs_of,
    thresholds,
)
from benchmarks.metrics._coco_matching import Matched, Shapes, match
from downstream.api import Prediction
from hsc.errors import UsageError


class CocoTally:
    """The scores of one operating point, and its matches, each made once they are asked for.

    prefix: stands before the names of the scores.
    """

    def __init__(self, truth: Truth, predictions: Sequence[Prediction], kind: Kind, prefix: str = "") -> None:
        self.truth, self.predictions, self.kind, self.prefix = truth, list(predictions), kind, prefix

    def scores(self) -> list[Score]:
        """As ``numbers``."""
        scores = numbers(self.truth, self.predictions, self.kind)
        return [replace(score, metric=self.prefix + score.metric) for score in scores]

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
        """ "ap", "ap50" and "ap75" with image i counted ``draws[r, i]`` times: (R, N) -> float64 (R,).

        Matching is done once, so a thousand resamples cost about as much as a few calls of ``scores``. Raises as
        ``numbers`` does, and UsageError where the draws are not (R, N).
        """
        if self.truth.coco is None or draws.ndim != 2 or draws.shape[1] != len(self.truth.coco["images"]):
            raise UsageError(
                f"draws of shape {draws.shape} came, expected (resamples, {len(self.truth.image_ids)} images)"
            )
        return {self.prefix + name: values for name, values in resampled(self._matched, draws).items()}

    @functools.cached_property
    def _matched(self) -> list[Matched]:
        return matches(self.truth, self.predictions, self.kind)


def matches(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> list[Matched]:
    """The matches of each class at ten IoU thresholds, for sizes of all areas. Raises as ``numbers`` does."""
    labelled = labelled_shapes(truth, kind)
    check_predictions(checked_labels(truth, kind), predictions, kind)
    found, scores = found_shapes(predictions, kind)
    return match(labelled.objects, labelled.crowd, found, scores, len(truth.classes))


class Labelled(NamedTuple):
    """The labelled objects of a truth, and which of them are crowds: bool (N,)."""

    objects: Shapes
    crowd: npt.NDArray[np.bool_]


def labelled_shapes(truth: Truth, kind: Kind) -> Labelled:
    """The objects that detections are matched with. Raises AnnotationError as ``numbers`` does."""
    table = CocoTable.of(checked_labels(truth, kind))
    place = {image["id"]: number for number, image in enumerate(table.images)}
    label = {category["id"]: number for number, category in enumerate(table.categories)}
    image = np.array([place.get(image_id, -1) for image_id in table.image_ids.tolist()], np.int64)
    labels = np.array([label.get(category_id, -1) for category_id in table.category_ids.tolist()], np.int64)
    objects = Shapes(image, labels, table.boxes, table.areas, (table.segmentation or ()) if kind == "segm" else None)
    known = np.flatnonzero((image >= 0) & (labels >= 0))  # others are of no image, or of no class
    return Labelled(objects.taken(known), table.crowd[known])


def resampled(matched: Sequence[Matched], draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
    """ "ap", "ap50" and "ap75" with image i counted ``draws[r, i]`` times: float64 (R,), NaN where undefined.

    draws: (R, N), a row for each resample, a column for each image.
    """
    by_class = resampled_ap(matched, draws)  # (R, classes, IoU), then the mean over classes and IoU thresholds: (R,)
    return {name: _defined_mean(by_class[:, :, thresholds(iou)]) for name, (iou, area) in AP.items() if area == "all"}


class Found(NamedTuple):
    """The detections of all images, and their scores: float64 (N,)."""

    shapes: Shapes
    scores: Floats


def found_shapes(predictions: Sequence[Any], kind: Kind) -> Found:
    """The detections of all images, in the order of the images and of the head."""
    lengths = [len(answer.scores) for answer in predictions]
    image = np.repeat(np.arange(len(predictions)), lengths)
    label = np.concatenate([np.zeros(0, np.int64), *(answer.labels for answer in predictions)])
    scores = np.concatenate([np.zeros(0), *(answer.scores for answer in predictions)]).astype(np.float64)
    boxes = np.concatenate([np.zeros((0, 4)), *(answer.boxes_xyxy for answer in predictions)]).astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    if kind == "segm":
        from hotcoco import mask

        runs = [runs_of(answer.masks, counts) for answer in predictions for counts in answer.masks.counts]
        areas = np.array([mask.area(one) for one in runs], np.float64)
        return Found(Shapes(image, label, boxes, areas, runs), scores)
    return Found(Shapes(image, label, boxes, boxes[:, 2] * boxes[:, 3]), scores)


def _defined_mean(values: Floats) -> Floats:
    """The mean of the values that are not NaN, over all but the first axis: (R, ...) -> (R,)."""
    flat = values.reshape(len(values), -1)
    defined = ~np.isnan(flat)
    return np.where(defined.any(1), np.where(defined, flat, 0).sum(1) / np.maximum(defined.sum(1), 1), np.nan)
