"""Street furniture: lamp posts, traffic lights, signs on posts, bollards, bins, shelters, fences, cabinets."""

from __future__ import annotations

import numpy as np

from benchmarks.datasets.roadscenes.materials import (
    ADVERT,
    GLASS,
    HEDGE,
    LAMP,
    MESH,
    METAL,
    PLAIN,
    RAILING,
    S_BUILDING,
    S_FENCE,
    S_POLE,
    S_SIGN,
    S_TREE,
    S_VOID,
    SIGN,
    SIGN_OBJECT,
    STONE,
)
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh, Solid, boxes, quads, tubes
from benchmarks.datasets.roadscenes.random_draws import muted, pick

SHAPES = {0: 20, 1: 20, 2: 3, 3: 0, 4: 8, 5: 20, 6: 0}


def _bars(mesh: Mesh, pairs: list[tuple[list[float], list[float], float]], colour: tuple[float, ...]) -> None:
    for start, end, radius in pairs:
        mesh.add_bar(start, end, radius, METAL, S_POLE, colour)


def add_lamp_post(
    mesh: Mesh, rng: np.random.Generator, x: float, z: float, toward: float, style: int, lit: float
) -> None:
    """A lamp post at (x, z) with its arm towards +-x. style: 0 arm, 1 lantern, 2 plain pole. lit: glow."""
    height = float(rng.uniform(6.0, 9.0)) if style != 1 else float(rng.uniform(3.8, 4.8))
    colour = (0.10, 0.11, 0.11) if style == 1 else (0.28, 0.29, 0.29)
    pairs = [([x, 0.1, z], [x, 1.3, z], 0.10), ([x, 1.2, z], [x, height, z], 0.065)]
    if style == 0:
        reach = float(rng.uniform(1.0, 2.2)) * toward
        pairs += [([x, height, z], [x + reach, height + 0.45, z], 0.04)]
        lamp, half = [x + reach * 1.15, height + 0.45, z], (0.35, 0.07, 0.12)
    else:
        lamp, half = [x, height + 0.25, z], (0.16, 0.25, 0.16)
    _bars(mesh, pairs, colour)
    mesh.add(boxes(np.array([lamp]), np.array([half])), LAMP, S_POLE, (0.5, 0.48, 0.42), (lit, 0, 0, 0))


def add_traffic_light(mesh: Mesh, rng: np.random.Generator, x: float, z: float) -> None:
    """A three-lamp signal on a post, facing the camera."""
    _bars(mesh, [([x, 0.1, z], [x, 3.3, z], 0.06)], (0.20, 0.21, 0.21))
    mesh.add_box([x, 2.8, z - 0.1], (0.17, 0.5, 0.13), PLAIN, S_SIGN, (0.012, 0.012, 0.012))
    mesh.add_box([x, 2.8, z - 0.06], (0.26, 0.6, 0.01), PLAIN, S_SIGN, (0.02, 0.02, 0.02))
    on = int(rng.integers(3))
    for k, colour in enumerate(((0.9, 0.03, 0.02), (0.9, 0.4, 0.02), (0.05, 0.8, 0.35))):
        y = 3.1 - 0.3 * k
        mesh.add(
            polygon(np.array([x, y, z - 0.24]), 0.10, 12, 0.0),
            LAMP,
            S_SIGN,
            np.array(colour) * (1.0 if k == on else 0.06),
            (6.0 if k == on else 0.0, 0, 0, 0),
        )


def polygon(centre: Floats, radius: float, sides: int, yaw: float) -> Solid:
    """A regular polygon facing -z (turned by yaw), uv in [-1, 1]; 0 sides: a square card of half width radius."""
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    if sides == 0:
        corner = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        p = centre + radius * np.stack([corner[:, 0] * c, corner[:, 1], -corner[:, 0] * s], 1)
        return quads(p[None], corner[None])
    start = np.pi / 2 if sides == 3 else np.pi / sides
    a = start + np.arange(sides + 1) * (2 * np.pi / sides)
    ring = np.stack([np.cos(a), np.sin(a)], 1)
    rim = centre + radius * np.stack([ring[:, 0] * c, ring[:, 1], -ring[:, 0] * s], 1)
    triangles = np.stack([np.broadcast_to(centre, (sides, 3)), rim[:-1], rim[1:]], 1)
    uv = np.stack([np.zeros((sides, 2)), ring[:-1], ring[1:]], 1)
    return Solid(triangles, uv, np.zeros_like(triangles))


