"""Bjontegaard differences between two rate-quality curves: a number, or a reason why there is none.

    points --strictly monotone?--yes--> PCHIP through the points -------------+--> shared interval --> mean difference
               no --near a rising, concave cubic?--yes--> that cubic ----------+         \\--> too short: a reason
                    no --near a rising sequence?--yes--> PCHIP through its steps+
                         no --> no number, a reason

Sources: Bjontegaard, VCEG-M33 (2001); PCHIP as in JCTVC-L1100 and the ``bjontegaard`` package (Herglotz et al. 2022).
The cubic follows MPEG's VCM test conditions (Ding et al., m63692, 2023): accuracy curves of machines dip, so a rising,
concave cubic in log rate, within the metric's bounds, is fitted to the points by least squares. A curve that climbs
steeply and then levels off is far from every cubic, even if it dips by next to nothing; there the dips alone are
levelled by isotonic regression (``isotonic``), the rising sequence nearest to the points, and the rest stays as it was
measured. All resamples of two curves are compared in one vectorised pass; a single pair of curves is handled as one
resample.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.stats import isotonic, monotone_cubic, pchip

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Axis = Literal["quality", "log_rate"]
Method = Literal["pchip", "fit", "isotonic", ""]
Points = tuple[tuple[float, float], ...]

MIN_OVERLAP = 0.75
MIN_POINTS = 4
MAX_MISFIT = 0.05
"""The largest root-mean-square distance of a cubic or of steps from the points, as a fraction of the quality they span.
"""
MIN_STEPS = 3
"""Points that a curve must keep when its dips are levelled: the fewest through which PCHIP goes."""
UNBOUNDED = (-float("inf"), float("inf"))

_GRID = 257
_KEPT = 1024
"""Curves and differences that are kept: a run asks for each of its own in several tables and figures."""
_TROUBLES = (
    "",
    "has a point without a value",
    f"has {{points}} points, at least {MIN_POINTS} are needed",
    "has a rate of 0 or less",
    "has two points at one rate",
    "is flat",
    "dips too much: a rising curve misses it by {missed:.0%} of its span",
    f"rises in {{points}} steps where its dips are levelled, at least {MIN_STEPS} are needed",
)
_DIPS, _FEW_STEPS = len(_TROUBLES) - 2, len(_TROUBLES) - 1


@dataclass(frozen=True)
class Difference:
    """The outcome of one Bjontegaard computation.

    value: percent for BD-rate (negative: the test codec needs fewer bits), the metric's own unit for BD-metric; None
    with a reason. overlap_test, overlap_anchor: the shared interval as a fraction of each curve's own, 0 to 1. method:
    "pchip" where both curves are strictly monotone, "fit" where a fitted cubic stands in for one or both, "isotonic"
    where the dips of one or both are levelled.
    """

    value: float | None
    overlap_test: float
    overlap_anchor: float
    reason: str = ""
    method: Method = ""

    def __str__(self) -> str:
        if self.value is None:
            return "n/a: " + self.reason
        return f"{self.value:+.1f} %" + (f" ({self.method})" if self.method in ("fit", "isotonic") else "")


@dataclass(frozen=True)
class Line:
    """A curve on a dense grid: natural log of the rate and quality, both rising. fitted: whether a cubic or levelled
    steps stand in for the points, so that it does not go through all of them.
    """

    log_rate: Floats
    quality: Floats
    fitted: bool


def bd_rate(
    anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]], bounds: tuple[float, float] = UNBOUNDED
) -> Difference:
    """Mean difference in rate at equal quality, in percent of the anchor's rate.

    anchor, test: points (rate, quality) in any order; rates above 0, in one unit for both. bounds: of the quality.

    >>> anchor = [(1, 30.0), (2, 33.0), (4, 36.0), (8, 38.0)]
    >>> str(bd_rate(anchor, [(r / 2, q) for r, q in anchor]))
    '-50.0 %'
    """
    return _between(_plain(anchor), _plain(test), bounds, "quality")


def bd_metric(
    anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]], bounds: tuple[float, float] = UNBOUNDED
) -> Difference:
    """Mean difference in quality at equal rate, in the metric's unit (positive: the test codec is better)."""
    return _between(_plain(anchor), _plain(test), bounds, "log_rate")


