"""Average precision and recall of masks by COCO's protocol (``benchmarks/metrics/_coco_evaluation.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._coco_detections import Floats
from benchmarks.metrics._coco_evaluation import FACTS
from benchmarks.metrics._coco_tally import CocoTally
from downstream.api import Detections, Prediction

PREFIX = "mask_"


@METRICS.register("coco_mask_ap")
@dataclass(frozen=True)
class CocoMaskAp:
    """The twelve COCO numbers of masks over all classes, and mask AP of each class: ``mask_ap`` and so on.

    As ``coco_ap``, with the IoU of pixels in place of that of boxes. Sizes are mask areas: the area an annotation
    states, and the number of pixels of a detection's mask. A detection with an empty mask is a false alarm, as in the
    official evaluator.
    """

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        PREFIX + name: replace(facts, title=f"mask {facts.title}") for name, facts in FACTS.items()
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score the masks of all images of ``truth``, those without any included; values 0 to 1 or NaN.

        Raises:
            UsageError: predictions are not one Detections with masks an image, of its size, or a label is outside
            ``truth.classes``.
            AnnotationError: the truth holds no COCO labels with masks, or its categories are not ``truth.classes``.
        """
        return self.tally(truth, predictions).scores()

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """ "mask_ap", "mask_ap50" and "mask_ap75" with image i counted ``draws[r, i]`` times: (R, N) -> float64 (R,).

        Raises as ``compute`` does, and UsageError where the draws are not (R, N).
        """
        return self.tally(truth, predictions).resample(draws)

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> CocoTally:
        """The matches of one operating point."""
        return CocoTally(truth, predictions, "segm", PREFIX)
