"""Curves of bits against PSNR, read where several are compared; linear between measured qualities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Reading(NamedTuple):
    """Values of a curve at a PSNR in dB. exact: False if the curve does not reach it; its nearest point then stands."""

    psnr: float
    values: tuple[float, ...]
    exact: bool


def read_at(psnr: float, qualities: Sequence[float], values: Sequence[tuple[float, ...]]) -> Reading:
    """A curve's values at a PSNR, between the first two neighbouring qualities that lie on both sides of it.

    qualities: PSNR of each measured quality, lowest quality first. values: of each.

    >>> read_at(21.0, [20.0, 22.0, 23.0], [(10.0,), (30.0,), (60.0,)])
    Reading(psnr=21.0, values=(20.0,), exact=True)
    >>> read_at(25.0, [20.0, 22.0, 23.0], [(10.0,), (30.0,), (60.0,)])
    Reading(psnr=23.0, values=(60.0,), exact=False)
    """
    for low in range(len(qualities) - 1):
        below, above = qualities[low], qualities[low + 1]
        if below <= psnr <= above and above > below:
            share = (psnr - below) / (above - below)
            pairs = zip(values[low], values[low + 1], strict=True)
            return Reading(psnr, tuple(a + share * (b - a) for a, b in pairs), True)
    nearest = min(range(len(qualities)), key=lambda index: abs(qualities[index] - psnr))
    return Reading(qualities[nearest], tuple(values[nearest]), False)


def mean_rate_change(
    anchor: tuple[Sequence[float], Sequence[float]], test: tuple[Sequence[float], Sequence[float]], samples: int = 64
) -> float:
    """How many more bits a curve needs than another at equal PSNR, 0.1 for 10 %; NaN where they share no PSNR.

    anchor, test: PSNR and bits of each quality, lowest first. It is the mean difference of log bits over the PSNR that
    both reach (Bjontegaard 2001, VCEG-M33), here with straight lines for the four points of a short training.

    >>> round(mean_rate_change(([20, 22], [100, 200]), ([20, 22], [110, 220])), 3)
    0.1
    """
    (anchor_psnr, anchor_bits), (test_psnr, test_bits) = anchor, test
    low, high = max(min(anchor_psnr), min(test_psnr)), min(max(anchor_psnr), max(test_psnr))
    if high <= low:
        return math.nan
    total = 0.0
    for number in range(samples):
        psnr = low + (high - low) * (number + 0.5) / samples
        of_anchor = read_at(psnr, anchor_psnr, [(math.log(bits),) for bits in anchor_bits]).values[0]
        total += read_at(psnr, test_psnr, [(math.log(bits),) for bits in test_bits]).values[0] - of_anchor
    return math.expm1(total / samples)
