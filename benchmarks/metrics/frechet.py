"""Frechet distances between the features of originals and of decoded images, taken as normal distributions.

    distance = |m - n|^2 + tr(C + D - 2 (C D)^(1/2))       means m, n and covariances C, D of all patches of the set

    fid                by Inception's 2048 features of patches of 256 pixels     (downstream/heads/inception.py)
    frechet_mobilenet  by MobileNetV2's 160 features of patches of 128 pixels    (downstream/heads/mobilenet.py)

Heusel et al., NeurIPS 2017, equation 6. The fewer the patches, the larger it comes out (Chong, Forsyth, "Effectively
unbiased FID and Inception score and where to find them", CVPR 2020), so it is compared within a run, never with a value
of other images or of another number of them. FID is unreliable for sets much smaller than the length of its features.

There is no interval. A resample has fewer distinct images than the set, so its distance is larger by this bias alone;
near 0, as at high rates, by more than resamples differ, so that an interval of them would not hold the value itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from downstream.api import FeaturePair, Prediction
from hsc.errors import UsageError

Floats = npt.NDArray[np.float64]

FID = "fid"
MIN_PATCHES_A_FEATURE = 2
"""With fewer than this there is no score, but for FID, which people give for small sets all the same."""
ROUNDING = 1e-12
"""A distance of this share of both variances is rounding error, and counts as 0."""


@METRICS.register("frechet", aliases=("fid",))
@dataclass(frozen=True)
class Frechet:
    """FID, or the Frechet distance of MobileNetV2's features, over all patches of the set; 0 without loss, lower is
    better.
    """

    output: ClassVar[type[Prediction]] = FeaturePair
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        FID: MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="FID", digits=2, main=True),
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
        lengths = sorted({features.shape[1] for pair in pairs for features in (pair.original, pair.decoded)})
        if len(lengths) > 1:
            raise UsageError(f"features of {lengths[0]} and of {lengths[-1]} numbers came, expected one length for all")
        originals = np.concatenate([pair.original for pair in pairs]).astype(np.float64)
        decoded = np.concatenate([pair.decoded for pair in pairs]).astype(np.float64)
        needed = MIN_PATCHES_A_FEATURE * lengths[0]
        if measures[0] != FID and len(originals) < needed:
            raise UsageError(
                f"{measures[0]} of {lengths[0]} features needs {needed} patches or more, {len(originals)} came of "
                f"{len(pairs)} images; take more or larger images, or leave {measures[0]} out"
            )
        return [Score(measures[0], distance(originals, decoded))]


def distance(first: Floats, second: Floats) -> float:
    """The Frechet distance of two sets of features: (N, D), (M, D).

    The trace of the root is the sum of the singular values of the product of both sets' centred features, so no root of
    a singular matrix is taken: tr (C D)^(1/2) = |A B^T|_* where A^T A = C and B^T B = D. A set of more than D members
    stands in by the triangle R of its A = Q R, since R^T R = C too; so the product is never larger than D x D.

    Raises:
        UsageError: a set has fewer than two members.
    """
    if min(len(first), len(second)) < 2:
        raise UsageError(f"sets of {len(first)} and {len(second)} patches came, expected two or more")
    shift = first.mean(0) - second.mean(0)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (first, second))
    root = float(np.linalg.svd(_factor(a) @ _factor(b).T, compute_uv=False).sum())
    spread = float(np.vdot(a, a) + np.vdot(b, b))
    apart = float(shift @ shift) + spread - 2 * root
    return apart if apart > ROUNDING * spread else 0.0


def _factor(features: Floats) -> Floats:
    """A matrix F of as few rows as can be with F^T F = X^T X: (N, D) -> (min(N, D), D)."""
    return np.asarray(np.linalg.qr(features, mode="r")) if len(features) > features.shape[1] else features
