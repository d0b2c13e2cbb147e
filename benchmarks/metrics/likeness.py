"""How near decoded images are to their originals: means over images of what the judges say, and one PSNR for the set.

psnr = 10 log10(255^2 * samples / squared error), both summed over the set;   ms_ssim, lpips, dists = mean over images
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from downstream.api import Fidelity, Prediction
from hsc.errors import UsageError

Floats = npt.NDArray[np.float64]


@METRICS.register("likeness", aliases=("fidelity",))
@dataclass(frozen=True)
class LikenessOfSet:
    """PSNR of the set in dB (infinite without loss), or the mean of MS-SSIM, LPIPS or DISTS over its images."""

    output: ClassVar[type[Prediction]] = Fidelity
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "psnr": MetricFacts(high=math.inf, unit="dB", percent=False, title="PSNR", digits=2, main=True),
        "ms_ssim": MetricFacts(percent=False, title="MS-SSIM", digits=4),
        "lpips": MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="LPIPS", digits=4),
        "dists": MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="DISTS", digits=4),
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The score of the judge whose answers these are.

        Raises:
            UsageError: they are not one an image, of one judge, and of finite numbers.
        """
        return [
            Score(name, float(values[0]))
            for name, values in self.resample(truth, predictions, np.ones((1, len(truth.image_ids)))).items()
        ]

    def resample(self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[Any]) -> dict[str, Floats]:
        """The same with image i counted ``draws[r, i]`` times: (R, N) -> (R,). Raises as ``compute`` does."""
        found = [p for p in predictions if isinstance(p, Fidelity)]
        if len(found) != len(predictions) or len(found) != len(truth.image_ids) or not found:
            raise UsageError(
                f"{len(found)} likenesses came for {len(truth.image_ids)} images; likeness scores one for each"
            )
        measure = found[0].measure
        if (
            measure not in self.facts
            or any(p.measure != measure for p in found)
            or not all(np.isfinite(p.numbers).all() for p in found)
        ):
            raise UsageError(
                f"likenesses by {measure!r} came, expected finite ones by one of {', '.join(self.facts)}, the same "
                f"for all images"
            )
        drawn: Floats = draws.astype(np.float64) @ np.stack([p.numbers for p in found])  # (R, N) by (N, K): (R, K)
        if measure != "psnr":
            return {measure: np.asarray(drawn[:, 0] / draws.sum(1), np.float64)}
        with np.errstate(divide="ignore"):
            return {measure: np.asarray(10 * np.log10(255**2 * drawn[:, 1] / drawn[:, 0]), np.float64)}
