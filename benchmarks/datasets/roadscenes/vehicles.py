"""Cars, vans, buses and bicycles: bodies lofted through cross-sections, with wheels, lamps, plates and mirrors."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from benchmarks.datasets.roadscenes.car_profiles import BODIES
from benchmarks.datasets.roadscenes.materials import BUS, GLASS, LAMP, METAL, PAINT, PLAIN, PLATE, SPOKES, WHEEL
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh, Solid, boxes, placed, quads, tubes


class Part(NamedTuple):
    """A solid with its material. own: its colour, None for the vehicle's paint. parameters: four numbers."""

    solid: Solid
    material: int
    own: tuple[float, float, float] | None
    parameters: tuple[float, float, float, float]


def _loft(stations: tuple[tuple[float, ...], ...]) -> tuple[Solid, Solid]:
    """Painted skin and glass of a station table."""
    rows = np.array(stations)
    z, w, sill, belt, top, wt = rows.T[:6]
    n = len(rows)
    mid = sill + 0.45 * (belt - sill)
    x = np.stack([-w * 0.93, -w, -w * 0.985, -wt, -wt * 0.5, wt * 0.5, wt, w * 0.985, w, w * 0.93], 1)
    crown = top + 0.045 * np.minimum(wt, 0.7)
    y = np.stack([sill, mid, belt, top, crown, crown, top, belt, mid, sill], 1)
    points = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], 2)
    four = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], 2)
    along, across = np.gradient(points, axis=0), np.gradient(points, axis=1)
    smooth = np.cross(along, across)
    smooth /= np.maximum(np.linalg.norm(smooth, axis=2, keepdims=True), 1e-9)
    normals = np.stack([smooth[:-1, :-1], smooth[1:, :-1], smooth[1:, 1:], smooth[:-1, 1:]], 2)
    flat = np.cross(four[:, :, 1] - four[:, :, 0], four[:, :, 3] - four[:, :, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=2, keepdims=True), 1e-9)
    normals = normals + 1.3 * flat[:, :, None] * np.sign(np.sum(normals * flat[:, :, None], axis=3, keepdims=True))
    glass = np.zeros((n - 1, 9), bool)
    glass[:, [2, 6]] = rows[:-1, 6:7] > 0
    glass[:, 3:6] = rows[:-1, 7:8] > 0
    uv = four[..., [2, 1]]
    skin = quads(four[~glass], uv[~glass])._replace(normals=_two(normals[~glass]))
    ends = []
    for s in (0, n - 1):
        ring = points[s]
        centre = ring.mean(axis=0)
        fan = np.stack([np.broadcast_to(centre, ring.shape), ring, np.roll(ring, -1, 0), np.roll(ring, -1, 0)], 1)
        ends.append(fan)
    closed = quads(np.concatenate(ends), np.concatenate(ends)[..., [0, 1]])
    skin = Solid(*(np.concatenate(p) for p in zip(skin, closed, strict=True)))
    return skin, quads(four[glass])._replace(normals=_two(normals[glass]))


def _two(normals: Floats) -> Floats:
    """Corner normals (N,4,3) for the two triangles of each quad."""
    return normals[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)


def disc(centre: Floats, radius: float, outward: float, sides: int = 12) -> Solid:
    """A disc facing +-x with uv in [-1, 1]."""
    a = np.arange(sides + 1) * (2 * np.pi / sides)
    rim = np.stack(
        [np.full(sides + 1, centre[0]), centre[1] + radius * np.sin(a), centre[2] + radius * np.cos(a) * outward], 1
    )
    middle = np.broadcast_to(np.asarray(centre, np.float64), (sides, 3))
    triangles = np.stack([middle, rim[:-1], rim[1:]], 1)
    ring = np.stack([np.cos(a), np.sin(a)], 1)
    uv = np.stack([np.zeros((sides, 2)), ring[:-1], ring[1:]], 1)
    return Solid(triangles, uv, np.broadcast_to(np.array([outward, 0.0, 0.0]), triangles.shape))


