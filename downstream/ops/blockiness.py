"""Blockiness: how much stronger an image changes across the lines of a regular lattice than between them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hsc.api import Image
from hsc.errors import UnavailableError

FLOOR = 0.01
"""Added to both mean steps, in levels of 8 bits, so that flat images have 1 and not 0 / 0."""


def blockiness(image: Image, period: int) -> float:
    """The mean step across multiples of ``period`` pixels over the mean step elsewhere: 0 and more, 1 without lattice.

        step(x)     = |image[:, x] - image[:, x - 1]|, mean over rows and over R, G, B
        at          = mean of step(x) over x = period, 2 period, ...       elsewhere = mean over all other x from 1
        blockiness  = (at + .01) / (elsewhere + .01)

    ``at`` and ``elsewhere`` are means over both directions, each of the same weight, so that a slope in one of them has
    1; a direction of at most ``period`` pixels has no line and is left out. Blocks of one colour each have a value that
    is finite and very large; lines that are smoother than the rest have one below 1.

    image: uint8 (H, W, 3). period: 2 or more.

    Raises:
        UnavailableError: no side is longer than the period.

    Source: the differences across and off block boundaries of Wang, Sheikh, Bovik, "No-reference perceptual quality
    assessment of JPEG compressed images", ICIP 2002, here as their ratio.

    >>> ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 3, 2).repeat(64, 0)
    >>> blockiness(ramp, 16), blockiness(ramp // 16, 16)
    (1.0, 51.0)
    """
    levels = image.astype(np.int16)
    pairs = [
        _mean_steps(levels.transpose(order), period)
        for order, side in (((0, 1, 2), image.shape[0]), ((1, 0, 2), image.shape[1]))
        if side > period
    ]
    if not pairs:
        height, width = image.shape[:2]
        raise UnavailableError(
            f"blockiness at {period} pixels needs a side of more than {period} pixels, an image has {width}x{height}; "
            f"take a smaller period or larger images"
        )
    at, elsewhere = np.mean(pairs, 0)
    return float((at + FLOOR) / (elsewhere + FLOOR))


def _mean_steps(levels: npt.NDArray[np.int16], period: int) -> tuple[float, float]:
    """The mean step between rows at multiples of the period, and elsewhere. levels: int16 (H, W, 3)."""
    steps = np.abs(np.diff(levels, axis=0)).mean((1, 2))  # (H - 1,): into rows 1 to H - 1
    on_line = np.arange(1, len(levels)) % period == 0
    return float(steps[on_line].mean()), float(steps[~on_line].mean())
