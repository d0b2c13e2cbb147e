"""The cubic that may only rise, ever more slowly, and stay within bounds: fitted to the points of many curves at once.

    q(u) = v + a u + b (u/2 - u^2/2 + u^3/6) + c (u/2 - u^3/6)        u from 0 to 1

v is its value at 0 and a its slope at 1; its second derivative runs linearly from -b to -c. So it rises and is concave
exactly where a, b and c are at least 0, and it keeps within bounds where q(0) and q(1) do. The idea is that of MPEG's
VCM test conditions: accuracy curves of machines dip, and a curve through such points would have no inverse.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST = 1e-9
"""How far below 0 a number may lie and still count as kept; what the solver leaves is a thousandth of that."""
_HALVINGS = 52


def basis(u: Floats) -> Floats:
    """(...,) -> (..., 4): the cubic's dependence on v, a, b and c."""
    return np.stack([np.ones_like(u), u, u / 2 - u**2 / 2 + u**3 / 6, u / 2 - u**3 / 6], axis=-1)


def fit(u: Floats, quality: Floats, weight: Floats, bounds: tuple[float, float]) -> Floats:
    """v, a, b and c of the cubic nearest to each curve's points by least squares: all (R, n) -> (R, 4).

    weight: 1 for a point, 0 where the row has none. With five inequalities at most, the optimum is the nearest of the
    optima that hold some of them as equations and break none of the others; so each set is tried, and nothing is
    iterated.
    """
    rows, least = _inequalities(bounds)
    design = basis(u) * weight[..., None]
    squares, right = np.einsum("rnk,rnl->rkl", design, design), np.einsum("rnk,rn->rk", design, quality * weight)
    best, distance = np.full((len(u), 4), np.nan), np.full(len(u), np.inf)
    for size in range(5):
        for held in itertools.combinations(range(len(rows)), size):
            found = _optimum(squares, right, rows[list(held)], least[list(held)])
            kept = (found @ rows.T >= least - _LEAST).all(axis=1)
            missed = ((np.einsum("rnk,rk->rn", design, found) - quality * weight) ** 2).sum(axis=1)
            nearer = kept & (missed < distance)
            best[nearer], distance[nearer] = found[nearer], missed[nearer]
    return best


def _inequalities(bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    """G (5, 4) and h (5,): G (v, a, b, c) >= h; without those of a bound that is infinite."""
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
    """Each cubic at ``u``: (R, 4), (R,) -> (R,)."""
    return np.asarray(np.einsum("rk,rk->r", basis(u), numbers))


def area(numbers: Floats, low: Floats, high: Floats) -> Floats:
    """The integral of each cubic from ``low`` to ``high``: (R, 4), (R,), (R,) -> (R,)."""

    def primitive(u: Floats) -> Floats:
        return np.stack([u, u**2 / 2, u**2 / 4 - u**3 / 6 + u**4 / 24, u**2 / 4 - u**4 / 24], axis=-1)

    return np.asarray(np.einsum("rk,rk->r", primitive(high) - primitive(low), numbers))


def inverse(numbers: Floats, quality: Floats) -> Floats:
    """Where each cubic reaches ``quality``, which it does between 0 and 1: (R, 4), (R,) -> (R,)."""
    low, high = np.zeros(len(quality)), np.ones(len(quality))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = value(numbers, middle) < quality
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