def line(points: Sequence[tuple[float, float]], bounds: tuple[float, float] = UNBOUNDED) -> Line | str:
    """The curve through, or fitted to, points (rate, quality), as comparisons use it; or the reason why it is none."""
    return _line(_plain(points), bounds)


@functools.lru_cache(_KEPT)
def _line(points: Points, bounds: tuple[float, float]) -> Line | str:
    curve = _curve(points, bounds, 1)
    if reason := curve.reason(0):
        return reason
    grid = np.linspace(curve.log_rate[0, 0], curve.log_rate[0, -1], _GRID)
    quality = _made(points, bounds, _GRID).at(grid)
    for values in (grid, quality):
        values.setflags(write=False)
    return Line(grid, quality, bool(curve.fitted[0] | curve.levelled[0]))


def _plain(points: Sequence[tuple[float, float]]) -> Points:
    """Points as a key."""
    return tuple((float(rate), float(quality)) for rate, quality in points)


class _Group(NamedTuple):
    """Resamples with n points each. rows: (R,), which ones; x, y, slope: (r, n) of these."""

    rows: Bools
    x: Floats
    y: Floats
    slope: Floats


class Curves:
    """R resamples of one curve, each a rising function, or the reason why it is none.

    rate, quality: (R, P), a column a point, in any order; rates above 0. kept: (R, P), the points that each resample
    has; all by default. level: whether dips may be levelled where no cubic is near.
    """

    def __init__(
        self,
        rate: Floats,
        quality: Floats,
        bounds: tuple[float, float] = UNBOUNDED,
        kept: Bools | None = None,
        *,
        level: bool = True,
    ) -> None:
        kept = np.ones(rate.shape, bool) if kept is None else kept
        order = np.lexsort((quality, rate, ~kept))
        self.count = kept.sum(axis=1)
        # A curve of fewer than P points repeats its last one, so that the surplus segments have no length.
        places = np.minimum(np.arange(max(rate.shape[1], 2)), np.maximum(self.count, 1)[:, None] - 1)
        if not rate.shape[1]:
            rate = quality = np.full((len(rate), 1), np.nan)
            order = np.zeros((len(rate), 1), int)
        order = np.take_along_axis(order, places, 1)
        rate, self.quality = np.take_along_axis(rate, order, 1), np.take_along_axis(quality, order, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.log_rate = np.log(rate)
        inside = np.arange(places.shape[1]) < self.count[:, None]
        self.trouble = self._troubles(rate, inside)
        self.fitted = ~self._rises(self.quality, inside) & (self.trouble == 0)
        self.numbers = np.full((len(rate), 4), np.nan)
        self.missed = np.zeros(len(rate))
        self.levelled = np.zeros(len(rate), bool)
        if self.fitted.any():
            self._fit(inside[self.fitted].astype(np.float64), bounds)
        if level and (self.trouble == _DIPS).any():
            self._level()

    @staticmethod
    def of(points: Sequence[tuple[float, float]], bounds: tuple[float, float] = UNBOUNDED, times: int = 1) -> Curves:
        """One curve, from points (rate, quality), repeated ``times`` times. It is kept, and only to be read."""
        return _curve(_plain(points), bounds, times)

    @staticmethod
    def _rises(values: Floats, inside: Bools) -> Bools:
        with np.errstate(invalid="ignore"):
            return np.asarray(((np.diff(values, axis=1) > 0) | ~inside[:, 1:]).all(axis=1))

    def _troubles(self, rate: Floats, inside: Bools) -> npt.NDArray[np.intp]:
        finite = ((np.isfinite(rate) & np.isfinite(self.quality)) | ~inside).all(axis=1)
        flat = self.quality.max(axis=1) == self.quality.min(axis=1)
        conditions = [
            ~finite,
            self.count < MIN_POINTS,
            ~(rate > 0).all(axis=1),
            ~self._rises(self.log_rate, inside),
            flat,
        ]
        return np.asarray(np.select(conditions, list(range(1, 6)), 0))

    def _fit(self, weight: Floats, bounds: tuple[float, float]) -> None:
        rows = self.fitted
        u, quality = self._place(self.log_rate)[rows], self.quality[rows]
        self.numbers[rows] = numbers = monotone_cubic.fit(u, quality, weight, bounds)
        squares = (np.einsum("rnk,rk->rn", monotone_cubic.basis(u), numbers) - quality) ** 2 * weight
        self.missed[rows] = np.sqrt(squares.sum(axis=1) / weight.sum(axis=1)) / np.ptp(quality, axis=1)
        bad = rows & ~(self.missed <= MAX_MISFIT)
        self.trouble[bad] = _DIPS
        self.fitted = rows & ~bad

    def _level(self) -> None:
        """Replace the points of curves that dip, where no cubic is near, by steps of the nearest rising sequence."""
        for count in np.unique(self.count[self.trouble == _DIPS]):
            rows = (self.trouble == _DIPS) & (self.count == count)
            quality = self.quality[rows, :count]
            steps = isotonic.levelled(self.log_rate[rows, :count], quality)
            self.missed[rows] = steps.missed / np.ptp(quality, axis=1)
            near = self.missed[rows] <= MAX_MISFIT
            enough = near & (steps.points >= MIN_STEPS)
            self.trouble[rows] = np.where(enough, 0, np.where(near, _FEW_STEPS, _DIPS))
            self.count[rows] = np.where(near, steps.points, count)
            kept = np.flatnonzero(rows)[enough]
            self.levelled[kept] = True
            for axis, joined in ((self.log_rate, steps.x), (self.quality, steps.y)):
                axis[kept, :count], axis[kept, count:] = joined[enough], joined[enough, -1:]

    def _place(self, log_rate: Floats) -> Floats:
        """Log rates, (R, ...), rescaled so that each curve runs from 0 at its first point to 1 at its last."""
        start, length = self.log_rate[:, 0], self.log_rate[:, -1] - self.log_rate[:, 0]
        shape = (-1, *[1] * (log_rate.ndim - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((log_rate - start.reshape(shape)) / length.reshape(shape))

    def reason(self, row: int) -> str:
        """The reason why resample ``row`` is no curve; empty where it is one."""
        return _TROUBLES[self.trouble[row]].format(points=self.count[row], missed=self.missed[row])

    def span(self, over: Axis) -> tuple[Floats, Floats]:
        """The first and last value of each curve on an axis: (R,), (R,), NaN where there is no curve."""
        axis = self.quality if over == "quality" else self.log_rate
        low, high = axis[:, 0].copy(), axis[:, -1].copy()
        if over == "quality":
            for end, u in ((low, 0.0), (high, 1.0)):
                end[self.fitted] = monotone_cubic.value(self.numbers[self.fitted], np.full(self.fitted.sum(), u))
        low[self.trouble > 0] = high[self.trouble > 0] = np.nan
        return low, high

    def area(self, over: Axis, low: Floats, high: Floats) -> Floats:
        """The integral of the other axis over ``over`` from ``low`` to ``high``, within each curve: (R,), NaN where
        there is no curve.
        """
        areas = np.full(len(self.trouble), np.nan)
        for rows, x, y, slope in self._interpolated(over):
            areas[rows] = pchip.area(x, y, slope, low[rows], high[rows])
        rows = self.fitted
        if rows.any():
            areas[rows] = self._under_fit(over, low[rows], high[rows])
        return areas

    def _under_fit(self, over: Axis, low: Floats, high: Floats) -> Floats:
        rows, numbers = self.fitted, self.numbers[self.fitted]
        start, length = self.log_rate[rows, 0], self.log_rate[rows, -1] - self.log_rate[rows, 0]
        if over == "log_rate":
            return np.asarray(monotone_cubic.area(numbers, (low - start) / length, (high - start) / length) * length)
        first, last = monotone_cubic.inverse(numbers, low), monotone_cubic.inverse(numbers, high)
        left = last * high - first * low - monotone_cubic.area(numbers, first, last)  # of the curve, by parts
        return np.asarray(start * (high - low) + length * left)

    def at(self, log_rate: Floats) -> Floats:
        """Quality at log rates (R,): NaN where a resample has no curve, or its curve does not reach that rate."""
        quality = np.full(len(self.trouble), np.nan)
        for rows, x, y, slope in self._interpolated("log_rate"):
            quality[rows] = pchip.value(x, y, slope, log_rate[rows])
        if self.fitted.any():
            quality[self.fitted] = monotone_cubic.value(self.numbers[self.fitted], self._place(log_rate)[self.fitted])
        low, high = self.span("log_rate")
        return np.where((low <= log_rate) & (log_rate <= high), quality, np.nan)

    def _interpolated(self, over: Axis) -> Iterator[_Group]:
        """The curves that go through their points, grouped by the number of these."""
        x, y = (self.quality, self.log_rate) if over == "quality" else (self.log_rate, self.quality)
        for count in np.unique(self.count):
            rows = (self.count == count) & (self.trouble == 0) & ~self.fitted
            if rows.any():
                points = x[rows, :count], y[rows, :count]
                yield _Group(rows, *points, pchip.slopes(*points))


@dataclass(frozen=True)
class Differences:
    """Bjontegaard differences of R resamples.

    value: (R,), NaN where refused. overlap_test, overlap_anchor: (R,), 0 to 1. fitted, levelled: (R,), whether one of
    the two curves is a fitted cubic, or has levelled dips.
    """

    value: Floats
    overlap_test: Floats
    overlap_anchor: Floats
    fitted: Bools
    levelled: Bools


def differences(anchor: Curves, test: Curves, over: Axis) -> Differences:
    """BD-rate in percent (over the quality) or BD-metric (over the log rate), resample by resample."""
    (a_low, a_high), (t_low, t_high) = anchor.span(over), test.span(over)
    low, high = np.maximum(a_low, t_low), np.minimum(a_high, t_high)
    shared = np.maximum(high - low, 0.0)
    of_anchor, of_test = (np.nan_to_num(shared / (end - start)) for start, end in ((a_low, a_high), (t_low, t_high)))
    enough = np.maximum(of_anchor, of_test) >= MIN_OVERLAP
    within = low, np.maximum(high, low)
    mean = (test.area(over, *within) - anchor.area(over, *within)) / np.where(enough, shared, np.nan)
    value = np.expm1(mean) * 100 if over == "quality" else mean
    return Differences(value, of_test, of_anchor, anchor.fitted | test.fitted, anchor.levelled | test.levelled)


def _made(points: Points, bounds: tuple[float, float], times: int) -> Curves:
    """One curve, repeated ``times`` times."""
    table = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    rate, quality = (np.tile(table[:, axis], (times, 1)) for axis in (0, 1))
    return Curves(rate, quality, bounds)


_curve = functools.lru_cache(_KEPT)(_made)


@functools.lru_cache(_KEPT)
def _between(anchor: Points, test: Points, bounds: tuple[float, float], over: Axis) -> Difference:
    return _single(_curve(anchor, bounds, 1), _curve(test, bounds, 1), over)


def _single(anchor: Curves, test: Curves, over: Axis) -> Difference:
    for name, curve in (("anchor", anchor), ("test codec", test)):
        if reason := curve.reason(0):
            return Difference(None, 0.0, 0.0, f"the {name}'s curve {reason}")
    outcome = differences(anchor, test, over)
    of_test, of_anchor = float(outcome.overlap_test[0]), float(outcome.overlap_anchor[0])
    if np.isnan(outcome.value[0]):
        shared = f"the curves share {of_test:.0%} of the test codec's and {of_anchor:.0%} of the anchor's interval"
        return Difference(None, of_test, of_anchor, shared)
    method: Method = "isotonic" if outcome.levelled[0] else "fit" if outcome.fitted[0] else "pchip"
    return Difference(float(outcome.value[0]), of_test, of_anchor, method=method)


def front(rate: Floats, quality: Floats) -> Bools:
    """The points of the Pareto front of each resample: (R, P) -> (R, P).

    Of two points at one rate only the better is on it, of two equal points one.
    """
    order = np.lexsort((-quality, rate))
    ordered = np.nan_to_num(np.take_along_axis(quality, order, 1), nan=-np.inf)
    best = np.maximum.accumulate(ordered, axis=1)
    ahead = np.concatenate([np.full((len(rate), 1), -np.inf), best[:, :-1]], axis=1) < ordered
    kept = np.zeros(rate.shape, bool)
    np.put_along_axis(kept, order, ahead, 1)
    return kept
