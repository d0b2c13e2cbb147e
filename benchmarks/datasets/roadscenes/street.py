"""The street: a plan drawn at random, and from it carriageway, kerbs, pavements, a side street, and both roadsides."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from benchmarks.datasets.roadscenes import light as slot
from benchmarks.datasets.roadscenes.buildings import Row, add_row
from benchmarks.datasets.roadscenes.furniture import (
    add_bin,
    add_bollards,
    add_fence,
    add_lamp_post,
    add_shelter,
    add_sign,
    add_traffic_light,
)
from benchmarks.datasets.roadscenes.materials import GRASS, KERB, PAVEMENT, ROAD, S_PAVEMENT, S_ROAD, S_TREE
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh, quads
from benchmarks.datasets.roadscenes.plants import add_tree
from benchmarks.datasets.roadscenes.random_draws import pick

BEGIN_Z, CURB = -9.0, 0.12


@dataclass(frozen=True)
class Plan:
    """A street's plan; lengths in metres.

    half: half width of the carriageway. walks: width of the left and right pavement. parking: width of a parking lane,
    or 0. end: z where the street stops. junction: z range of the side street, or None; arms: the sides on which it
    leaves. cross: z of a crossing, or None. left_hand: traffic keeps left. sides: "row" (buildings) or "green" for each
    side. urban: 0 to 1, raises the shares of shops, storeys and people. leafy: trees have leaves.
    """

    half: float
    walks: tuple[float, float]
    parking: float
    end: float
    junction: tuple[float, float] | None
    arms: tuple[bool, bool]
    cross: float | None
    left_hand: bool
    sides: tuple[str, str]
    urban: float
    leafy: bool


def draw_plan(rng: np.random.Generator) -> Plan:
    """A street plan drawn at random."""
    parking = float(pick(rng, (0.0, 2.1))) if rng.uniform() < 0.8 else 0.0
    half = float(rng.uniform(3.0, 4.6)) + parking
    if rng.uniform() < 0.15:
        half += 2.5
    junction = None
    if rng.uniform() < 0.5:
        z = float(rng.uniform(12.0, 55.0))
        junction = (z, z + float(rng.uniform(5.5, 9.0)))
    arms = [(True, False), (False, True), (True, True)][int(rng.integers(3))] if junction else (False, False)
    cross = None
    if rng.uniform() < 0.35:
        cross = junction[0] - 5.0 if junction else float(rng.uniform(9.0, 40.0))
    sides = [str(pick(rng, ("row", "row", "row", "green"))) for _ in range(2)]
    if sides == ["green", "green"] and rng.uniform() < 0.6:
        sides[int(rng.integers(2))] = "row"
    return Plan(
        half=half,
        walks=(float(rng.uniform(1.8, 4.2)), float(rng.uniform(1.8, 4.2))),
        parking=parking,
        end=float(rng.uniform(85.0, 170.0)),
        junction=junction,
        arms=arms,
        cross=cross,
        left_hand=bool(rng.uniform() < 0.7),
        sides=(sides[0], sides[1]),
        urban=float(rng.uniform(0.0, 1.0)),
        leafy=bool(rng.uniform() < 0.5),
    )


def write_plan(plan: Plan, light: Floats, rng: np.random.Generator) -> None:
    """Write the parts of the plan that the ground's texture needs into the light vector."""
    light[slot.HALF_ROAD], light[slot.PARKING] = plan.half, plan.parking
    wide = plan.half - plan.parking > 5.0
    light[slot.CENTRE_LINE] = 4.0 if wide else float(pick(rng, (0, 1, 1, 3, 2)))
    light[slot.EDGE_LINE] = float(pick(rng, (0, 1, 1, 2))) if plan.parking == 0 else 0.0
    light[slot.CROSS_ON], light[slot.CROSS_Z] = float(plan.cross is not None), plan.cross or 0.0
    light[slot.JUNCTION_LOW], light[slot.JUNCTION_HIGH] = plan.junction or (-999.0, -999.0)
    light[slot.ARROW_Z] = float(rng.uniform(6.0, 30.0)) if rng.uniform() < 0.35 else 0.0
    light[slot.PATCHES], light[slot.CRACKS] = float(rng.uniform(0.0, 0.35)), float(rng.uniform(0.0, 1.0))
    light[slot.ASPHALT] = float(rng.uniform(0.075, 0.17))
    light[slot.PAVE_STYLE] = float(pick(rng, (0, 0, 1, 2)))
    light[slot.LEAF_FALL] = float(rng.uniform(0.0, 0.12)) if rng.uniform() < 0.3 else 0.0
    light[slot.DIRT] = float(rng.uniform(0.3, 1.0))
    light[slot.SEED] = float(rng.integers(1, 1_000_000))
    light[slot.BEND] = float(rng.uniform(-1.0, 1.0)) * 0.0022 if rng.uniform() < 0.5 else 0.0
    light[slot.SLOPE] = float(rng.uniform(-1.0, 1.0)) * 0.0002 if rng.uniform() < 0.5 else 0.0


