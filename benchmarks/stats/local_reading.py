"""The quality of a curve at a rate between two neighbouring points, whatever its other points do.

Between the neighbours it is linear in the logarithm of the rate, the axis of Bjontegaard differences, and so lies
between their values. A curve that dips has no inverse, and so perhaps no BD-rate; at a given rate it has a value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def value(rate: Floats, quality: Floats, log_rate: Floats) -> Floats:
    """The quality of each curve at a log rate (R,). rate, quality: (R, P), points in any order -> (R,).

    NaN beyond the first and last point, beside a point without a value, where a point has no rate, and where several
    points at that very rate differ.

    >>> rate, quality = np.array([[1.0, 4.0, 16.0]]), np.array([[0.2, 0.6, 0.5]])
    >>> value(rate, quality, np.log([2.0])).round(6).tolist()
    [0.4]
    """
    if not rate.shape[1]:
        return np.full(len(rate), np.nan)
    order = np.lexsort((quality, rate))
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.log(np.take_along_axis(rate, order, 1)), np.take_along_axis(quality, order, 1)
    place = log_rate[:, None]
    left, right = (x <= place).sum(axis=1) - 1, (x < place).sum(axis=1)  # the same point where the rate is that of one
    outside = (left < 0) | (right >= x.shape[1]) | ~np.isfinite(x).all(axis=1)
    first, last = np.minimum(left, right), np.maximum(left, right)
    ends = [np.clip(end, 0, x.shape[1] - 1)[:, None] for end in (first, last)]
    (x0, x1), (y0, y1) = ([np.take_along_axis(part, end, 1)[:, 0] for end in ends] for part in (x, y))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(x1 > x0, (log_rate - x0) / (x1 - x0), 0.0)
        between = np.where(y1 == y0, y0, y0 + share * (y1 - y0))
    ambiguous = (x1 == x0) & (y1 != y0)
    return np.asarray(np.where(outside | ambiguous, np.nan, between))
