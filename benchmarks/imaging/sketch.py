"""Sketches of images: 32 numbers of each, from which the distance of two images is estimated without keeping either.

    image --signed sums, 32 draws of signs--> sketch      mean of (sketch - sketch')^2 ~ sum of (image - image')^2

The estimate is unbiased and within about 25 %: Alon, Matias, Szegedy, "The space complexity of approximating the
frequency moments", STOC 1996, section 2.2; signs in place of normal draws: Achlioptas, "Database-friendly random
projections", PODS 2001.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from hsc.api import Image

NUMBERS = 32
_CHUNK = 1 << 14
_CACHED = 32
"""Chunks of signs that stay in memory, 2 MB each: enough for a picture of half a million samples."""


def sketch(image: Image) -> npt.NDArray[np.int64]:
    """32 sums of the image's samples, each with signs of its own: int64 (32,), the same on every machine."""
    samples = np.ascontiguousarray(image).reshape(-1).astype(np.float32)
    sums = np.zeros(NUMBERS, np.int64)
    for number, start in enumerate(range(0, samples.size, _CHUNK)):
        part = samples[start : start + _CHUNK]
        # The products are whole numbers below 2^24, so float32 adds them exactly in any order.
        sums += (_signs(number)[:, : part.size] @ part).astype(np.int64)
    return sums


def squared_distance(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """The estimated sum of squared differences of two images of one size, from their sketches; 0 for equal images.

    >>> black, grey = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 10, np.uint8)
    >>> squared_distance(sketch(black), sketch(black))
    0.0
    >>> 0.25 < squared_distance(sketch(black), sketch(grey)) / (8 * 8 * 3 * 10**2) < 4
    True
    """
    return float(np.mean((first - second).astype(np.float64) ** 2))


@functools.lru_cache(maxsize=_CACHED)
def _signs(chunk: int) -> npt.NDArray[np.float32]:
    """Signs -1 and 1 of one chunk of samples: float32 (32, _CHUNK).

    A bit generator's raw output is the same in all numpy releases.
    """
    raw = np.random.PCG64(chunk).random_raw(NUMBERS * _CHUNK // 64)
    bits = np.unpackbits(raw.astype("<u8").view(np.uint8)).reshape(NUMBERS, _CHUNK)
    return bits.astype(np.float32) * 2 - 1
