"""Least-squares rising steps through points, for many curves at once: isotonic regression.

    quality  o   o       o                o   o       o
               o       o          -->       -----   o         a dip is levelled: its points become one, at the mean
           o         o                  o         o           of their qualities and the mean of their log rates

Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete Information", Ann. Math. Stat. 1955; the
max-min formula is that of Barlow et al., "Statistical Inference under Order Restrictions", 1972. Our tests compare it
with scipy's ``isotonic_regression``, which takes one curve at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-12
"""A step smaller than this share of the curve's span is rounding, and no step."""


class Levelled(NamedTuple):
    """Curves whose dips are levelled. x, y: (R, n), strictly rising up to ``points``, the last of them repeated after
    that. points: (R,), how many. missed: (R,), root-mean-square distance of the steps from the points.
    """

    x: Floats
    y: Floats
    points: npt.NDArray[np.intp]
    missed: Floats


def steps(y: Floats) -> Floats:
    """The rising sequence nearest to each row of ``y`` by least squares: (R, n) -> (R, n).

    >>> steps(np.array([[1.0, 4.0, 2.0, 6.0]])).tolist()
    [[1.0, 3.0, 3.0, 6.0]]
    """
    n = y.shape[1]
    sums = np.concatenate([np.zeros((len(y), 1)), np.cumsum(y, axis=1)], axis=1)
    first, last = np.arange(n)[:, None], np.arange(n)[None]
    means = (sums[:, None, 1:] - sums[:, :-1, None]) / np.maximum(last - first + 1, 1)  # (R, first, last)
    means = np.where(first <= last, means, np.inf)
    least = np.minimum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]  # over all that end at or after a place
    return np.asarray(np.where(first <= last, least, -np.inf).max(axis=1))


def levelled(x: Floats, y: Floats) -> Levelled:
    """Each curve with the points of a step joined into one. x: (R, n), rising along each row; y: (R, n)."""
    rising = steps(y)
    apart = np.diff(rising, axis=1) > _TOLERANCE * np.ptp(y, axis=1)[:, None]
    step = np.concatenate([np.zeros((len(y), 1), int), np.cumsum(apart, axis=1)], axis=1)
    count = step[:, -1] + 1
    members = step[:, :, None] == np.arange(y.shape[1])  # (R, point, step)
    size = np.maximum(members.sum(axis=1), 1)
    joined_x, joined_y = (np.einsum("rn,rns->rs", part, members) / size for part in (x, y))
    places = np.minimum(np.arange(y.shape[1]), count[:, None] - 1)
    joined_x, joined_y = (np.take_along_axis(part, places, 1) for part in (joined_x, joined_y))
    return Levelled(joined_x, joined_y, count, np.sqrt(((rising - y) ** 2).mean(axis=1)))
