"""Monotone piecewise cubics through points, for many curves at once, and their areas.

Fritsch and Butland, "A Method for Constructing Local Monotone Piecewise Cubic Interpolants", SIAM J. Sci. Stat. Comput.
1984; the slopes at the ends are those of Moler, "Numerical Computing with MATLAB", section 3.6. Our tests compare both
with scipy's PchipInterpolator, which takes one curve at a time and is a thousand times too slow for a bootstrap.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def slopes(x: Floats, y: Floats) -> Floats:
    """Slopes at the points. x, y: (R, n), strictly rising along each row, n at least 3 -> (R, n)."""
    step = np.diff(x, axis=1)
    chord = np.diff(y, axis=1) / step
    before, after = step[:, 1:] + step[:, :-1] * 2, step[:, 1:] * 2 + step[:, :-1]
    inner = (before + after) / (after / chord[:, :-1] + before / chord[:, 1:])
    return np.concatenate([_end(step, chord)[:, None], inner, _end(step[:, ::-1], chord[:, ::-1])[:, None]], axis=1)


def _end(step: Floats, chord: Floats) -> Floats:
    """The three-point slope at the first point, no less than 0."""
    slope = ((2 * step[:, 0] + step[:, 1]) * chord[:, 0] - step[:, 0] * chord[:, 1]) / (step[:, 0] + step[:, 1])
    return np.asarray(np.maximum(slope, 0.0))


def area(x: Floats, y: Floats, slope: Floats, low: Floats, high: Floats) -> Floats:
    """The integral of each curve from ``low`` to ``high``, within its points: all (R, n), low and high (R,) -> (R,)."""
    # (R, n - 1) each, measured from the start of each segment
    left, right = (np.clip(end[:, None], x[:, :-1], x[:, 1:]) - x[:, :-1] for end in (low, high))
    a, b, c, d = _coefficients(x, y, slope)
    return np.asarray((_primitive(right, a, b, c, d) - _primitive(left, a, b, c, d)).sum(axis=1))


def value(x: Floats, y: Floats, slope: Floats, position: Floats) -> Floats:
    """The value of each curve at a position between its first and last point: (R,) -> (R,)."""
    segment = np.clip((x[:, :-1] <= position[:, None]).sum(axis=1) - 1, 0, None)[:, None]
    a, b, c, d = (np.take_along_axis(part, segment, 1)[:, 0] for part in _coefficients(x, y, slope))
    t = position - np.take_along_axis(x, segment, 1)[:, 0]
    return np.asarray(a + t * (b + t * (c + t * d)))


def _coefficients(x: Floats, y: Floats, slope: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The coefficients of 1, t, t^2 and t^3 in each segment, t measured from its start: (R, n - 1) each."""
    step = np.diff(x, axis=1)
    chord, start, end = np.diff(y, axis=1) / step, slope[:, :-1], slope[:, 1:]
    return y[:, :-1], start, (3 * chord - 2 * start - end) / step, (start + end - 2 * chord) / step**2


def _primitive(t: Floats, a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    return t * (a + t * (b / 2 + t * (c / 3 + t * d / 4)))
