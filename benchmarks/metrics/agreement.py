"""Semantic consistency: agreement of a head's predictions on decoded images with those on the originals.

No labels are needed: the predictions on the originals are the truth (boxes with scores of .5 and above, label maps, or
the likeliest classes), and those on the decoded images are scored against them: COCO AP for boxes, mIoU of the set for
maps, top-1 for classes. 1 without loss; a head that makes the same mistakes on both is consistent. Fischer, Hofbauer,
Kuhn, Steinbach, Kaup, "Evaluation of video coding for machines without ground truth", ICASSP 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Tally, Truth
from downstream.api import Classification, Detections, Prediction, SegmentationMap


class _AgreementTally(NamedTuple):
    """One score of another metric's tally, under the name "agreement"."""

    tally: Tally
    score: str

    def scores(self) -> list[Score]:
        scores = self.tally.scores()
        return [Score("agreement", score.value, score.part) for score in scores if score.metric == self.score]

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> dict[str, Any]:
        return {"agreement": self.tally.resample(draws)[self.score]}


@dataclass(frozen=True)
class _Agreement:
    """What both metrics share. of: the metric that is computed; score: the one of its scores that is taken."""

    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {"agreement": MetricFacts(title="agreement", main=True)}
    of: ClassVar[str]
    score: ClassVar[str]

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The agreement of the set, and of each class. Raises as the metric ``of`` does."""
        return self.tally(truth, predictions).scores()

    def resample(self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]) -> dict[str, Any]:
        """The same with image i counted ``draws[r, i]`` times: (R, N) -> (R,)."""
        return self.tally(truth, predictions).resample(draws)

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> _AgreementTally:
        """The tally of the metric ``of``, of which one score is taken."""
        metric: Any = METRICS.build(self.of)
        return _AgreementTally(metric.tally(truth, predictions), self.score)


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


@METRICS.register("class_agreement", aliases=("class_self_consistency",))
@dataclass(frozen=True)
class ClassAgreement(_Agreement):
    """The share of objects whose likeliest class in decoded images is that in the originals; 0 to 1."""

    output: ClassVar[type[Prediction]] = Classification
    of: ClassVar[str] = "accuracy"
    score: ClassVar[str] = "top1"
