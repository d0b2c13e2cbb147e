"""Semantic consistency: how far a head says of decoded images what it says of the originals; no labels are asked.

The head's predictions on the originals are the truth (boxes scored .5 and above, or its label maps), those on the
decoded images are
scored against them: COCO AP for boxes, mIoU of the set for maps. Fischer, Hofbauer, Kuhn, Steinbach, Kaup, "Evaluation
of video coding for machines without ground truth", ICASSP 2022. 1 without loss; a head that is wrong in the same way on
both is consistent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from downstream.api import Detections, Prediction, SegmentationMap


@dataclass(frozen=True)
class _Agreement:
    """What both share. of: the metric below; score: which of its scores."""

    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {"agreement": MetricFacts(title="agreement", main=True)}
    of: ClassVar[str]
    score: ClassVar[str]

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The agreement of the set, and of each class. Raises as the metric below does."""
        found = METRICS.build(self.of).compute(truth, predictions)
        return [Score("agreement", s.value, s.part) for s in found if s.metric == self.score]

    def resample(self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]) -> dict[str, Any]:
        """The same with image i counted ``draws[r, i]`` times: (R, N) -> (R,)."""
        below: Any = METRICS.build(self.of)
        return {"agreement": below.resample(truth, predictions, draws)[self.score]}


@METRICS.register("box_agreement", aliases=("box_self_consistency",))
@dataclass(frozen=True)
class BoxAgreement(_Agreement):
    """COCO AP of the boxes found in decoded images against those found in the originals at .5 and above; 0 to 1."""

    output: ClassVar[type[Prediction]] = Detections
    of: ClassVar[str] = "coco_ap"
    score: ClassVar[str] = "ap"


@METRICS.register("map_agreement", aliases=("map_self_consistency",))
@dataclass(frozen=True)
class MapAgreement(_Agreement):
    """mIoU of the label maps of decoded images against those of the originals; 0 to 1."""

    output: ClassVar[type[Prediction]] = SegmentationMap
    of: ClassVar[str] = "confusion"
    score: ClassVar[str] = "miou"
