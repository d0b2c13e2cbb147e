"""Bjontegaard differences between two rate-quality curves, with an outcome for every case and never a guess.

    points --strictly monotone?--yes--> PCHIP on the raw points ----+--> shared interval --> mean difference
                    \\-------------no--> constrained monotone cubic -+         \\--> too little shared: no number, a reason

Sources: Bjontegaard, VCEG-M33 (2001); PCHIP as in JCTVC-L1100 and the ``bjontegaard`` package (Herglotz et al. 2022). The cubic
follows the idea of MPEG's VCM test conditions: accuracy curves of machines dip, so a cubic in log rate that may only rise, and only
ever more slowly, is fitted to the points by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_OVERLAP = 0.75
LEAST_POINTS = 4
WORST_FIT = 0.05
"""The most a fit may miss the points by, root mean square, as a fraction of the quality they span."""

_GRID = 4097


@dataclass(frozen=True)
class Difference:
    """The outcome of one Bjontegaard computation.

    value: percent for BD-rate (negative: the test codec needs less), the metric's own unit for BD-metric; None with a reason.
    overlap_test, overlap_anchor: what is shared, as a fraction of each curve's own interval, 0 to 1.
    method: "pchip" where both curves are strictly monotone; "fit" where one was not and its fitted cubic stands in.
    """

    value: float | None
    overlap_test: float
    overlap_anchor: float
    reason: str = ""
    method: Literal["pchip", "fit", ""] = ""

    def __str__(self) -> str:
        if self.value is None:
            return "n/a: " + self.reason
        return f"{self.value:+.1f} %" + (" (fit)" if self.method == "fit" else "")


@dataclass(frozen=True)
class Line:
    """A curve on a dense grid: natural log of the rate and quality, both strictly rising."""

    log_rate: Floats
    quality: Floats
    fitted: bool


def bd_rate(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> Difference:
    """Mean difference in rate at equal quality, in percent of the anchor's rate.

    anchor, test: points (rate, quality) in any order; rate in any unit above 0, the same for both.

    >>> anchor = [(1, 30.0), (2, 33.0), (4, 36.0), (8, 38.0)]
    >>> str(bd_rate(anchor, [(r / 2, q) for r, q in anchor]))
    '-50.0 %'
    """
    found = _difference(anchor, test, over="quality")
    if found.value is None:
        return found
    return Difference(float(np.expm1(found.value) * 100), found.overlap_test, found.overlap_anchor, method=found.method)


def bd_metric(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> Difference:
    """Mean difference in quality at equal rate, in the metric's unit (positive: the test codec is better)."""
    return _difference(anchor, test, over="log_rate")


def _difference(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]], over: Literal["quality", "log_rate"]) -> Difference:
    """Mean of test minus anchor, of the other axis, over what the curves share of the axis ``over``."""
    tables = []
    for name, points in (("anchor", anchor), ("test codec", test)):
        table, reason = _ordered(points)
        if reason:
            return Difference(None, 0.0, 0.0, f"the {name}'s curve {reason}")
        tables.append(table)
    if all(_is_monotone(table) for table in tables):
        areas, spans = _pchip(tables, over)
        method: Literal["pchip", "fit"] = "pchip"
    else:
        lines = [fit(table) for table in tables]
        for name, line in zip(("anchor", "test codec"), lines, strict=True):
            if isinstance(line, str):
                return Difference(None, 0.0, 0.0, f"the {name}'s curve {line}")
        areas, spans = _grids([line for line in lines if isinstance(line, Line)], over)
        method = "fit"
    low, high = max(s[0] for s in spans), min(s[1] for s in spans)
    shared = max(high - low, 0.0)
    of_anchor, of_test = (float(shared / (s[1] - s[0])) for s in spans)
    if max(of_anchor, of_test) < LEAST_OVERLAP:
        return Difference(
            None, of_test, of_anchor, f"the curves share {of_test:.0%} of the test codec's and {of_anchor:.0%} of the anchor's interval"
        )
    return Difference(float((areas[1] - areas[0]) / shared), of_test, of_anchor, method=method)


