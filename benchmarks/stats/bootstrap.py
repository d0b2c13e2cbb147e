"""How sure a number is: 95 % intervals by bootstrap over images (Efron 1979).

Every codec is seen on the same draws, rate and scores alike, so a difference between two codecs is resampled as a pair:
what is hard about an image is hard for both, and drops out.

Here alone is decided what is too little for an interval, and so for a verdict and for bold: one image drawn a thousand
times is still one, and its interval of no width would read as certainty.
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
MIN_IMAGES = 10
"""Fewer different images than this have no interval."""
MIN_OBJECTS = 20
"""Fewer labelled objects than this have none either, where objects are scored; label maps go by images alone."""
MIN_RESAMPLES = 40
"""Of fewer draws than this a fortieth cannot be left out at either end."""


class Interval(NamedTuple):
    """Where 95 % of the resamples lie, NaN where there is no saying; refused: how many of them had no value."""

    low: float
    high: float
    refused: int = 0


def interval(samples: Floats) -> Interval:
    """The percentile interval of samples (R,), NaN where a resample has no value.

    Nobody knows where a resample without a value would lie, so each counts as beyond either end: some make the interval
    wider, and more than 2.5 % of them leave none.

    >>> interval(np.arange(1000.0))
    Interval(low=25.0, high=974.0, refused=0)
    """
    valued = np.sort(samples[~np.isnan(samples)])
    refused = len(samples) - len(valued)
    outside = int(TAIL * len(samples) + 1e-9) - refused
    if outside < 0 or not len(valued):
        return Interval(np.nan, np.nan, refused)
    return Interval(float(valued[outside]), float(valued[-1 - outside]), refused)


def why_no_interval(images: int, objects: int | None = None) -> str:
    """Why so little has no interval, in words; empty where it is enough.

    images: different ones, of them those with an object where objects are scored; objects: labelled ones, None where
    none are scored.

    >>> why_no_interval(6)
    '6 different images, at least 10 are needed'
    >>> why_no_interval(12, 19)
    '19 labelled objects, at least 20 are needed'
    >>> why_no_interval(10, 20)
    ''
    """
    if objects is not None and objects < MIN_OBJECTS:
        return f"{objects} labelled object{'s' * (objects != 1)}, at least {MIN_OBJECTS} are needed"
    if images < MIN_IMAGES:
        kind = "different images" if objects is None else "different images with a labelled object"
        return f"{images} {kind if images != 1 else kind.replace('images', 'image')}, at least {MIN_IMAGES} are needed"
    return ""


def side_of_zero(low: float, high: float, images: int) -> int:
    """What an interval of a difference over so many images claims: 1 above 0, -1 below it, 0 nothing.

    It claims nothing where it holds 0, is no interval, or is said of too few images, whoever says so.

    >>> side_of_zero(0.1, 0.3, 64), side_of_zero(-0.3, -0.1, 64), side_of_zero(-0.1, 0.1, 64), side_of_zero(0.1, 0.3, 1)
    (1, -1, 0, 0)
    """
    if images < MIN_IMAGES:
        return 0
    return int(low > 0) - int(high < 0)


class Bootstrap:
    """The resamples of one run's images, and what was measured on each of them.

    rates: (codec, ladder, point) -> bits per pixel, scores: (head, route, codec, ladder, point) -> the head's main
    score;
    float64 (R,) each. ladder: as in ``ScoreRow``.
    reason: why there are no resamples although some were asked for, empty elsewhere.
    """

    reason = ""

    def __init__(self, images: int, resamples: int, seed: int) -> None:
        self.images, self.resamples, self.seed = images, resamples, seed
        self.rates: dict[tuple[str, str, str], Floats] = {}
        self.scores: dict[tuple[str, str, str, str, str], Floats] = {}

    @classmethod
    def of(cls, pixels_sha256: Sequence[str], resamples: int, seed: int) -> Bootstrap:
        """That of a run over images of these fingerprints: without resamples where they are too few for an interval."""
        reason = why_no_interval(len(set(pixels_sha256)))
        if 0 < resamples < MIN_RESAMPLES:
            reason = f"{resamples} resample{'s' * (resamples != 1)}, at least {MIN_RESAMPLES} are needed"
        made = cls(len(pixels_sha256), 0 if reason else resamples, seed)
        made.reason = reason if resamples else ""
        return made

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the draws, for the keys of what is kept."""
        return {
            "resamples": self.resamples,
            "seed": self.seed,
            "version": "2",
        }  # since 2 without classes that are too rare

    @functools.cached_property
    def draws(self) -> npt.NDArray[np.int64]:
        """How often each resample drew each image: (R, N), rows summing to N."""
        drawn = np.random.default_rng(self.seed).integers(0, self.images, (self.resamples, self.images))
        places = drawn + self.images * np.arange(self.resamples)[:, None]
        return np.bincount(places.ravel(), minlength=self.resamples * self.images).reshape(self.resamples, self.images)

    def rate(self, sizes_bytes: Sequence[int], pixels: Sequence[int]) -> Floats:
        """Bits per pixel of each resample, all bits over all pixels: (N,), (N,) -> (R,)."""
        return np.asarray(8 * (self.draws @ np.asarray(sizes_bytes)) / (self.draws @ np.asarray(pixels)))
