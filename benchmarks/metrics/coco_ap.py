"""Average precision and recall of boxes by COCO's protocol (``benchmarks/metrics/_coco_evaluation.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._coco_detections import Floats
from benchmarks.metrics._coco_evaluation import FACTS
from benchmarks.metrics._coco_tally import CocoTally
from downstream.api import Detections, Prediction


@METRICS.register("coco_ap")
@dataclass(frozen=True)
class CocoAp:
    """The twelve COCO numbers over all classes, and AP of each class.

    Sizes are box areas in pixels of the original: small below 32^2, large above 96^2. At most 100 detections of each
    image and class count, best score first. A score without any true box is NaN (the official evaluator writes -1).
    """

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = FACTS

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score the detections of all images of ``truth``, those without any box included; values 0 to 1 or NaN.

        Raises:
            UsageError: predictions are not one Detections an image, or a label is outside ``truth.classes``.
            AnnotationError: the truth holds no COCO labels, or its categories are not ``truth.classes``.
        """
        return self.tally(truth, predictions).scores()

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """ "ap", "ap50" and "ap75" with image i counted ``draws[r, i]`` times: (R, N) -> float64 (R,).

        Raises as ``compute`` does, and UsageError where the draws are not (R, N).
        """
        return self.tally(truth, predictions).resample(draws)

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> CocoTally:
        """The matches of one operating point."""
        return CocoTally(truth, predictions, "bbox")