def _wheels(half_width: float, radius: float, front: float, back: float, rim: float) -> list[Part]:
    parts = []
    for z in (front, back):
        for side in (-1.0, 1.0):
            x = side * (half_width - 0.04)
            parts.append(
                Part(
                    disc(np.array([side * (half_width + 0.004), radius + 0.04, z]), radius * 1.16, side),
                    PLAIN,
                    (0.008, 0.008, 0.008),
                    (0, 0, 0, 0),
                )
            )
            tread = tubes(
                np.array([[x - side * 0.2, radius, z]]),
                np.array([[x + side * 0.055, radius, z]]),
                np.array([radius]),
                np.array([radius]),
                sides=12,
                round_ends=False,
            )
            parts.append(Part(tread, PLAIN, (0.02, 0.02, 0.02), (0, 0, 0, 0)))
            parts.append(
                Part(disc(np.array([x + side * 0.06, radius, z]), radius, side), WHEEL, (0.3, 0.3, 0.3), (rim, 0, 0, 0))
            )
    return parts


def _box(
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
    material: int,
    own: tuple[float, float, float] | None,
    parameters: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> Part:
    return Part(boxes(np.array([centre]), np.array([half])), material, own, parameters)


@lru_cache(maxsize=16)
def car_parts(kind: str) -> tuple[Part, ...]:
    """The template of a car: painted skin, glass, wheels, lamps, grille, plates, mirrors, bumpers.

    The front is +z, the ground y = 0.
    """
    table = BODIES[kind]
    skin, glass = _loft(table)
    front, back, w = table[-1][0], table[0][0], max(row[1] for row in table)
    belt = table[len(table) // 2][3]
    sill = min(row[2] for row in table)
    radius = 0.31 if kind in ("sedan", "hatch", "estate") else 0.36
    door = 0.95 * (front / 2.26)
    seams = (door - 1.02, -1.15, 0.0, 0.0)
    tall = kind in ("van", "offroad")
    lamp_y = table[-3][3] - 0.02
    tail_y = table[1][3] - (0.05 if not tall else 0.12)
    parts = [Part(skin, PAINT, None, seams), Part(glass, GLASS, (0.02, 0.024, 0.026), (0, 0, 0, 0))]
    parts += _wheels(w, radius, front - 0.84, back + 0.86, 0.34)
    parts.append(_box((0, sill - 0.03, 0), (w * 0.86, 0.07, (front - back) / 2 - 0.3), PLAIN, (0.012, 0.012, 0.012)))
    for side in (-1.0, 1.0):
        parts.append(
            _box(
                (side * 0.60, lamp_y - 0.06, front - 0.10),
                (0.17, 0.075, 0.09),
                LAMP,
                (0.42, 0.44, 0.46),
                (0.02, 0, 0, 0),
            )
        )
        parts.append(
            _box(
                (side * (w - 0.16), tail_y - 0.09, back + 0.07),
                (0.10, 0.14 if tall else 0.07, 0.06),
                LAMP,
                (0.20, 0.008, 0.008),
                (0.05, 0, 0, 0),
            )
        )
        parts.append(
            _box((side * (w + 0.07), belt + 0.06, table[-5][0] - 0.28), (0.09, 0.07, 0.05), PAINT, None, (9, 9, 0, 0))
        )
    parts.append(_box((0, lamp_y - 0.10, front - 0.015), (0.36, 0.055, 0.03), PLAIN, (0.015, 0.015, 0.015)))
    parts.append(_box((0, 0.33 + (0.1 if tall else 0), front + 0.0), (0.50, 0.06, 0.04), PLAIN, (0.02, 0.02, 0.02)))
    parts.append(_box((0, 0.45 + (0.1 if tall else 0), back - 0.01), (0.62, 0.05, 0.04), PLAIN, (0.02, 0.02, 0.02)))
    parts += [
        _plate(0.46, front + 0.05, (0.62, 0.62, 0.58), 1.0),
        _plate(0.62 if not tall else 0.8, back - 0.055, (0.60, 0.45, 0.05), -1.0),
    ]
    return tuple(parts)


def _plate(y: float, z: float, colour: tuple[float, float, float], side: float) -> Part:
    corners = np.array(
        [
            [
                [-0.26 * side, y - 0.06, z],
                [0.26 * side, y - 0.06, z],
                [0.26 * side, y + 0.06, z],
                [-0.26 * side, y + 0.06, z],
            ]
        ]
    )
    return Part(quads(corners), PLATE, colour, (0, 0, 0, 0))


@lru_cache(maxsize=8)
def bus_parts(decks: int, length: float) -> tuple[Part, ...]:
    """The template of a bus, front +z."""
    top, half, hl = (4.3 if decks == 2 else 3.05), 1.25, length / 2
    z = np.array([-hl, -hl + 0.12, hl - 0.35, hl - 0.06, hl])
    w = np.array([half * 0.93, half, half, half * 0.95, half * 0.86])
    tops = np.array([top - 0.1, top, top, top - 0.08, top - 0.25])
    ring = [np.stack([-w, np.full(5, 0.32), z], 1), np.stack([-w, tops - 0.18, z], 1), np.stack([-w * 0.9, tops, z], 1)]
    ring += [np.stack([w * 0.9, tops, z], 1), np.stack([w, tops - 0.18, z], 1), np.stack([w, np.full(5, 0.32), z], 1)]
    points = np.stack(ring, 1)
    four = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], 2).reshape(-1, 4, 3)
    skin = quads(four, four[..., [2, 1]])
    parts = [Part(skin, BUS, None, (5, decks, 0, 0))]
    for end in (0, 4):
        p = points[end]
        face = np.array([[p[0], p[5], p[4], p[1]], [p[1], p[4], p[3], p[2]]])
        parts.append(Part(quads(face, face[..., [0, 1]] * [1.0, 0.05]), PAINT, None, (9, 9, 0, 0)))
    for side, wz in ((1.0, hl + 0.01), (-1.0, -hl - 0.01)):
        parts.append(_box((0, 1.75, wz - 0.02 * side), (1.02, 0.62, 0.02), GLASS, (0.02, 0.024, 0.026)))
        if decks == 2:
            parts.append(_box((0, 3.35, wz - 0.02 * side), (1.02, 0.42, 0.02), GLASS, (0.02, 0.024, 0.026)))
        parts.append(_box((0, 2.62, wz - 0.02 * side), (0.8, 0.14, 0.03), LAMP, (0.02, 0.02, 0.02), (0.0, 0, 0, 0)))
        parts.append(_box((0.1, 2.62, wz - 0.005 * side), (0.5, 0.07, 0.025), LAMP, (0.8, 0.45, 0.05), (0.5, 0, 0, 0)))
        colour = (0.42, 0.44, 0.46) if side > 0 else (0.20, 0.008, 0.008)
        for x in (-0.95, 0.95):
            parts.append(_box((x, 0.78, wz - 0.02 * side), (0.16, 0.11, 0.03), LAMP, colour, (0.05, 0, 0, 0)))
        parts.append(_box((0, 0.45, wz - 0.03 * side), (1.1, 0.12, 0.05), PLAIN, (0.03, 0.03, 0.03)))
        parts.append(_plate(0.52, wz + 0.03 * side, (0.62, 0.62, 0.58) if side > 0 else (0.60, 0.45, 0.05), side))
    for x in (-1.42, 1.42):
        parts.append(_box((x, 2.1, hl + 0.12), (0.08, 0.2, 0.04), PLAIN, (0.02, 0.02, 0.02)))
    parts += _wheels(half, 0.48, hl - 2.3, -hl + 2.6, 0.25)
    parts.append(_box((0, 0.3, 0), (half * 0.9, 0.12, hl - 0.4), PLAIN, (0.012, 0.012, 0.012)))
    return tuple(parts)