def _strip(x0: float, x1: float, y0: float, y1: float, cuts: Floats):  # type: ignore[no-untyped-def]
    """Quads along z between the cuts, from (x0, y0) to (x1, y1), with uv = (x, z)."""
    a, b = cuts[:-1], cuts[1:]
    z = np.stack([a, a, b, b], 1)
    x, y = (np.broadcast_to(np.array(corner), z.shape) for corner in ((x0, x1, x1, x0), (y0, y1, y1, y0)))
    corners = np.stack([x, y, z], 2)
    return quads(corners, corners[..., [0, 2]])


def _cuts(low: float, high: float) -> Floats:
    marks = np.concatenate([np.arange(-9.0, 40.0, 4.0), np.arange(40.0, 320.0, 9.0)])
    return np.concatenate([[low], marks[(marks > low + 0.5) & (marks < high - 0.5)], [high]])


def _stretches(plan: Plan, side: int, margin: float = 0.0) -> list[tuple[float, float]]:
    """z ranges of one side (0 left, 1 right) outside the side street, ``margin`` metres clear of it."""
    if plan.junction is None or not plan.arms[side]:
        return [(BEGIN_Z, plan.end)]
    return [(BEGIN_Z, plan.junction[0] - margin), (plan.junction[1] + margin, plan.end)]


def add_ground(mesh: Mesh, plan: Plan) -> None:
    """Carriageway, kerbs, pavements, side street and the lawn under it all."""
    far = plan.end + 90.0
    mesh.add(_strip(-plan.half, plan.half, 0.0, 0.0, _cuts(BEGIN_Z, far)), ROAD, S_ROAD)
    for side, sign in ((0, -1.0), (1, 1.0)):
        inner, outer = sign * plan.half, sign * (plan.half + plan.walks[side])
        for z0, z1 in _stretches(plan, side):
            cuts = _cuts(z0, z1)
            mesh.add(_strip(inner, inner + sign * 0.02, 0.0, CURB, cuts), KERB, S_PAVEMENT)
            mesh.add(_strip(inner + sign * 0.02, inner + sign * 0.17, CURB, CURB, cuts), KERB, S_PAVEMENT)
            mesh.add(_strip(inner + sign * 0.17, outer, CURB, CURB, cuts), PAVEMENT, S_PAVEMENT)
            mesh.add(_strip(outer, sign * 130.0, CURB - 0.02, CURB - 0.02, cuts), GRASS, S_TREE)
        if plan.arms[side] and plan.junction is not None:
            z0, z1 = plan.junction
            middle = 0.5 * (z0 + z1)
            x = np.array([plan.half, 20.0, 60.0, 130.0]) * sign
            corners = np.array(
                [[[a, 0.0, z0], [b, 0.0, z0], [b, 0.0, z1], [a, 0.0, z1]] for a, b in itertools.pairwise(x)]
            )
            uv = np.stack([(corners[..., 2] - middle) * 0.9, 1000.0 + corners[..., 0]], -1)
            mesh.add(quads(corners, uv), ROAD, S_ROAD)
        mesh.add(_strip(sign * plan.half, sign * 300.0, -0.02, -0.02, _cuts(plan.end, far)), GRASS, S_TREE)


