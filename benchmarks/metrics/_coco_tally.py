"""The tally of COCO's metrics: the scores of one operating point, and its matches for AP of many resamples."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Score, Truth
from benchmarks.formats.coco_table import CocoTable
from benchmarks.metrics._ap_bootstrap import resampled_ap
from benchmarks.metrics._coco_detections import Floats, Found, Ints, Kind
from benchmarks.metrics._coco_evaluation import AP, checked_labels, numbers_of, thresholds
from benchmarks.metrics._coco_matching import Matched, Shapes, match
from benchmarks.metrics._ratio import defined_mean
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
        coco, found = self._checked
        scores = numbers_of(coco, found, self.kind)
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
    def _checked(self) -> tuple[Mapping[str, Any], Found]:
        """The labels and the detections."""
        coco = checked_labels(self.truth, self.kind)
        return coco, Found.of(coco, self.predictions, self.kind)

    @functools.cached_property
    def _matched(self) -> list[Matched]:
        return _matches(*self._checked, self.kind)


def matches(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> list[Matched]:
    """The matches of each class at ten IoU thresholds, for sizes of all areas. Raises as ``numbers`` does."""
    coco = checked_labels(truth, kind)
    return _matches(coco, Found.of(coco, predictions, kind), kind)


def _matches(coco: Mapping[str, Any], found: Found, kind: Kind) -> list[Matched]:
    labelled = labelled_shapes(coco, kind)
    return match(labelled.objects, labelled.crowd, shapes_of(found), found.scores, len(coco["categories"]))


class Labelled(NamedTuple):
    """The labelled objects of a truth, and which of them are crowds: bool (N,)."""

    objects: Shapes
    crowd: npt.NDArray[np.bool_]


def labelled_shapes(coco: Mapping[str, Any], kind: Kind) -> Labelled:
    """The objects that detections are matched with, of labels that ``checked_labels`` has checked."""
    table = CocoTable.of(coco)
    image = _places(table.image_ids, [entry["id"] for entry in table.images])
    labels = _places(table.category_ids, [category["id"] for category in table.categories])
    objects = Shapes(image, labels, table.boxes, table.areas, (table.segmentation or ()) if kind == "segm" else None)
    known = np.flatnonzero((image >= 0) & (labels >= 0))  # others are of no image, or of no class
    return Labelled(objects.taken(known), table.crowd[known])


def _places(ids: Ints, known: Sequence[int]) -> Ints:
    """Where each id stands among those known, int64 (N,); -1 for an id that is not."""
    order = np.argsort(np.array(known, np.int64), kind="stable")
    ranked = np.array(known, np.int64)[order]
    rank = np.searchsorted(ranked, ids, "right") - 1
    return np.where((rank >= 0) & (ranked[rank] == ids), order[rank], -1)


def resampled(matched: Sequence[Matched], draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
    """ "ap", "ap50" and "ap75" with image i counted ``draws[r, i]`` times: float64 (R,), NaN where undefined.

    draws: (R, N), a row for each resample, a column for each image.
    """
    by_class = resampled_ap(matched, draws)  # (R, classes, IoU), then the mean over classes and IoU thresholds: (R,)
    return {name: defined_mean(by_class[:, :, thresholds(iou)]) for name, (iou, area) in AP.items() if area == "all"}


def shapes_of(found: Found) -> Shapes:
    """The detections' boxes, or their masks."""
    if found.runs is None:
        return Shapes(found.image, found.label, found.boxes, found.boxes[:, 2] * found.boxes[:, 3])
    from hotcoco import mask

    areas = np.array([mask.area(one) for one in found.runs], np.float64)
    return Shapes(found.image, found.label, found.boxes, areas, found.runs)
