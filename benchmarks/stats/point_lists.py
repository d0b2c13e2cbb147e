"""Bjontegaard differences of any two lists of points, checked, for scores of either direction."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.stats import bjontegaard
from benchmarks.stats.bjontegaard import UNBOUNDED, Difference
from hsc.errors import UsageError

Points = Sequence[tuple[float, float]]
"""Points (rate, score) in any order; an array or a DataFrame of two columns will do."""


def bd_rate(
    anchor: Points, test: Points, *, higher_is_better: bool = True, bounds: tuple[float, float] = UNBOUNDED
) -> Difference:
    """BD-rate: the mean difference in rate at equal score, in percent of the anchor's rate.

    anchor, test: points (rate, score); rates above 0, in one unit for both. A negative value says that the test codec
    needs fewer bits. bounds: the lowest and the highest possible score, which a fit of a curve that dips keeps to.
    Where no number is possible, ``value`` is None and ``reason`` says why.

    Raises:
        UsageError: the points are no pairs of numbers, or the bounds are not in rising order.

    >>> anchor = [(0.1, 20.0), (0.2, 26.0), (0.4, 30.0), (0.8, 32.0)]
    >>> str(bd_rate(anchor, [(rate * 0.8, score) for rate, score in anchor]))
    '-20.0 %'
    """
    return _compared(bjontegaard.bd_rate, anchor, test, higher_is_better, bounds)


def bd_metric(
    anchor: Points, test: Points, *, higher_is_better: bool = True, bounds: tuple[float, float] = UNBOUNDED
) -> Difference:
    """BD-metric: the mean score of the test codec less that of the anchor at equal rate, in the score's own unit.

    It is positive where the test codec scores more, which is better only where higher is better. Arguments and errors
    are those of ``bd_rate``.

    >>> anchor = [(0.1, 20.0), (0.2, 26.0), (0.4, 30.0), (0.8, 32.0)]
    >>> round(bd_metric(anchor, [(rate, score + 1.5) for rate, score in anchor]).value, 6)
    1.5
    """
    difference = _compared(bjontegaard.bd_metric, anchor, test, higher_is_better, bounds)
    if higher_is_better or difference.value is None:
        return difference
    return dataclasses.replace(difference, value=-difference.value)


def _compared(
    compare: Callable[..., Difference], anchor: Any, test: Any, higher_is_better: bool, bounds: tuple[float, float]
) -> Difference:
    low, high = bounds
    if not low < high:
        raise UsageError(f"bounds came as ({low}, {high}), expected the lower one first")
    sign = 1 if higher_is_better else -1
    anchor_curve, test_curve = (
        [(rate, sign * score) for rate, score in _pairs(name, points)]
        for name, points in (("anchor", anchor), ("test", test))
    )
    return compare(anchor_curve, test_curve, (low, high) if higher_is_better else (-high, -low))


def _pairs(name: str, points: Any) -> list[tuple[float, float]]:
    expected = "expected pairs (rate, score) of numbers"
    try:
        table = np.asarray(list(points) if isinstance(points, Iterator) else points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the {name}'s points are no list of pairs ({error}); {expected}") from error
    if table.size and (table.ndim != 2 or table.shape[1] != 2):
        raise UsageError(f"the {name}'s points came with the shape {table.shape}; {expected}")
    return [(float(rate), float(score)) for rate, score in table.reshape(-1, 2)]
