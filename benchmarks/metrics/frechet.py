"""Frechet distances between the features of originals and of decoded images, taken as normal distributions.

    distance = |m - n|^2 + tr(C + D - 2 (C D)^(1/2))       means m, n and covariances C, D of all patches of the set

    fid                by Inception's 2048 features of patches of 256 pixels     (downstream/heads/inception.py)
    frechet_mobilenet  by MobileNetV2's 160 features of patches of 128 pixels    (downstream/heads/mobilenet.py)

Heusel et al., NeurIPS 2017, equation 6. The fewer the patches, the larger it comes out (Chong, Forsyth, "Effectively
unbiased FID and Inception score and where to find them", CVPR 2020), so it is compared within a run, never with a value
of other images or of another number of them. FID is unreliable for sets much smaller than the length of its features.

FID's covariances are divided by one less than the number of patches, as published FIDs are; those of the other by the
number itself, so that a set and two copies of it have the same distance.

Intervals: FID has none, because a resample would cost as much as the whole. The other has one from ten patches a
feature on. A resample has fewer distinct images than the set, so its distance is a little too large as well; ten
patches keep that shift at about the standard deviation of the resamples. All codecs are resampled alike, so in a
difference between two the shift all but drops out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._draws import check_draws
from benchmarks.metrics._frechet_resampling import resampled_distances
from downstream.api import FeaturePair, Prediction
from hsc.errors import UsageError

Floats = npt.NDArray[np.float64]

FID = "fid"
SURE_PATCHES_A_FEATURE = 10
"""With fewer patches than this for each feature there is no interval."""
MIN_PATCHES_A_FEATURE = 2
"""With fewer than this there is no score either, but for FID, which people give for small sets all the same."""


@METRICS.register("frechet", aliases=("fid",))
@dataclass(frozen=True)
class Frechet:
    """FID, or the Frechet distance of MobileNetV2's features, over all patches of the set; 0 without loss, lower is
    better.
    """

    output: ClassVar[type[Prediction]] = FeaturePair
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "fid": MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="FID", digits=2, main=True),
        "frechet_mobilenet": MetricFacts(
            high=math.inf, higher_is_better=False, percent=False, title="Frechet, MobileNetV2", digits=3
        ),
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The distance of the set, by the measure that the predictions hold.

        Raises:
            UsageError: predictions are not one FeaturePair an image, of one known measure and of features of one
            length; or there are too few patches: fewer than two in all, and for other measures than FID fewer than two
            for each feature.
        """
        return self.tally(truth, predictions).scores()

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """The same with image i counted ``draws[r, i]`` times: (R, N) -> (R,); nothing for FID, or with fewer than ten
        patches a feature.

        Raises:
            UsageError: as ``compute`` does, or the draws are not (R, N).
        """
        return self.tally(truth, predictions).resample(draws)

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> FrechetTally:
        """The features of all patches; predictions are read one after another. Raises as ``compute`` does."""
        pairs = [prediction for prediction in predictions if isinstance(prediction, FeaturePair)]
        if len(pairs) != len(predictions) or len(pairs) != len(truth.image_ids) or not pairs:
            raise UsageError(
                f"{len(pairs)} pairs of features came for {len(truth.image_ids)} images; frechet scores one for each"
            )
        measures = sorted({pair.measure for pair in pairs})
        if len(measures) > 1 or measures[0] not in self.facts:
            raise UsageError(
                f"features for {' and '.join(measures)} came, expected those for one of {', '.join(self.facts)}, the "
                f"same for all images"
            )
        lengths = sorted({array.shape[1] for pair in pairs for array in (pair.original, pair.decoded)})
        if len(lengths) > 1:
            raise UsageError(f"features of {lengths[0]} and of {lengths[-1]} numbers came, expected one length for all")
        originals, decoded = (
            np.concatenate([np.asarray(getattr(pair, name), np.float64) for pair in pairs])
            for name in ("original", "decoded")
        )
        needed = 2 if measures[0] == FID else MIN_PATCHES_A_FEATURE * lengths[0]
        if len(originals) < needed:
            raise UsageError(
                f"{measures[0]} of {lengths[0]} features needs {needed} patches or more, {len(originals)} came of "
                f"{len(pairs)} images; take more or larger images, or leave {measures[0]} out"
            )
        image = np.repeat(np.arange(len(pairs)), [len(pair.original) for pair in pairs])
        return FrechetTally(measures[0], len(pairs), originals, decoded, image)


@dataclass(frozen=True)
class FrechetTally:
    """The features of a data set. images: how many. originals, decoded: float64 (P, D). image: (P,), of each patch the
    number of its image.
    """

    measure: str
    images: int
    originals: Floats
    decoded: Floats
    image: npt.NDArray[np.integer[Any]]

    def scores(self) -> list[Score]:
        """The distance of the set."""
        return [Score(self.measure, distance(self.originals, self.decoded, less=1 if self.measure == FID else 0))]

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
        """The distance of each resample, or nothing, as ``Frechet.resample`` says."""
        check_draws(draws, self.images)
        patches, features = self.originals.shape
        if self.measure == FID or patches < SURE_PATCHES_A_FEATURE * features:
            return {}
        return {self.measure: resampled_distances(self.originals, self.decoded, self.image, draws)}


def distance(first: Floats, second: Floats, less: int = 1) -> float:
    """The Frechet distance of two sets of features: (N, D), (M, D). less: what N and M are lowered by to divide
    covariances.

    The trace of the root is the sum of the singular values of the product of both sets' centred features, so no root of
    a singular matrix is taken: tr (C D)^(1/2) = |A B^T|_* where A^T A = C and B^T B = D. A set of more than D members
    stands in by the triangle R of its A = Q R, since R^T R = C too; so the product is never larger than D x D.

    Raises:
        UsageError: a set has fewer than two members.
    """
    if min(len(first), len(second)) < 2:
        raise UsageError(f"sets of {len(first)} and {len(second)} patches came, expected two or more")
    shift = first.mean(0) - second.mean(0)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - less) for x in (first, second))
    root = float(np.linalg.svd(_factor(a) @ _factor(b).T, compute_uv=False).sum())
    return max(float(shift @ shift) + float(np.vdot(a, a) + np.vdot(b, b)) - 2 * root, 0.0)


def _factor(features: Floats) -> Floats:
    """A matrix F of as few rows as can be with F^T F = X^T X: (N, D) -> (min(N, D), D)."""
    return np.asarray(np.linalg.qr(features, mode="r")) if len(features) > features.shape[1] else features
