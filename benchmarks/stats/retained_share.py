"""The share of the score on the originals that a head keeps on what a codec decodes, with its paired interval.

    higher is better:  share = score / score on the originals       1: nothing is lost
    lower is better:   share = score on the originals / score       0.95: an error that is 1 / 0.95 times as large

Both scores are taken on the same resamples of the images (``bootstrap``), so an image that is hard with and without the
codec drops out of the share. A setting keeps a share where the lower end of the share's 95 % interval reaches it. A
one-sided statement rests on one end alone, so for a single setting that end holds with 97.5 % confidence.

What is left above 95 % pays for two things. The smallest of several settings is a choice that favours luck. And a
reader tries the setting on other images, whose own score is as uncertain as the one that was measured: as many images
again keep the share in Phi(1.96 / sqrt 2) = 92 % of all cases; with a lower end at 95 % they would in 88 %. Tests
measure both.

Percentile intervals are too narrow for few images, as if the spread of n images were known and divided by n in place of
n - 1. Here each end leaves out less than 2.5 %, namely Phi(-sqrt(n / (n - 1)) t), t being Student's at 97.5 % with
n - 1 degrees: 0.9 % for 10 images, 2.2 % for 64. Hesterberg, "What Teachers Should Know About the Bootstrap", The
American Statistician 2015, section 4.2, "expanded percentile intervals".
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.stats.bootstrap import TAIL, interval

Floats = npt.NDArray[np.float64]
Number = TypeVar("Number", float, Floats)


class Retained(NamedTuple):
    """A share kept, 1 for all, with the ends of its 95 % interval; NaN where it cannot be given.

    refused: the number of resamples without a share.
    """

    share: float
    low: float
    high: float
    refused: int = 0


def share_of(score: Number, original: Number, *, higher_is_better: bool = True) -> Number:
    """The share of ``original`` that ``score`` keeps; NaN where the originals score 0, less, or nothing finite.

    >>> share_of(0.2, 0.4), share_of(0.5, 0.4, higher_is_better=False)
    (0.5, 0.8)
    """
    part, whole = (score, original) if higher_is_better else (original, score)
    with np.errstate(divide="ignore", invalid="ignore"):
        usable = np.isfinite(original) & np.isfinite(score) & (np.asarray(original) > 0) & (np.asarray(whole) > 0)
        shares = np.where(usable, np.divide(part, whole), np.nan)
    return shares if isinstance(score, np.ndarray) else float(shares)


def tail_of(images: int) -> float:
    """The share of resamples to be left out at either end of a 95 % interval over so many images, 2 or more.

    Student's quantile is that of Abramowitz and Stegun, 26.7.5, which is right to 0.1 % from 10 images on.

    >>> [round(tail_of(images), 4) for images in (10, 64, 1000)]
    [0.0086, 0.022, 0.0248]
    """
    z, degrees = -NormalDist().inv_cdf(TAIL), images - 1
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    t = sum(term / degrees**power for power, term in enumerate(terms))
    return NormalDist().cdf(-math.sqrt(images / degrees) * t)


def retained(
    score: float,
    original: float,
    samples: Floats,
    original_samples: Floats,
    images: int,
    *,
    higher_is_better: bool = True,
) -> Retained:
    """The share kept and its interval.

    samples, original_samples: the two scores on the same resamples, (R,) each; a score without resamples, R = 0, has no
    interval. images: number of distinct images that are resampled.

    >>> draws = np.linspace(0.9, 1.1, 1001)
    >>> [round(number, 4) for number in retained(0.38, 0.4, 0.38 * draws, 0.4 * draws, 64)]
    [0.95, 0.95, 0.95, 0]
    """
    share = share_of(score, original, higher_is_better=higher_is_better)
    if not len(samples) or len(samples) != len(original_samples):
        return Retained(share, np.nan, np.nan)
    shares = share_of(samples, original_samples, higher_is_better=higher_is_better)
    low, high, refused = interval(shares, tail_of(images))
    return Retained(share, low, high, refused)
