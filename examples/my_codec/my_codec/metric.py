"""The metric: the share of labelled objects that are found, with the right class and a box that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks import METRICS, MetricFacts, Score, Truth
from downstream import Detections, Prediction
from hsc import AnnotationError, UsageError

Floats = npt.NDArray[np.float64]


@METRICS.register("my_recall")
@dataclass(frozen=True)
class MyRecall:
    """Recall of objects. iou: the least overlap of a box, as intersection over union; score: the least sure answer."""

    iou: float = 0.5
    score: float = 0.5

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"  # changes when its numbers do
    facts: ClassVar[Mapping[str, MetricFacts]] = {"my_recall": MetricFacts(title="recall", main=True)}

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The recall of all objects, then that of each class."""
        found, there = self._counts(truth, predictions)
        classes = list(zip(truth.classes, _share(found.sum(0), there.sum(0)), strict=True))
        whole = float(_share(found.sum(), there.sum()))
        return [Score("my_recall", whole), *(Score("my_recall", float(value), name) for name, value in classes)]

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> Mapping[str, Floats]:
        """The same with image i counted ``draws[r, i]`` times, (R, N) -> (R,): with it the score has intervals."""
        found, there = (counts.sum(axis=1) for counts in self._counts(truth, predictions))
        if draws.ndim != 2 or draws.shape[1] != len(found):
            raise UsageError(f"draws of shape {draws.shape} came, expected (resamples, {len(found)} images)")
        return {"my_recall": _share(draws @ found, draws @ there)}

    def _counts(self, truth: Truth, predictions: Sequence[Prediction]) -> tuple[Floats, Floats]:
        """Objects found and objects there: (N, C) each, an image a row, a class a column."""
        if truth.coco is None:
            raise AnnotationError("a truth without boxes came, expected Truth.coco")
        answers = [answer for answer in predictions if isinstance(answer, Detections)]
        if len(answers) != len(predictions) or len(answers) != len(truth.image_ids):
            raise UsageError(f"{len(answers)} sets of boxes came for {len(truth.image_ids)} images, expected one each")
        rows = {image["id"]: row for row, image in enumerate(truth.coco["images"])}
        labels = {category["id"]: label for label, category in enumerate(truth.coco["categories"])}
        found, there = np.zeros((2, len(rows), len(truth.classes)))
        free = [answer.scores >= self.score for answer in answers]  # each box is used once
        for annotation in truth.coco["annotations"]:
            if annotation.get("iscrowd"):
                continue
            row, label = rows[annotation["image_id"]], labels[annotation["category_id"]]
            answer = answers[row]
            overlap = _iou(annotation["bbox"], answer.boxes_xyxy) * (free[row] & (answer.labels == label))
            there[row, label] += 1
            if len(overlap) and overlap.max() >= self.iou:
                free[row][overlap.argmax()] = False
                found[row, label] += 1
        return found, there


def _share(found: npt.ArrayLike, there: npt.ArrayLike) -> Floats:
    """found / there, NaN where nothing is there."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.true_divide(found, there), np.float64)


def _iou(bbox: Sequence[float], boxes_xyxy: npt.NDArray[np.float32]) -> Floats:
    """The overlap of one labelled box (left, top, width, height) with N found ones: (N,)."""
    left, top, width, height = bbox
    boxes = boxes_xyxy.astype(np.float64)
    across = np.minimum(boxes[:, 2], left + width) - np.maximum(boxes[:, 0], left)
    down = np.minimum(boxes[:, 3], top + height) - np.maximum(boxes[:, 1], top)
    shared = across.clip(0) * down.clip(0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.asarray(shared / (areas + width * height - shared))