def add_sign(mesh: Mesh, rng: np.random.Generator, x: float, z: float, *, away: bool = False) -> None:
    """A post with one or two traffic signs. Each face is an instance of its own; signs seen from behind are none."""
    height = float(rng.uniform(2.0, 2.9))
    _bars(mesh, [([x, 0.1, z], [x, height + 0.35, z], 0.04)], (0.25, 0.26, 0.26))
    for k in range(2 if rng.uniform() < 0.25 else 1):
        kind = int(pick(rng, (0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6)))
        radius = float(rng.uniform(0.34, 0.52)) * (1.15 if kind in (2, 3) else 1.0)
        centre = np.array([x, height - 0.85 * k, z - 0.05 if not away else z + 0.05])
        yaw = float(rng.uniform(-0.35, 0.35))
        solid = polygon(centre, radius, SHAPES[kind], yaw)
        if kind == 3:
            wide, tall = float(rng.uniform(1.0, 1.9)), float(rng.uniform(0.5, 1.0))
            solid = solid._replace(triangles=centre + (solid.triangles - centre) * np.array([wide, tall, wide]))
        if away:
            mesh.add(solid, PLAIN, S_SIGN, (0.22, 0.22, 0.22))
        else:
            back = solid._replace(triangles=solid.triangles + np.array([0.0, 0.0, 0.015]))
            mesh.add(back, PLAIN, S_SIGN, (0.22, 0.22, 0.22))
            mesh.add(
                solid,
                SIGN,
                S_SIGN,
                (0.5, 0.5, 0.5),
                (kind, int(rng.integers(1, 500)), 0, 0),
                mesh.new_instance(SIGN_OBJECT),
            )


def add_bollards(mesh: Mesh, x: float, z0: float, count: int, spacing: float) -> None:
    """A row of bollards along the kerb."""
    z = z0 + spacing * np.arange(count)
    ones = np.ones(count)
    a, b = np.stack([x * ones, 0.1 * ones, z], 1), np.stack([x * ones, 1.0 * ones, z], 1)
    mesh.add(tubes(a, b, 0.075 * ones, 0.065 * ones, sides=6), METAL, S_POLE, (0.03, 0.03, 0.032))


def add_bin(mesh: Mesh, rng: np.random.Generator, x: float, z: float) -> None:
    """A litter bin or a cabinet, void in the semantic map because CamVid's eleven classes have no such class."""
    tall = float(rng.uniform(0.9, 1.4))
    colour = rng.uniform(0.02, 0.2) * np.array([0.6, 1.0, 0.7])
    mesh.add_box([x, 0.1 + tall / 2, z], (0.28, tall / 2, rng.uniform(0.25, 0.5)), PLAIN, S_VOID, colour)


def add_fence(mesh: Mesh, rng: np.random.Generator, x: float, z0: float, z1: float, kind: int) -> None:
    """A fence along z. kind: 0 railings, 1 wire mesh, 2 garden wall, 3 hedge, 4 wall with railings on top."""
    if z1 - z0 < 1.0:
        return
    cuts = np.append(np.arange(z0, z1 - 1.0, 9.0), z1)
    height = {
        0: rng.uniform(1.0, 1.8),
        1: rng.uniform(1.4, 2.2),
        2: rng.uniform(0.6, 1.7),
        3: rng.uniform(1.0, 2.1),
        4: 0.6,
    }[kind]
    near, far = cuts[:-1], cuts[1:]

    def sheet(low: float, high: float, sheet_x: float) -> Solid:
        z = np.stack([near, far, far, near], 1)
        y = np.broadcast_to(np.array([low, low, high, high]), z.shape)
        return quads(np.stack([np.full_like(z, sheet_x), y, z], 2), np.stack([z, y - low], 2))

    base = 0.1
    seed = int(rng.integers(1, 9999))
    if kind in (2, 3, 4):
        thick = 0.14 if kind != 3 else 0.45
        colour = rng.uniform(0.7, 1.2) * (np.array([0.07, 0.10, 0.035]) if kind == 3 else np.array([0.28, 0.17, 0.11]))
        centre = np.stack([np.full(len(near), x), np.full(len(near), base + height / 2), 0.5 * (near + far)], 1)
        half = np.stack([np.full(len(near), thick), np.full(len(near), height / 2), 0.5 * (far - near)], 1)
        mesh.add(
            boxes(centre, half),
            HEDGE if kind == 3 else STONE,
            S_TREE if kind == 3 else S_BUILDING,
            colour,
            (seed, 0, 0, 0),
        )
    if kind in (0, 4):
        low = base + (height if kind == 4 else 0.0)
        high = low + (height if kind == 0 else float(rng.uniform(0.6, 1.2)))
        mesh.add(sheet(low, high, x), RAILING, S_FENCE, rng.uniform(0.01, 0.09) * np.ones(3), (0.16, high - low, 0, 0))
    if kind == 1:
        mesh.add(sheet(base, base + height, x), MESH, S_FENCE, (0.18, 0.19, 0.18), (0.18, height, 0, 0))


def add_shelter(mesh: Mesh, rng: np.random.Generator, x: float, z: float, side: float) -> None:
    """A bus shelter: roof, posts, an advertisement panel, glass."""
    mesh.add_box([x, 2.45, z], (0.8, 0.06, 1.9), PLAIN, S_BUILDING, (0.10, 0.11, 0.12))
    posts = [([x + 0.6 * side, 0.1, z + d], [x + 0.6 * side, 2.45, z + d], 0.05) for d in (-1.8, 0.0, 1.8)]
    _bars(mesh, posts, (0.10, 0.11, 0.12))
    mesh.add(
        boxes(np.array([[x, 1.3, z + 1.85]]), np.array([[0.62, 0.85, 0.06]])),
        ADVERT,
        S_SIGN,
        muted(rng, 0.1, 0.55),
        (int(rng.integers(1, 9999)), 0, 0, 0),
    )
    mesh.add_box([x + 0.65 * side, 1.35, z], (0.015, 0.85, 1.75), GLASS, S_BUILDING, (0.06, 0.07, 0.07))
