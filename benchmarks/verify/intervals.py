"""Whether a number fits its own 95 % interval, whichever table it stands in."""

from __future__ import annotations

import math

from benchmarks.verify.rounding import ROUNDING

MIN_RESAMPLES = 20
"""With fewer resamples, all of them may lie on one side of the number."""


def torn(low: float, high: float) -> bool:
    """Whether an interval lacks one end, or its ends are in the wrong order."""
    return math.isnan(low) != math.isnan(high) or low > high


def distance(value: float, low: float, high: float) -> float:
    """How far a number lies outside an interval, beyond rounding; 0 or less inside it, NaN without an interval."""
    return max(low - value, value - high) - ROUNDING * max(abs(low), abs(high))
