"""Least-squares fits of a rising, concave cubic within bounds, to the points of many curves at once.

    q(u) = v + a u + b (u/2 - u^2/2 + u^3/6) + c (u/2 - u^3/6)        u from 0 to 1

v is its value at 0 and a its slope at 1; its second derivative runs linearly from -b to -c. So it rises and is concave
exactly if a, b and c are at least 0, and it stays within bounds if q(0) and q(1) do. The idea is that of MPEG's VCM
test conditions: accuracy curves of machines dip, and a curve through such points would have no inverse.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-9
"""The amount by which an inequality may be missed; the rounding error of the solver is a thousandth of it."""
_HALVINGS = 52


def basis(u: Floats) -> Floats:
    """The factors of v, a, b and c in the cubic at ``u``: (...,) -> (..., 4)."""
    return np.stack([np.ones_like(u), u, u / 2 - u**2 / 2 + u**3 / 6, u / 2 - u**3 / 6], axis=-1)


def fit(u: Floats, quality: Floats, weight: Floats, bounds: tuple[float, float]) -> Floats:
    """v, a, b and c of the least-squares cubic of each curve: all (R, n) -> (R, 4).

    weight: 1 for a point, 0 where the row has none. There are at most five inequalities, and the optimum holds some of
    them as equations without breaking the others; so the best of all such sets is taken, and nothing is iterated.
    """
    rows, least = _inequalities(bounds)
    design = basis(u) * weight[..., None]
    squares, right = np.einsum("rnk,rnl->rkl", design, design), np.einsum("rnk,rn->rk", design, quality * weight)
    best, distance = np.full((len(u), 4), np.nan), np.full(len(u), np.inf)
    for size in range(5):
        for held in itertools.combinations(range(len(rows)), size):
            cubics = _optimum(squares, right, rows[list(held)], least[list(held)])
            feasible = (cubics @ rows.T >= least - _TOLERANCE).all(axis=1)
            missed = ((np.einsum("rnk,rk->rn", design, cubics) - quality * weight) ** 2).sum(axis=1)
            nearer = feasible & (missed < distance)
            best[nearer], distance[nearer] = cubics[nearer], missed[nearer]
    return best


def _inequalities(bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    """G (5, 4) and h (5,) of G (v, a, b, c) >= h; without the rows of an infinite bound."""
    rows = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [-1, -1, -1 / 6, -1 / 3]])
    least = np.array([0.0, 0.0, 0.0, bounds[0], -bounds[1]])
    return rows[np.isfinite(least)], least[np.isfinite(least)]


def _optimum(squares: Floats, right: Floats, rows: Floats, values: Floats) -> Floats:
    """Least squares with ``rows`` held at ``values``, by Lagrange: (R, 4, 4), (R, 4), (k, 4), (k,) -> (R, 4)."""
    count, held = len(squares), len(rows)
    system = np.zeros((count, 4 + held, 4 + held))
    system[:, :4, :4], system[:, :4, 4:], system[:, 4:, :4] = squares, rows.T, rows
    sides = np.concatenate([right, np.broadcast_to(values, (count, held))], axis=1)
    return np.asarray(np.linalg.solve(system, sides[..., None])[:, :4, 0])


def value(numbers: Floats, u: Floats) -> Floats:
    """The value of each cubic at ``u``: (R, 4), (R,) -> (R,)."""
    return np.asarray(np.einsum("rk,rk->r", basis(u), numbers))


def area(numbers: Floats, low: Floats, high: Floats) -> Floats:
    """The integral of each cubic from ``low`` to ``high``: (R, 4), (R,), (R,) -> (R,)."""

    def primitive(u: Floats) -> Floats:
        return np.stack([u, u**2 / 2, u**2 / 4 - u**3 / 6 + u**4 / 24, u**2 / 4 - u**4 / 24], axis=-1)

    return np.asarray(np.einsum("rk,rk->r", primitive(high) - primitive(low), numbers))


def inverse(numbers: Floats, quality: Floats) -> Floats:
    """The place between 0 and 1 at which each cubic reaches ``quality``: (R, 4), (R,) -> (R,)."""
    low, high = np.zeros(len(quality)), np.ones(len(quality))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = value(numbers, middle) < quality
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
