"""FID: the Frechet distance between the features of originals and of decoded images, taken as normal distributions.

    fid = |m - n|^2 + tr(C + D - 2 (C D)^(1/2))       means m, n and covariances C, D of all patches of the set

Heusel et al., NeurIPS 2017, equation 6. It falls with the number of patches and is unreliable for sets much smaller
than the length of the features (2048): compare it within a run, never with a published value of other images. It has no
interval, because a resample would cost as much as the whole.
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


@METRICS.register("frechet", aliases=("fid",))
@dataclass(frozen=True)
class Frechet:
    """FID over all patches of the set; 0 without loss, lower is better."""

    output: ClassVar[type[Prediction]] = FeaturePair
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "fid": MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="FID", digits=2, main=True)
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """FID of the set.

        Raises:
            UsageError: predictions are not one FeaturePair an image, or fewer than two patches in all.
        """
        pairs = [prediction for prediction in predictions if isinstance(prediction, FeaturePair)]
        if len(pairs) != len(predictions) or len(pairs) != len(truth.image_ids):
            raise UsageError(
                f"{len(pairs)} pairs of features came for {len(truth.image_ids)} images; frechet scores one for each"
            )
        originals = np.concatenate([pair.original for pair in pairs]).astype(np.float64)
        decoded = np.concatenate([pair.decoded for pair in pairs]).astype(np.float64)
        return [Score("fid", distance(originals, decoded))]


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
    return max(float(shift @ shift) + float(np.vdot(a, a) + np.vdot(b, b)) - 2 * root, 0.0)


def _factor(features: Floats) -> Floats:
    """A matrix F of as few rows as can be with F^T F = X^T X: (N, D) -> (min(N, D), D)."""
    return np.asarray(np.linalg.qr(features, mode="r")) if len(features) > features.shape[1] else features
