"""Equality of numbers that were summed in another order."""

from __future__ import annotations

import math

ROUNDING = 1e-9
"""Relative tolerance."""


def near(value: float, expected: float, tolerance: float = ROUNDING) -> bool:
    """Whether two numbers are equal within a relative tolerance; NaN equals NaN."""
    return (
        value == expected
        or (math.isnan(value) and math.isnan(expected))
        or math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance / 1000)
    )
