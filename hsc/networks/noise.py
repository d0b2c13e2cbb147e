"""Noise that depends on its seed and position alone: the same on every machine and for every size of the map.

    (seed, layer) --mix--> key ──┐
    (row, column) --mix----------┴─> 64 bits ─> four 16-bit uniforms ─> sum, centred, scaled ─> about normal

A decoder that drew fresh noise would give a different image each time. Here only integers are mixed, and the sum of
four uniforms (kurtosis 2.7; a normal has 3) needs no logarithm or cosine, so no maths library can change it.
Mixing function: SplitMix64 (Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hsc.errors import UsageError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_VARIANCE = 4 * (65536.0**2 - 1) / 12


def seeded_noise(seed: int, layer: int, height: int, width: int) -> npt.NDArray[np.float32]:
    """A map of noise, (height, width) float32, mean 0, variance 1, within +-3.47.

    seed: 0 to 2**32 - 1. layer: maps of different layers are independent.

    >>> bool((seeded_noise(7, 0, 5, 9)[:3, :4] == seeded_noise(7, 0, 3, 4)).all())
    True

    Raises:
        UsageError: the seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"the noise seed came as {seed}, expected 0 to {2**32 - 1}")
    key = _mix(np.array([seed << 16 | layer], np.uint64))
    rows = _mix(key + np.arange(height, dtype=np.uint64) * _GOLDEN)  # (H,)
    bits = _mix(rows[:, None] + np.arange(1, width + 1, dtype=np.uint64) * _GOLDEN)  # (H, W)
    total = np.zeros((height, width), np.int64)
    for shift in (0, 16, 32, 48):
        total += ((bits >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    noise: npt.NDArray[np.float32] = ((total - 2 * 65535) / np.sqrt(_VARIANCE)).astype(np.float32)
    return noise


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64 bits; arithmetic wraps around."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
