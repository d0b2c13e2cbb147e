"""Two metrics of boxes as somebody else's distribution would bring them: of unlike scale, direction and unit.

found(i) = boxes of image i with a score of at least ``threshold``, true(i) = its labelled boxes
count_error = mean over images of |found(i) - true(i)|       0 up, in objects, lower is better
right_count = share of images with found(i) = true(i)        0 to 1, higher is better
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from downstream.api import Detections, Prediction
from hsc.errors import AnnotationError, UsageError

Floats = npt.NDArray[np.float64]


def excess(truth: Truth, predictions: Sequence[Prediction], threshold: float) -> Floats:
    """Boxes found less boxes labelled: (N, C), an image a row, a class a column.

    Raises:
        UsageError: predictions are not one Detections an image.
        AnnotationError: the truth has no boxes.
    """
    if truth.coco is None:
        raise AnnotationError("a truth without boxes came, expected Truth.coco")
    boxes = [prediction for prediction in predictions if isinstance(prediction, Detections)]
    if len(boxes) != len(predictions) or len(boxes) != len(truth.image_ids):
        raise UsageError(f"{len(boxes)} sets of boxes came for {len(truth.image_ids)} images, expected one for each")
    numbers = {category["id"]: number for number, category in enumerate(truth.coco["categories"])}
    labelled = Counter((one["image_id"], numbers[one["category_id"]]) for one in truth.coco["annotations"])
    classes = range(len(truth.classes))
    true = np.array([[labelled[image["id"], c] for c in classes] for image in truth.coco["images"]], np.float64)
    sure = [found.labels[found.scores >= threshold] for found in boxes]
    return np.array([[np.sum(labels == c) for c in classes] for labels in sure], np.float64) - true


@METRICS.register("count_error")
@dataclass(frozen=True)
class Miscount:
    """Mean absolute error of the number of objects in an image, over all classes and of each class."""

    threshold: float = 0.5

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "count_error": MetricFacts(
            high=math.inf,
            higher_is_better=False,
            unit="objects",
            percent=False,
            title="count error",
            digits=2,
            main=True,
        )
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The error of the set, and of each class. Raises as ``excess`` does."""
        errors = self._errors(truth, predictions).mean(axis=0)
        parts = ("", *truth.classes)
        return [Score("count_error", float(value), part) for part, value in zip(parts, errors, strict=True)]

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """The error of the set with image i counted ``draws[r, i]`` times: (R, N) -> (R,)."""
        errors = self._errors(truth, predictions)[:, 0]
        if draws.ndim != 2 or draws.shape[1] != len(errors):
            raise UsageError(f"draws of shape {draws.shape} came, expected (resamples, {len(errors)} images)")
        return {"count_error": draws @ errors / draws.sum(axis=1)}

    def _errors(self, truth: Truth, predictions: Sequence[Prediction]) -> Floats:
        """(N, 1 + C): of all classes together, then of each."""
        more = excess(truth, predictions, self.threshold)
        return np.abs(np.concatenate([more.sum(axis=1, keepdims=True), more], axis=1))


@METRICS.register("right_count")
@dataclass(frozen=True)
class RightCount:
    """Share of the images in which as many boxes are found as there are. It has no resamples, and so no intervals."""

    threshold: float = 0.5

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {"right_count": MetricFacts(title="right counts", main=True)}

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The share. Raises as ``excess`` does."""
        more = excess(truth, predictions, self.threshold).sum(axis=1)
        return [Score("right_count", float(np.mean(more == 0)))]
