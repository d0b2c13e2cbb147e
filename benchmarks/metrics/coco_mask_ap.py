"""Average precision and recall of masks, as COCO counts them (``benchmarks/metrics/_coco_evaluation.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._coco_evaluation import FACTS, Floats, numbers, resampled
from downstream.api import Detections, Prediction

PREFIX = "mask_"


@METRICS.register("coco_mask_ap")
@dataclass(frozen=True)
class CocoMaskAp:
    """The twelve COCO numbers of masks over all classes, and mask AP of each class: ``mask_ap`` and so on.

    As ``coco_ap``, with the IoU of pixels in place of that of boxes. Sizes are mask areas: of the truth as it says, of
    a detection as its mask is. A detection whose mask is empty is a false alarm, as the official evaluator has it.
    """

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        PREFIX + name: replace(facts, title=f"mask {facts.title}") for name, facts in FACTS.items()
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score the masks of every image of ``truth``, those without any included; all values 0 to 1 or NaN.

        Raises:
            UsageError: predictions are not one Detections with masks an image, of its size, or a label is outside
            ``truth.classes``.
            AnnotationError: the truth holds no COCO labels with masks, or its categories are not ``truth.classes``.
        """
        return [replace(found, metric=PREFIX + found.metric) for found in numbers(truth, predictions, "segm")]

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """What "mask_ap", "mask_ap50", "mask_ap75" would be with each image counted ``draws`` times, (R, N): (R,).
        Raises as ``compute`` does.
        """
        return {PREFIX + name: values for name, values in resampled(truth, predictions, draws, "segm").items()}
