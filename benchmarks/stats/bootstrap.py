"""95 % intervals by bootstrap over images (Efron 1979).

All codecs share the same draws, for rates and scores alike, so a difference between two codecs is resampled as a pair:
an image that is hard for both drops out of their difference.

This file alone decides how little data is too little for an interval, and so for a verdict and for bold: one image
drawn a thousand times is still one image, and its interval of zero width would read as certainty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

RESAMPLES = 1000
TAIL = 0.025
"""The share of resamples left out at either end of an interval."""
MIN_IMAGES = 10
"""With fewer distinct images than this there is no interval."""
MIN_OBJECTS = 20
"""With fewer labelled objects than this there is none either, where objects are scored; label maps count images alone.
"""
MIN_IMAGES_KEPT = 30
"""With fewer distinct images than this no setting is said to keep a share of a score: with as few and skewed losses, an
end at 97.5 % held in 91 to 94 % of simulated choices.
"""
BLOCK = 1 << 22
"""The most draws that are in memory at once: 16 MiB."""
MIN_RESAMPLES = 40
"""With fewer draws than this, a fortieth cannot be left out at either end."""


class Interval(NamedTuple):
    """The range of most of the resamples, by default of 95 %, NaN where it cannot be given.

    refused: how many resamples had no value.
    """

    low: float
    high: float
    refused: int = 0


def interval(samples: Floats, tail: float = TAIL) -> Interval:
    """The percentile interval of samples (R,), NaN where a resample has no value.

    A resample without a value could lie anywhere, so each counts as beyond both ends: a few make the interval wider,
    and with more of them than ``tail``, the share left out at either end, there is none.

    >>> interval(np.arange(1000.0))
    Interval(low=25.0, high=974.0, refused=0)
    """
    valued = np.sort(samples[~np.isnan(samples)])
    refused = len(samples) - len(valued)
    outside = int(tail * len(samples) + 1e-9) - refused
    if outside < 0 or not len(valued):
        return Interval(np.nan, np.nan, refused)
    return Interval(float(valued[outside]), float(valued[-1 - outside]), refused)


def why_no_interval(images: int, objects: int | None = None) -> str:
    """Why so few images or objects give no interval, in words; empty where they are enough.

    images: number of distinct images; where objects are scored, of those with an object. objects: number of labelled
    objects, None where none are scored.

    >>> why_no_interval(6)
    '6 distinct images, at least 10 are needed'
    >>> why_no_interval(12, 19)
    '19 labelled objects, at least 20 are needed'
    >>> why_no_interval(10, 20)
    ''
    """
    if objects is not None and objects < MIN_OBJECTS:
        return f"{objects} labelled object{'s' * (objects != 1)}, at least {MIN_OBJECTS} are needed"
    if images < MIN_IMAGES:
        kind = "distinct images" if objects is None else "distinct images with a labelled object"
        return f"{images} {kind if images != 1 else kind.replace('images', 'image')}, at least {MIN_IMAGES} are needed"
    return ""


def side_of_zero(low: float, high: float, images: int) -> int:
    """The side of zero on which a difference lies for sure, by its interval: 1 above, -1 below, 0 neither.

    Neither where the interval holds 0, is NaN, or rests on fewer than ``MIN_IMAGES`` images, whoever wrote it.

    >>> side_of_zero(0.1, 0.3, 64), side_of_zero(-0.3, -0.1, 64), side_of_zero(-0.1, 0.1, 64), side_of_zero(0.1, 0.3, 1)
    (1, -1, 0, 0)
    """
    if images < MIN_IMAGES:
        return 0
    return int(low > 0) - int(high < 0)


@dataclass(frozen=True)
class Draws:
    """How often each of many resamples draws each image, made from a seed a block at a time, in rows that sum to
    ``images``.
    """

    images: int
    resamples: int
    seed: int

    def blocks(self, most: int = BLOCK) -> Iterator[Ints]:
        """All rows in order, int32 (rows, N), in blocks of at most ``most`` numbers, or of one row."""
        random, rows = np.random.default_rng(self.seed), max(1, most // max(1, self.images))
        for start in range(0, self.resamples, rows):
            count = min(rows, self.resamples - start)
            drawn = random.integers(0, self.images, (count, self.images))
            drawn += self.images * np.arange(count)[:, None]
            counted = np.bincount(drawn.ravel(), minlength=count * self.images)
            yield counted.astype(np.int32).reshape(count, self.images)

    def whole(self) -> npt.NDArray[np.int64]:
        """All rows at once: int64 (R, N)."""
        return np.concatenate([np.zeros((0, self.images), np.int64), *self.blocks()])


class Bootstrap:
    """The resamples of one run's images, and what was measured on each of them.

    rates: (codec, ladder, point) -> bits per pixel, float64 (R,). scores: (head, route, metric, codec, ladder, point)
    -> each score by which codecs are compared, float64 (R,). ladder: as in ``ScoreRow``. reason: why there are no
    resamples although some were asked for, else empty.
    """

    reason = ""

    def __init__(self, images: int, resamples: int, seed: int) -> None:
        self.images, self.resamples, self.seed = images, resamples, seed
        self._block: list[Ints] | None = None
        self.rates: dict[tuple[str, str, str], Floats] = {}
        self.scores: dict[tuple[str, str, str, str, str, str], Floats] = {}

    @classmethod
    def of(cls, pixels_sha256: Sequence[str], resamples: int, seed: int) -> Bootstrap:
        """The bootstrap of a run over images of these hashes; without resamples where an interval needs more images."""
        reason = why_no_interval(len(set(pixels_sha256)))
        if 0 < resamples < MIN_RESAMPLES:
            reason = f"{resamples} resample{'s' * (resamples != 1)}, at least {MIN_RESAMPLES} are needed"
        bootstrap = cls(len(pixels_sha256), 0 if reason else resamples, seed)
        bootstrap.reason = reason if resamples else ""
        return bootstrap

    def missing(self, reader: tuple[str, str, str]) -> Floats:
        """The samples of a point that lacks them: NaN (R,) where other points by this head, route and metric have some,
        else (0,).
        """
        known = any(key[:3] == reader for key in self.scores)
        return np.full(self.resamples if known else 0, np.nan)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the draws, for the keys of kept samples."""
        version = "2"  # since 2 without classes that are too rare
        return {"resamples": self.resamples, "seed": self.seed, "version": version}

    @property
    def draws(self) -> npt.NDArray[np.int64]:
        """How often each resample drew each image: (R, N), rows summing to N."""
        return self.resampling.whole()

    @property
    def resampling(self) -> Draws:
        """The same, to be made a block at a time."""
        return Draws(self.images, self.resamples, self.seed)

    def rate(self, sizes_bytes: Sequence[int], pixels: Sequence[int]) -> Floats:
        """Bits per pixel of each resample, all bits over all pixels: (N,), (N,) -> (R,)."""
        bits, area = 8 * np.asarray(sizes_bytes), np.asarray(pixels)
        blocks = [np.asarray((drawn @ bits) / (drawn @ area)) for drawn in self._blocks()]
        return np.concatenate([np.zeros(0), *blocks])

    def _blocks(self) -> Iterable[Ints]:
        """The draws in blocks, kept between calls where all of them are one."""
        if self.resamples * self.images > BLOCK:
            return self.resampling.blocks()
        if self._block is None:
            self._block = list(self.resampling.blocks())
        return self._block