def add_sides(mesh: Mesh, plan: Plan, rng: np.random.Generator) -> None:
    """Buildings, parks and trees on both sides, along the side street and at the far end."""
    shops = 0.15 + 0.8 * plan.urban
    storeys = (2, 3 + int(2.5 * plan.urban))
    modern = float(rng.uniform(0.0, 0.5))
    tint = (
        np.array([0.085, 0.12, 0.03])
        * rng.uniform(0.7, 1.4)
        * (np.array([1.5, 0.9, 0.6]) if rng.uniform() < 0.2 else 1.0)
    )
    for side, sign in ((0, -1.0), (1, 1.0)):
        edge = plan.half + plan.walks[side]
        corner = 1.8 if plan.arms[side] else 0.0
        for z0, z1 in _stretches(plan, side, corner):
            if plan.sides[side] == "row":
                set_back = 0.0 if rng.uniform() < 0.7 else float(rng.uniform(2.0, 5.0))
                if set_back:
                    add_fence(mesh, rng, sign * (edge + 0.15), z0, z1, int(pick(rng, (0, 2, 3, 4))))
                row = Row((sign * (edge + set_back), z0), (0.0, 1.0), (sign, 0.0), z1 - z0)
                add_row(mesh, rng, row, shops=shops if not set_back else 0.0, storeys=storeys, modern=modern)
            else:
                add_fence(mesh, rng, sign * (edge + 0.2), z0, z1, int(pick(rng, (0, 0, 1, 2, 3, 4))))
                row = Row((sign * (edge + float(rng.uniform(22.0, 45.0))), z0), (0.0, 1.0), (sign, 0.0), z1 - z0)
                add_row(mesh, rng, row, shops=0.0, storeys=storeys, modern=modern)
                z = z0 + float(rng.uniform(2.0, 8.0))
                while z < min(z1, 90.0):
                    x = sign * (edge + float(rng.uniform(2.0, 14.0)))
                    add_tree(
                        mesh,
                        rng,
                        np.array([x, 0.0, z]),
                        float(rng.uniform(6.5, 13.0)),
                        leafy=plan.leafy,
                        tint=tint * rng.uniform(0.8, 1.25),
                    )
                    z += float(rng.uniform(3.5, 10.0))
        if plan.arms[side] and plan.junction is not None:
            for z, facing in ((plan.junction[0] - 1.8, -1.0), (plan.junction[1] + 1.8, 1.0)):
                row = Row((sign * (edge + 0.5), z), (sign, 0.0), (0.0, facing), 55.0)
                add_row(mesh, rng, row, shops=0.3, storeys=storeys, modern=modern)
    _street_trees(mesh, plan, rng, tint)
    _far_end(mesh, plan, rng, tint)


def _street_trees(mesh: Mesh, plan: Plan, rng: np.random.Generator, tint: Floats) -> None:
    for _side, sign in ((0, -1.0), (1, 1.0)):
        if rng.uniform() > 0.4:
            continue
        spacing, height = float(rng.uniform(9.0, 22.0)), float(rng.uniform(5.0, 9.5))
        z = float(rng.uniform(6.0, 20.0))
        while z < 100.0:
            if plan.junction is None or not plan.junction[0] - 4 < z < plan.junction[1] + 4:
                position = np.array([sign * (plan.half + 0.7), 0.1, z])
                add_tree(
                    mesh,
                    rng,
                    position,
                    height * float(rng.uniform(0.8, 1.2)),
                    leafy=plan.leafy,
                    tint=tint * rng.uniform(0.85, 1.2),
                )
            z += spacing * float(rng.uniform(0.8, 1.5))


