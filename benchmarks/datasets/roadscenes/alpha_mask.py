"""Alpha masks of leaf, twig, railing and spoke cards: holes cut by texture coordinates while triangles are filled."""

from __future__ import annotations

from benchmarks.datasets.roadscenes.jit import kernel
from benchmarks.datasets.roadscenes.materials import LEAF, MESH, RAILING, SPOKES, TWIG
from benchmarks.datasets.roadscenes.noise import fraction, value


@kernel
def is_hole(kind: int, u: float, v: float, a: float, b: float) -> bool:
    """Whether a card of this kind has a hole at texture coordinates (u, v).

    u, v: in [-1, 1] on foliage and wheels, in metres on fences. a: the card's own seed, or bar spacing in metres. b:
    density, or fence height in metres.
    """
    if kind == LEAF:
        r = u * u + v * v
        if r > 1.0:
            return True
        return value(u * 3.1 + a * 7.0, v * 3.1 + a * 3.0, 11) < 0.30 + 0.45 * r - b
    if kind == TWIG:
        if u * u + v * v > 1.0:
            return True
        x, y = u * 2.6 + a * 9.0, v * 2.6 - a * 5.0
        ridge = abs(value(x, y, 21) - 0.5)
        fine = abs(value(x * 2.3 + 40.0, y * 2.3, 22) - 0.5)
        return ridge > 0.055 * b and fine > 0.045 * b
    if kind == RAILING:
        bar = fraction(u / a)
        rail = (b - 0.06 < v < b - 0.01) or (0.1 < v < 0.15)
        post = fraction(u / 2.0) < 0.035
        return not (bar < 0.22 or rail or post)
    if kind == MESH:
        return fraction((u + v) / a) > 0.16 and fraction((u - v) / a) > 0.16 and v < b - 0.05
    if kind == SPOKES:
        r = u * u + v * v
        if r > 1.0:
            return True
        if r > 0.80 or r < 0.012:
            return False
        # Six straight lines through the hub stand for twelve spokes: no trigonometry needed.
        for k in range(3):
            s = 0.577 * (k - 1.0) * 2.2
            if abs(u - s * v) < 0.03 * (1.0 + abs(s)) or abs(v + s * u) < 0.03 * (1.0 + abs(s)):
                return False
        return True
    return False
