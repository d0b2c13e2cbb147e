"""Average precision and recall of boxes, as COCO counts them (``benchmarks/metrics/_coco_evaluation.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._coco_evaluation import FACTS, Floats, numbers, resampled
from downstream.api import Detections, Prediction


@METRICS.register("coco_ap")
@dataclass(frozen=True)
class CocoAp:
    """The twelve COCO numbers over all classes, and AP of each class.

    Sizes are box areas in pixels of the original: small below 32^2, large above 96^2. At most 100 detections an image
    and class count, best score first. A number with no true box behind it is NaN (the official evaluator writes -1).
    """

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = FACTS

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score detections of every image of ``truth``, those without any box included; all values 0 to 1 or NaN.

        Raises:
            UsageError: predictions are not one Detections an image, or a label is outside ``truth.classes``.
            AnnotationError: the truth holds no COCO labels, or its categories are not ``truth.classes``.
        """
        return numbers(truth, predictions, "bbox")

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """What "ap", "ap50" and "ap75" would be with each image counted ``draws`` times, (R, N): float64 (R,). Raises
        as ``compute`` does.
        """
        return resampled(truth, predictions, draws, "bbox")