def _far_end(mesh: Mesh, plan: Plan, rng: np.random.Generator, tint: Floats) -> None:
    z = plan.end + float(rng.uniform(25.0, 60.0))
    add_row(mesh, rng, Row((-45.0, z), (1.0, 0.0), (0.0, 1.0), 90.0), shops=0.3, storeys=(2, 5), modern=0.3)
    for _ in range(int(rng.integers(2, 7))):
        x = float(pick(rng, (-1.0, 1.0))) * float(rng.uniform(plan.half, plan.half + 22.0))
        add_tree(
            mesh,
            rng,
            np.array([x, 0.0, plan.end + float(rng.uniform(2.0, 20.0))]),
            float(rng.uniform(7.0, 13.0)),
            leafy=plan.leafy,
            tint=tint,
        )


def add_kerbside(mesh: Mesh, plan: Plan, rng: np.random.Generator, glow: float) -> None:
    """Lamp posts, signs, signals, bins, bollards and shelters on the pavements. glow: of the lamps."""
    style = int(pick(rng, (0, 0, 0, 1)))
    spacing = float(rng.uniform(16.0, 34.0))
    busy = float(rng.uniform(0.4, 1.0))
    for side, sign in ((0, -1.0), (1, 1.0)):
        kerb, back = sign * (plan.half + 0.45), sign * (plan.half + plan.walks[side] - 0.35)
        z = float(rng.uniform(3.0, spacing))
        while z < plan.end:
            if _clear(plan, side, z):
                add_lamp_post(mesh, rng, kerb if rng.uniform() < 0.7 else back, z, -sign, style, 5.0 * glow)
            z += spacing * float(rng.uniform(0.85, 1.15))
        turned_away = 0.12 if (side == 0) == plan.left_hand else 0.45
        z = float(rng.uniform(5.0, 18.0))
        while z < 75.0:
            if _clear(plan, side, z):
                x = kerb + sign * float(rng.uniform(0.0, 0.4))
                add_sign(mesh, rng, x, z, away=bool(rng.uniform() < turned_away))
            z += float(rng.uniform(9.0, 28.0)) / busy
        _add_clutter(mesh, plan, rng, side)
    if (plan.cross is not None or plan.junction is not None) and rng.uniform() < 0.7:
        stop = plan.cross if plan.cross is not None else (plan.junction or (0.0, 0.0))[0]
        for sign in (-1.0, 1.0):
            add_traffic_light(mesh, rng, sign * (plan.half + 0.5), stop - 1.2)


def _clear(plan: Plan, side: int, z: float) -> bool:
    """Whether a side has its pavement at z, more than a metre away from the side street."""
    return any(a < z < b for a, b in _stretches(plan, side, 1.0))


def _add_clutter(mesh: Mesh, plan: Plan, rng: np.random.Generator, side: int) -> None:
    """Bins, bollards, a shelter and a guard rail on one side (0 left, 1 right)."""
    sign = -1.0 if side == 0 else 1.0
    kerb, back = sign * (plan.half + 0.45), sign * (plan.half + plan.walks[side] - 0.35)
    for _ in range(int(rng.integers(0, 4))):
        z = float(rng.uniform(5.0, 50.0))
        if _clear(plan, side, z):
            add_bin(mesh, rng, kerb + sign * 0.3 if rng.uniform() < 0.5 else back, z)
    if rng.uniform() < 0.3 and _clear(plan, side, 20.0):
        add_bollards(mesh, kerb, float(rng.uniform(5.0, 14.0)), int(rng.integers(3, 9)), float(rng.uniform(1.4, 2.5)))
    if rng.uniform() < 0.22 and plan.walks[side] > 2.5:
        z = float(rng.uniform(12.0, 45.0))
        if _clear(plan, side, z - 3) and _clear(plan, side, z + 3):
            add_shelter(mesh, rng, sign * (plan.half + plan.walks[side] - 0.95), z, sign)
    if rng.uniform() < 0.15:
        a = float(rng.uniform(4.0, 25.0))
        b = a + float(rng.uniform(6.0, 18.0))
        if _clear(plan, side, a) and _clear(plan, side, b):
            add_fence(mesh, rng, sign * (plan.half + 0.3), a, b, 0)
