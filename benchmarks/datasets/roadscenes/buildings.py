"""Rows of buildings: fronts, side walls, pitched or flat roofs, chimneys, awnings, balconies, hanging signs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.datasets.roadscenes.materials import ADVERT, CLOTH, METAL, PLAIN, ROOF, S_BUILDING, S_SIGN, WALL
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh
from benchmarks.datasets.roadscenes.random_draws import muted, pick

UNIT = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
COLOURS = {
    0: ((0.26, 0.13, 0.085), (0.33, 0.20, 0.12), (0.40, 0.31, 0.20), (0.20, 0.10, 0.075), (0.36, 0.27, 0.19)),
    1: (
        (0.62, 0.60, 0.55),
        (0.55, 0.48, 0.36),
        (0.66, 0.66, 0.64),
        (0.48, 0.42, 0.38),
        (0.60, 0.50, 0.42),
        (0.35, 0.40, 0.45),
    ),
    2: ((0.42, 0.37, 0.29), (0.33, 0.30, 0.26), (0.48, 0.44, 0.37)),
    3: ((0.30, 0.32, 0.34), (0.42, 0.41, 0.39), (0.20, 0.22, 0.25), (0.50, 0.50, 0.50)),
}


class Row(NamedTuple):
    """A straight line of building fronts.

    start: (x, z). along, inward: unit vectors (x, z) along the line and away from the street. length: metres.
    """

    start: tuple[float, float]
    along: tuple[float, float]
    inward: tuple[float, float]
    length: float


def add_row(
    mesh: Mesh, rng: np.random.Generator, row: Row, *, shops: float, storeys: tuple[int, int], modern: float
) -> None:
    """Fill a row with buildings.

    shops: share with a shop front. storeys: minimum and maximum. modern: share of panel and glass fronts.
    """
    start = 0.0
    while start < row.length - 2.0:
        width = min(float(rng.uniform(5.0, 15.0)), row.length - start)
        if row.length - start - width < 4.0:
            width = row.length - start
        stone = 3 if rng.uniform() < modern else int(pick(rng, (0, 0, 0, 1, 1, 2)))
        floors = int(rng.integers(storeys[0], storeys[1] + 1))
        _building(
            mesh, rng, row, start, width, 3.0 * floors + float(rng.uniform(0.3, 1.6)), stone, shop=rng.uniform() < shops
        )
        start += width


def _point(row: Row, along: float, inward: float, y: float) -> list[float]:
    return [
        row.start[0] + row.along[0] * along + row.inward[0] * inward,
        y,
        row.start[1] + row.along[1] * along + row.inward[1] * inward,
    ]


def _building(
    mesh: Mesh, rng: np.random.Generator, row: Row, start: float, width: float, top: float, stone: int, *, shop: bool
) -> None:
    seed = int(rng.integers(1, 1_000_000))
    colour = np.array(COLOURS[stone][int(rng.integers(len(COLOURS[stone])))]) * rng.uniform(0.55, 1.2)
    depth, set_back = float(rng.uniform(8.0, 13.0)), float(pick(rng, (0.0, 0.0, 0.15, 0.4)))
    end = start + width
    front = [
        _point(row, start, set_back, 0.0),
        _point(row, end, set_back, 0.0),
        _point(row, end, set_back, top),
        _point(row, start, set_back, top),
    ]
    uv = [[0.0, 0.0], [width, 0.0], [width, top], [0.0, top]]
    mesh.add_quad(front, uv, WALL, S_BUILDING, colour, (seed, stone + 10 * shop, top, width))
    sides = []
    for a in (start, end):
        sides.append(
            [
                _point(row, a, set_back, 0.0),
                _point(row, a, depth, 0.0),
                _point(row, a, depth, top),
                _point(row, a, set_back, top),
            ]
        )
    side_uv = [[0.0, 0.0], [depth, 0.0], [depth, top], [0.0, top]]
    windows = 20 if rng.uniform() < 0.5 else 0
    for corners in sides:
        mesh.add_quad(
            corners,
            side_uv,
            WALL,
            S_BUILDING,
            colour * 0.95,
            (seed + 7, (0 if stone == 1 else stone) + windows, top, depth),
        )
    if stone == 3 or rng.uniform() < 0.25:
        _flat_roof(mesh, rng, row, start, end, set_back, depth, top, colour)
    else:
        _pitched_roof(mesh, rng, row, start, end, set_back, depth, top, colour, seed)
    if shop and rng.uniform() < 0.4:
        _awning(mesh, rng, row, start, end, set_back)
    if not shop and stone in (1, 3) and rng.uniform() < 0.45:
        _balconies(mesh, rng, row, start, width, set_back, top)
    if shop and rng.uniform() < 0.6:
        _hanging_sign(mesh, rng, row, start + width * float(rng.uniform(0.1, 0.9)), set_back)


def _flat_roof(
    mesh: Mesh,
    rng: np.random.Generator,
    row: Row,
    start: float,
    end: float,
    front: float,
    depth: float,
    top: float,
    colour: Floats,
) -> None:
    corners = [
        _point(row, start, front, top - 0.1),
        _point(row, end, front, top - 0.1),
        _point(row, end, depth, top - 0.1),
        _point(row, start, depth, top - 0.1),
    ]
    mesh.add_quad(corners, UNIT, PLAIN, S_BUILDING, (0.12, 0.12, 0.12))
    if rng.uniform() < 0.6:
        a, w = (
            float(rng.uniform(start + 0.25 * (end - start), start + 0.75 * (end - start))),
            float(rng.uniform(0.8, 2.0)),
        )
        mesh.add_box(_point(row, a, depth * 0.5, top + 0.8), (w, 1.0, w), PLAIN, S_BUILDING, colour * 0.8)


def _pitched_roof(
    mesh: Mesh,
    rng: np.random.Generator,
    row: Row,
    start: float,
    end: float,
    front: float,
    depth: float,
    top: float,
    colour: Floats,
    seed: int,
) -> None:
    ridge = top + float(rng.uniform(1.6, 4.2))
    middle, over = 0.5 * (front + depth), 0.3
    slope = float(np.hypot(ridge - top, middle - front))
    near = [
        _point(row, start, front - over, top - 0.1),
        _point(row, end, front - over, top - 0.1),
        _point(row, end, middle, ridge),
        _point(row, start, middle, ridge),
    ]
    far = [
        _point(row, start, depth, top),
        _point(row, end, depth, top),
        _point(row, end, middle, ridge),
        _point(row, start, middle, ridge),
    ]
    uv = [[0.0, 0.0], [end - start, 0.0], [end - start, slope], [0.0, slope]]
    slate = rng.uniform() < 0.55
    tiles = np.array([0.085, 0.088, 0.10] if slate else [0.21, 0.10, 0.07]) * rng.uniform(0.6, 1.4)
    for sheet in (near, far):
        mesh.add_quad(sheet, uv, ROOF, S_BUILDING, tiles, (seed, 0, 0, 0))
    gables = [
        [
            _point(row, a, front, top),
            _point(row, a, depth, top),
            _point(row, a, middle, ridge),
            _point(row, a, middle, ridge),
        ]
        for a in (start, end)
    ]
    gable_uv = [[0.0, top], [depth, top], [depth / 2, ridge], [depth / 2, ridge]]
    for gable in gables:
        mesh.add_quad(gable, gable_uv, WALL, S_BUILDING, colour, (seed, 20, 99, depth))
    chimneys = int(rng.integers(0, 3))
    for _ in range(chimneys):
        a = float(rng.uniform(start + 0.5, max(end - 0.5, start + 0.6)))
        p = _point(row, a, middle + float(rng.uniform(-1.5, 1.0)), ridge + 0.3)
        mesh.add_box(p, (0.4, 1.1, 0.6), PLAIN, S_BUILDING, colour * 0.7)
        pots = np.array([[p[0], p[1] + 1.3, p[2] + d] for d in (-0.3, 0.0, 0.3)])
        for pot in pots:
            mesh.add_box(pot, (0.11, 0.25, 0.11), PLAIN, S_BUILDING, (0.25, 0.12, 0.07))
    if rng.uniform() < 0.3 and end - start > 6.0:
        p = _point(row, 0.5 * (start + end), front + 1.2, top + 0.7)
        mesh.add_box(p, (0.9, 0.8, 0.9), PLAIN, S_BUILDING, (0.5, 0.49, 0.46))


def _awning(mesh: Mesh, rng: np.random.Generator, row: Row, start: float, end: float, front: float) -> None:
    a, b = start + 0.4, min(end - 0.4, start + float(rng.uniform(3.0, 6.5)))
    out, low = float(rng.uniform(0.9, 1.5)), float(rng.uniform(2.2, 2.5))
    top = [
        _point(row, a, front, low + 0.65),
        _point(row, b, front, low + 0.65),
        _point(row, b, front - out, low),
        _point(row, a, front - out, low),
    ]
    flap = [
        _point(row, a, front - out, low),
        _point(row, b, front - out, low),
        _point(row, b, front - out, low - 0.22),
        _point(row, a, front - out, low - 0.22),
    ]
    uv = [[0.0, 0.0], [b - a, 0.0], [b - a, 1.0], [0.0, 1.0]]
    colour, pattern = muted(rng, 0.03, 0.45), int(pick(rng, (0, 2)))
    for sheet in (top, flap):
        mesh.add_quad(sheet, uv, CLOTH, S_BUILDING, colour, (pattern, 7, 0, 0))


def _balconies(
    mesh: Mesh, rng: np.random.Generator, row: Row, start: float, width: float, front: float, top: float
) -> None:
    centres, halves = [], []
    count = max(1, int(width / 4.5))
    across = abs(row.along[0]) > 0.5
    for y in np.arange(3.6, top - 2.0, 3.0):
        for i in range(count):
            a = start + width * (i + 0.5) / count
            for out, up, h in ((-0.5, 0.0, (1.2, 0.07, 0.5)), (-1.0, 0.5, (1.2, 0.45, 0.03))):
                centres.append(_point(row, a, front + out, float(y) + up))
                halves.append(h if across else (h[2], h[1], h[0]))
    colour = rng.uniform(0.05, 0.5) * np.ones(3)
    for centre, half in zip(centres, halves, strict=True):
        mesh.add_box(centre, half, METAL, S_BUILDING, colour)


def _hanging_sign(mesh: Mesh, rng: np.random.Generator, row: Row, start: float, front: float) -> None:
    y = float(rng.uniform(3.2, 4.2))
    corners = [
        _point(row, start, front - 0.1, y),
        _point(row, start, front - 0.85, y),
        _point(row, start, front - 0.85, y + 0.8),
        _point(row, start, front - 0.1, y + 0.8),
    ]
    mesh.add_quad(corners, UNIT, ADVERT, S_SIGN, muted(rng, 0.05, 0.55), (int(rng.integers(1, 9999)), 0, 0, 0))
