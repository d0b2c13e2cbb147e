"""Bjontegaard differences between two rate-quality curves, with an outcome for every case and never a guess.

Log rate is interpolated as a function of quality (for BD-rate), or quality as a function of log rate (for the BD-metric), by
PCHIP on the raw points, and integrated over what the two curves share. Where a curve is not strictly monotone, or the curves
share too little, there is no number but a reason.

Source: Bjontegaard, VCEG-M33 (2001); PCHIP as in JCTVC-L1100 and the ``bjontegaard`` package (Herglotz et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_OVERLAP = 0.75


@dataclass(frozen=True)
class Difference:
    """The outcome of one Bjontegaard computation.

    value: percent for BD-rate (negative: the test codec needs less), the metric's own unit for BD-metric; None with a reason.
    overlap_test, overlap_anchor: what is shared, as a fraction of each curve's own interval, 0 to 1.
    """

    value: float | None
    overlap_test: float
    overlap_anchor: float
    reason: str = ""

    def __str__(self) -> str:
        return "n/a: " + self.reason if self.value is None else f"{self.value:+.1f} %"


def bd_rate(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> Difference:
    """Mean difference in rate at equal quality, in percent of the anchor's rate.

    anchor, test: points (rate, quality) in any order; rate in any unit above 0, the same for both.

    >>> anchor = [(1, 30.0), (2, 33.0), (4, 36.0), (8, 38.0)]
    >>> str(bd_rate(anchor, [(r / 2, q) for r, q in anchor]))
    '-50.0 %'
    """
    difference = _difference(anchor, test, axis=1)
    if difference.value is None:
        return difference
    percent = float(np.expm1(difference.value) * 100)
    return Difference(percent, difference.overlap_test, difference.overlap_anchor)


def bd_metric(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> Difference:
    """Mean difference in quality at equal rate, in the metric's unit (positive: the test codec is better)."""
    return _difference(anchor, test, axis=0)


def _difference(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]], axis: int) -> Difference:
    """Mean of test minus anchor over the shared interval of column ``axis`` (0: log rate, 1: quality)."""
    curves = []
    for name, points in (("anchor", anchor), ("test codec", test)):
        ordered, reason = _ordered(points)
        if reason:
            return Difference(None, 0.0, 0.0, f"the {name}'s curve {reason}")
        curves.append(ordered)
    spans = [(c[0, axis], c[-1, axis]) for c in curves]
    low, high = max(s[0] for s in spans), min(s[1] for s in spans)
    shared = max(high - low, 0.0)
    of_anchor, of_test = (float(shared / (s[1] - s[0])) for s in spans)
    if max(of_anchor, of_test) < LEAST_OVERLAP:
        return Difference(
            None, of_test, of_anchor, f"the curves share {of_test:.0%} of the test codec's and {of_anchor:.0%} of the anchor's interval"
        )
    areas = [_area(c, axis, low, high) for c in curves]
    return Difference(float((areas[1] - areas[0]) / shared), of_test, of_anchor)


def _area(points: npt.NDArray[np.float64], axis: int, low: float, high: float) -> float:
    from scipy.interpolate import PchipInterpolator

    return float(PchipInterpolator(points[:, axis], points[:, 1 - axis]).integrate(low, high))


def _ordered(points: Sequence[tuple[float, float]]) -> tuple[npt.NDArray[np.float64], str]:
    """Points as (log rate, quality) by rising rate, and what is wrong with them, if anything."""
    table = np.asarray(sorted(points), dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(table).all():
        return table, "has a point without a value"
    if len(table) < 4:
        return table, f"has {len(table)} points, at least 4 are needed"
    if (table[:, 0] <= 0).any():
        return table, "has a rate of 0 or less"
    table[:, 0] = np.log(table[:, 0])
    if (np.diff(table[:, 0]) <= 0).any():
        return table, "has two points at one rate"
    if (np.diff(table[:, 1]) <= 0).any():
        return table, "is not strictly monotone"
    return table, ""
