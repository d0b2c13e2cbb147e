"""The share of the score on the originals that a head keeps on what a codec decodes, with its paired interval.

    higher is better:  share = score / score on the originals       1: nothing is lost
    lower is better:   share = score on the originals / score       0.95: an error that is 1 / 0.95 times as large

Both scores are taken on the same resamples of the images (``bootstrap``), so an image that is hard with and without the
codec drops out of the share. A setting keeps a share for sure where the lower end of the share's 95 % interval reaches
it. A one-sided statement rests on one end alone, so it holds with 97.5 % confidence for a single setting.

What is left above 95 % pays for two things. The smallest of several settings is a choice that favours luck. And a
reader tries the setting on other images, whose own score is as uncertain as the one that was measured: as many images
again keep the share in Phi(1.96 / sqrt 2) = 92 % of all cases; with a lower end at 95 % they would in 88 %. Tests
measure both.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.stats.bootstrap import interval

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

    >>> share_of(0.3, 0.4), share_of(0.5, 0.4, higher_is_better=False)
    (0.75, 0.8)
    """
    part, whole = (score, original) if higher_is_better else (original, score)
    with np.errstate(divide="ignore", invalid="ignore"):
        usable = np.isfinite(original) & np.isfinite(score) & (np.asarray(original) > 0) & (np.asarray(whole) > 0)
        shares = np.where(usable, np.divide(part, whole), np.nan)
    return shares if isinstance(score, np.ndarray) else float(shares)


def retained(
    score: float, original: float, samples: Floats, original_samples: Floats, *, higher_is_better: bool = True
) -> Retained:
    """The share kept and its interval. samples, original_samples: the two scores on the same resamples, (R,) each.

    A score without resamples, R = 0, has no interval.

    >>> draws = np.linspace(0.9, 1.1, 1001)
    >>> [round(number, 4) for number in retained(0.38, 0.4, 0.38 * draws, 0.4 * draws)]
    [0.95, 0.95, 0.95, 0]
    """
    share = share_of(score, original, higher_is_better=higher_is_better)
    if not len(samples) or len(samples) != len(original_samples):
        return Retained(share, np.nan, np.nan)
    low, high, refused = interval(share_of(samples, original_samples, higher_is_better=higher_is_better))
    return Retained(share, low, high, refused)
