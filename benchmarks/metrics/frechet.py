"""FID: the Frechet distance between the features of originals and of decoded images, each set taken for a normal
distribution.

    fid = |m - n|^2 + tr(C + D - 2 (C D)^(1/2))       means m, n and covariances C, D of all patches of the set

Heusel et al., NeurIPS 2017, equation 6. It falls with the number of patches and is no measure of a set much smaller
than the features are long (2048): compare it within a run, never with a published one of other images. It has no
interval: a resample would cost as much as the whole.
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
        pairs = [p for p in predictions if isinstance(p, FeaturePair)]
        if len(pairs) != len(predictions) or len(pairs) != len(truth.image_ids):
            raise UsageError(
                f"{len(pairs)} pairs of features came for {len(truth.image_ids)} images; frechet scores one for each"
            )
        one, other = (
            np.concatenate([getattr(p, name) for p in pairs]).astype(np.float64) for name in ("original", "decoded")
        )
        return [Score("fid", distance(one, other))]


def distance(one: Floats, other: Floats) -> float:
    """The Frechet distance of two sets of features: (N, D), (M, D).

    The trace of the root is the sum of the singular values of the product of both sets' centred features, so no root of
    a
    singular matrix is taken: tr (C D)^(1/2) = |A B^T|_* where A^T A = C and B^T B = D.

    Raises:
        UsageError: a set has fewer than two members.
    """
    if min(len(one), len(other)) < 2:
        raise UsageError(f"sets of {len(one)} and {len(other)} patches came, expected two or more")
    apart = one.mean(0) - other.mean(0)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (one, other))
    root = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    return max(float(apart @ apart) + float(np.sum(a * a) + np.sum(b * b)) - 2 * root, 0.0)
