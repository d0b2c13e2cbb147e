"""How sure a number is: 95 % intervals by bootstrap over images (Efron 1979).

Every codec is seen on the same draws, rate and scores alike, so a difference between two codecs is resampled as a pair: what is hard
about an image is hard for both, and drops out.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
TAIL = 0.025
"""The share of resamples left out at either end of an interval."""


class Interval(NamedTuple):
    """Where 95 % of the resamples lie, NaN where there is no saying; refused: how many of them had no value."""

    low: float
    high: float
    refused: int = 0


def interval(samples: Floats) -> Interval:
    """The percentile interval of samples (R,), NaN where a resample has no value.

    Nobody knows where a resample without a value would lie, so each counts as beyond either end: some make the interval wider, and
    more than 2.5 % of them leave none.

    >>> interval(np.arange(1000.0))
    Interval(low=25.0, high=974.0, refused=0)
    """
    valued = np.sort(samples[~np.isnan(samples)])
    refused = len(samples) - len(valued)
    outside = int(TAIL * len(samples) + 1e-9) - refused
    if outside < 0 or not len(valued):
        return Interval(np.nan, np.nan, refused)
    return Interval(float(valued[outside]), float(valued[-1 - outside]), refused)


class Bootstrap:
    """The resamples of one run's images, and what was measured on each of them.

    rates: (curve, point) -> bits per pixel, scores: (head, route, curve, point) -> the task's main score; float64 (R,) each.
    """

    def __init__(self, images: int, resamples: int, seed: int) -> None:
        self.images, self.resamples, self.seed = images, resamples, seed
        self.rates: dict[tuple[str, str], Floats] = {}
        self.scores: dict[tuple[str, str, str, str], Floats] = {}

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the draws, for the keys of what is kept."""
        return {"resamples": self.resamples, "seed": self.seed, "version": "1"}

    @functools.cached_property
    def draws(self) -> npt.NDArray[np.int64]:
        """How often each resample drew each image: (R, N), rows summing to N."""
        drawn = np.random.default_rng(self.seed).integers(0, self.images, (self.resamples, self.images))
        places = drawn + self.images * np.arange(self.resamples)[:, None]
        return np.bincount(places.ravel(), minlength=self.resamples * self.images).reshape(self.resamples, self.images)

    def rate(self, sizes_bytes: Sequence[int], pixels: Sequence[int]) -> Floats:
        """Bits per pixel of each resample, all bits over all pixels: (N,), (N,) -> (R,)."""
        return np.asarray(8 * (self.draws @ np.asarray(sizes_bytes)) / (self.draws @ np.asarray(pixels)))
