"""The step of a quantiser with which Gaussian components take a number of bits."""

from __future__ import annotations

import math

from torch import Tensor


def step_for(deviations: Tensor, bits: float, most_steps: float) -> float:
    """The step, in units of the deviations, with which components together take about this many bits.

    A Gaussian of deviation s costs log2(s / step * sqrt(2 pi e)) bits where that is above 0. The largest deviation has
    at most ``most_steps`` steps, so few or small components may take less.
    """
    largest = max(float(deviations.max()), 1e-6)
    low, high = largest / most_steps, largest * 2.0**4
    for _ in range(60):
        step = math.sqrt(low * high)
        taken = (deviations / step * math.sqrt(2 * math.pi * math.e)).log2().clamp(min=0).sum()
        low, high = (step, high) if float(taken) > bits else (low, step)
    return high
