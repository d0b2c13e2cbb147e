"""Fidelity of decoded images to their originals: one PSNR for the set, else the mean over images.

    psnr                                   = 10 log10(255^2 * samples / squared error), both summed over the set
    ms_ssim, lpips, dists, blockiness_*    = mean over images

Samples are the numbers of an image, three a pixel. Blockiness is no distance: 1 means no lattice, less than 1 no better
picture; it stands among the fidelity measures because it is a number of one decoded image, as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._draws import check_draws
from downstream.api import Fidelity, Prediction
from hsc.errors import UsageError

Floats = npt.NDArray[np.float64]

_BLOCKINESS = {
    f"{name}blockiness_{period}": MetricFacts(
        high=math.inf, higher_is_better=False, percent=False, title=f"{title}blockiness {period}", digits=3
    )
    for name, title in (("", ""), ("relative_", "relative "))
    for period in (16, 8, 4)
}


@METRICS.register("likeness", aliases=("fidelity",))
@dataclass(frozen=True)
class FidelityOfSet:
    """PSNR of the set in dB (infinite without loss), or the mean of MS-SSIM, LPIPS, DISTS or blockiness over images."""

    output: ClassVar[type[Prediction]] = Fidelity
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "psnr": MetricFacts(high=math.inf, unit="dB", percent=False, title="PSNR", digits=2, main=True),
        "ms_ssim": MetricFacts(percent=False, title="MS-SSIM", digits=4),
        "lpips": MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="LPIPS", digits=4),
        "dists": MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="DISTS", digits=4),
        **_BLOCKINESS,
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """The score of the measure that the predictions hold.

        Raises:
            UsageError: predictions are not one Fidelity an image, of one known measure and of finite numbers.
        """
        once = np.ones((1, len(truth.image_ids)), np.int64)
        samples = self.resample(truth, predictions, once)
        return [Score(name, float(values[0])) for name, values in samples.items()]

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """The same with image i counted ``draws[r, i]`` times: (R, N) -> (R,).

        Raises:
            UsageError: as ``compute`` does, or the draws are not (R, N).
        """
        answers = [prediction for prediction in predictions if isinstance(prediction, Fidelity)]
        images = len(truth.image_ids)
        if len(answers) != len(predictions) or len(answers) != images or not answers:
            raise UsageError(f"{len(answers)} Fidelity answers came for {images} images, expected one for each")
        check_draws(draws, images)
        measure = answers[0].measure
        alike = measure in self.facts and all(answer.measure == measure for answer in answers)
        if not alike or not all(np.isfinite(answer.numbers).all() for answer in answers):
            raise UsageError(
                f"answers by the measure {measure!r} came, expected finite ones by one of {', '.join(self.facts)}, the "
                f"same for all images"
            )
        numbers = np.stack([answer.numbers for answer in answers])  # (N, K)
        drawn: Floats = draws.astype(np.float64) @ numbers  # (R, K)
        if measure != "psnr":
            return {measure: np.asarray(drawn[:, 0] / draws.sum(1), np.float64)}
        with np.errstate(divide="ignore"):
            return {measure: np.asarray(10 * np.log10(255**2 * drawn[:, 1] / drawn[:, 0]), np.float64)}