@lru_cache(maxsize=1)
def bicycle_parts() -> tuple[Part, ...]:
    """The template of a bicycle standing along z, front +z: two wheels of 34 cm radius, frame, fork, bars, saddle."""
    back, front, crank = (0.0, 0.34, -0.52), (0.0, 0.34, 0.52), (0.0, 0.30, -0.08)
    seat, head, bars = (0.0, 0.86, -0.22), (0.0, 0.82, 0.36), (0.0, 1.0, 0.32)
    pairs = [
        (back, crank),
        (crank, seat),
        (seat, head),
        (crank, head),
        (back, seat),
        (head, front),
        (head, bars),
        ((-0.27, 1.0, 0.26), (0.27, 1.0, 0.26)),
    ]
    a, b = (np.array([pair[k] for pair in pairs]) for k in (0, 1))
    r = np.full(len(pairs), 0.022)
    parts = [Part(tubes(a, b, r, r, sides=4, round_ends=False), METAL, None, (0, 0, 0, 0))]
    parts.append(_box((0, 0.92, -0.24), (0.07, 0.03, 0.13), PLAIN, (0.02, 0.02, 0.02)))
    for z in (-0.52, 0.52):
        card = np.array([[[0.0, 0.0, z - 0.34], [0.0, 0.0, z + 0.34], [0.0, 0.68, z + 0.34], [0.0, 0.68, z - 0.34]]])
        uv = np.array([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
        parts.append(Part(quads(card, uv), SPOKES, (0.05, 0.05, 0.05), (0, 0, 0, 0)))
        angle = np.arange(12) * (2 * np.pi / 12)
        rim = np.stack([np.zeros(12), 0.34 + 0.33 * np.sin(angle), z + 0.33 * np.cos(angle)], 1)
        parts.append(
            Part(
                tubes(rim, np.roll(rim, -1, 0), np.full(12, 0.018), np.full(12, 0.018), sides=4, round_ends=False),
                PLAIN,
                (0.02, 0.02, 0.02),
                (0, 0, 0, 0),
            )
        )
    return tuple(parts)


@lru_cache(maxsize=64)
def _packed(kind: str, decks: int, length: float) -> tuple[Solid, Floats, Floats, Floats, Floats]:
    """A template's parts as one solid, with per-triangle material, colour, paint mask and parameters."""
    parts = bicycle_parts() if kind == "bicycle" else bus_parts(decks, length) if kind == "bus" else car_parts(kind)
    counts = [len(p.solid.triangles) for p in parts]
    solid = Solid(*(np.concatenate(a) for a in zip(*(p.solid for p in parts), strict=True)))
    material = np.repeat([p.material for p in parts], counts)
    colour = np.repeat([p.own or (0.0, 0.0, 0.0) for p in parts], counts, axis=0).astype(np.float64)
    painted = np.repeat([p.own is None for p in parts], counts).astype(np.float64)
    parameters = np.repeat([p.parameters for p in parts], counts, axis=0).astype(np.float64)
    return solid, material, colour, painted, parameters


def add_vehicle(
    mesh: Mesh,
    kind: str,
    position: Floats,
    yaw: float,
    paint: Floats,
    semantic: int,
    instance: int,
    *,
    scale: Floats | float = 1.0,
    decks: int = 1,
    length: float = 10.5,
    braking: bool = False,
    lights: bool = False,
    rim: float = 0.3,
) -> None:
    """Put a vehicle on the street. paint: linear (3,). braking and lights: rear and front lamps on."""
    solid, material, colour, painted, parameters = _packed(kind, decks, length)
    colours = colour + painted[:, None] * paint
    if braking or lights:
        parameters = parameters.copy()
        red = (material == LAMP) & (colour[:, 1] < 0.05) & (colour[:, 0] > 0.15)
        white = (material == LAMP) & (colour[:, 2] > 0.4)
        parameters[red, 0] = 4.0 if braking else 1.2
        parameters[white, 0] = 7.0 if lights else parameters[white, 0]
    if rim != 0.3:
        parameters = parameters.copy()
        parameters[material == WHEEL, 0] = rim
    mesh.add(placed(solid, position, yaw, scale), material, semantic, colours, parameters, instance)