def _shared(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    low = max(s[0] for s in spans)
    return low, max(low, min(s[1] for s in spans))


def _pchip(tables: Sequence[Floats], over: str) -> tuple[list[float], list[tuple[float, float]]]:
    """Areas over the shared interval, and each curve's own interval, by PCHIP through the raw points."""
    from scipy.interpolate import PchipInterpolator

    axis = 1 if over == "quality" else 0
    spans = [(float(t[0, axis]), float(t[-1, axis])) for t in tables]
    low, high = _shared(spans)
    return [float(PchipInterpolator(t[:, axis], t[:, 1 - axis]).integrate(low, high)) for t in tables], spans


def _grids(lines: Sequence[Line], over: str) -> tuple[list[float], list[tuple[float, float]]]:
    """The same for curves on a dense grid, by the trapezoidal rule."""
    pairs = [(x.quality, x.log_rate) if over == "quality" else (x.log_rate, x.quality) for x in lines]
    spans = [(float(x[0]), float(x[-1])) for x, _ in pairs]
    at = np.linspace(*_shared(spans), _GRID)
    return [float(np.trapz(np.interp(at, x, y), at)) for x, y in pairs], spans


def fit(table: Floats) -> Line | str:
    """The monotone cubic nearest to points (log rate, quality) by rising rate, or why there is none.

    Over log rates scaled to 0..1 its second derivative runs linearly from -b to -c and its slope ends at a, with a, b and c at
    least 0: so it rises and is concave, and being linear in its four numbers it is a bounded least squares problem, solved exactly.
    """
    from scipy.interpolate import PchipInterpolator
    from scipy.optimize import lsq_linear

    if _is_monotone(table):
        grid = np.linspace(table[0, 0], table[-1, 0], _GRID)
        return Line(grid, PchipInterpolator(table[:, 0], table[:, 1])(grid), fitted=False)
    start, length = table[0, 0], table[-1, 0] - table[0, 0]
    span = float(np.ptp(table[:, 1]))
    if not span:
        return "is flat"
    found = lsq_linear(_basis((table[:, 0] - start) / length), table[:, 1], bounds=([-np.inf, 0, 0, 0], np.inf), method="bvls")
    missed = float(np.sqrt(np.mean(found.fun**2))) / span
    if missed > WORST_FIT:
        return f"dips too much: a monotone cubic misses it by {missed:.0%} of its span"
    u = np.linspace(0.0, 1.0, _GRID)
    quality = _basis(u) @ found.x
    if not np.all(np.diff(quality) > 0):
        return "does not rise"
    return Line(start + length * u, quality, fitted=True)


def _basis(u: Floats) -> Floats:
    """(N,) -> (N, 4): the cubic's dependence on its value at 0, its slope at 1, and minus its curvature at 0 and at 1.

    The slope at u is a + the integral of the curvature's negative b (1 - v) + c v from u to 1.
    """
    from_0 = u / 2 - u**2 / 2 + u**3 / 6
    from_1 = u / 2 - u**3 / 6
    return np.stack([np.ones_like(u), u, from_0, from_1], axis=1)


def _is_monotone(table: Floats) -> bool:
    return bool((np.diff(table[:, 1]) > 0).all())


def _ordered(points: Sequence[tuple[float, float]]) -> tuple[Floats, str]:
    """Points as (log rate, quality) by rising rate, and what is wrong with them, if anything."""
    table = np.asarray(sorted(points), dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(table).all():
        return table, "has a point without a value"
    if len(table) < LEAST_POINTS:
        return table, f"has {len(table)} points, at least {LEAST_POINTS} are needed"
    if (table[:, 0] <= 0).any():
        return table, "has a rate of 0 or less"
    table[:, 0] = np.log(table[:, 0])
    if (np.diff(table[:, 0]) <= 0).any():
        return table, "has two points at one rate"
    return table, ""
