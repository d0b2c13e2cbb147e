"""Traffic: parked and moving cars, buses, riders, people on the pavements and the crossing, and crowds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.datasets.roadscenes.materials import (
    BICYCLIST,
    BUS_OBJECT,
    CAR,
    PEDESTRIAN,
    S_BICYCLIST,
    S_CAR,
    S_PEDESTRIAN,
)
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh
from benchmarks.datasets.roadscenes.people import add_people
from benchmarks.datasets.roadscenes.random_draws import pick
from benchmarks.datasets.roadscenes.street import CURB, Plan
from benchmarks.datasets.roadscenes.vehicles import add_vehicle

PAINTS = (
    ((0.42, 0.43, 0.44), 5),
    ((0.24, 0.25, 0.26), 4),
    ((0.62, 0.62, 0.61), 3),
    ((0.012, 0.013, 0.015), 4),
    ((0.02, 0.028, 0.06), 3),
    ((0.20, 0.018, 0.018), 2),
    ((0.05, 0.053, 0.058), 3),
    ((0.11, 0.12, 0.13), 3),
    ((0.015, 0.04, 0.03), 1),
    ((0.08, 0.13, 0.20), 2),
    ((0.22, 0.20, 0.16), 1),
    ((0.40, 0.30, 0.03), 0.4),
    ((0.04, 0.12, 0.22), 1),
    ((0.10, 0.014, 0.02), 1),
)
"""Linear colours of cars and how common they are."""
KINDS = ("sedan", "sedan", "hatch", "hatch", "hatch", "estate", "offroad", "van")
LIVERIES = (
    (0.45, 0.02, 0.02),
    (0.03, 0.12, 0.35),
    (0.60, 0.58, 0.50),
    (0.05, 0.28, 0.12),
    (0.60, 0.35, 0.03),
    (0.35, 0.38, 0.42),
)


@dataclass
class Footprints:
    """Rectangles on the ground that are taken: rows of x, z, half width, half length, yaw."""

    rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def free(self, x: float, z: float, reach: float) -> bool:
        """Whether a disc of radius ``reach`` metres meets none of them (each taken as a capsule along its length)."""
        for px, pz, half_width, half_length, yaw in self.rows:
            dx, dz = x - px, z - pz
            along = dx * np.sin(yaw) + dz * np.cos(yaw)
            beside = dx * np.cos(yaw) - dz * np.sin(yaw)
            if abs(along) < half_length + reach and abs(beside) < half_width + reach:
                return False
        return True

    def take(self, x: float, z: float, half_width: float, half_length: float, yaw: float) -> None:
        """Mark a rectangle as taken."""
        self.rows.append((x, z, half_width, half_length, yaw))


def add_traffic(
    mesh: Mesh, plan: Plan, rng: np.random.Generator, camera_xz: tuple[float, float], glow: bool
) -> Footprints:
    """Fill the street and return the footprints of vehicles and people, for contact shadows."""
    taken = Footprints()
    taken.take(camera_xz[0], camera_xz[1], 1.1, 4.5, 0.0)
    drive = plan.half - plan.parking
    own = -1.0 if plan.left_hand else 1.0
    density = float(rng.uniform(0.25, 1.0))
    for lane, yaw in ((own, 0.0), (-own, np.pi)):
        z = float(rng.uniform(5.0, 30.0)) if lane == own else float(rng.uniform(3.0, 22.0))
        while z < 130.0:
            x = lane * drive * 0.5 + float(rng.uniform(-0.3, 0.3))
            if rng.uniform() < 0.8:
                _vehicle(mesh, rng, taken, x, z, yaw + float(rng.uniform(-0.04, 0.04)), glow, moving=True)
            z += float(rng.uniform(6.5, 38.0)) / (0.4 + density)
    if plan.parking > 0:
        for sign in (-1.0, 1.0):
            if rng.uniform() < 0.8:
                _parked(mesh, rng, plan, taken, sign)
    if plan.junction is not None and rng.uniform() < 0.6:
        middle = 0.5 * (plan.junction[0] + plan.junction[1])
        for _ in range(int(rng.integers(1, 3))):
            side = float(pick(rng, (-1.0, 1.0)))
            x = float(rng.uniform(-plan.half, plan.half + 6.0)) * (1 if plan.arms[1] else -1)
            _vehicle(
                mesh,
                rng,
                taken,
                x,
                middle + side * 1.7,
                side * np.pi / 2 + float(rng.uniform(-0.3, 0.3)),
                glow,
                moving=True,
            )
    _riders(mesh, plan, rng, taken)
    _walkers(mesh, plan, rng, taken)
    return taken


def _vehicle(
    mesh: Mesh, rng: np.random.Generator, taken: Footprints, x: float, z: float, yaw: float, glow: bool, *, moving: bool
) -> None:
    bus = moving and rng.uniform() < 0.16
    reach = 5.6 if bus else 2.6
    if not (
        taken.free(x, z, 1.2)
        and taken.free(x, z + np.cos(yaw) * reach, 0.9)
        and taken.free(x, z - np.cos(yaw) * reach, 0.9)
    ):
        return
    position = np.array([x, 0.0, z])
    if bus:
        decks, length = (2, 10.5) if rng.uniform() < 0.45 else (1, float(pick(rng, (8.5, 10.5, 12.0))))
        paint = np.array(LIVERIES[int(rng.integers(len(LIVERIES)))]) * rng.uniform(0.7, 1.2)
        add_vehicle(
            mesh,
            "bus",
            position,
            yaw,
            paint,
            S_CAR,
            mesh.new_instance(BUS_OBJECT),
            decks=decks,
            length=length,
            braking=bool(rng.uniform() < 0.4),
            lights=glow,
        )
        taken.take(x, z, 1.25, length / 2, yaw)
        return
    kind = str(pick(rng, KINDS))
    weights = np.array([weight for _, weight in PAINTS])
    paint = np.array(PAINTS[int(rng.choice(len(PAINTS), p=weights / weights.sum()))][0]) * rng.uniform(0.75, 1.2)
    if kind == "van" and rng.uniform() < 0.5:
        paint = np.array([0.68, 0.68, 0.67])
    scale = np.array([rng.uniform(0.96, 1.05), rng.uniform(0.95, 1.06), rng.uniform(0.93, 1.07)])
    add_vehicle(
        mesh,
        kind,
        position,
        yaw,
        paint,
        S_CAR,
        mesh.new_instance(CAR),
        scale=scale,
        braking=bool(moving and rng.uniform() < 0.4),
        lights=glow and moving,
        rim=float(rng.uniform(0.1, 0.45)),
    )
    taken.take(x, z, 0.9, 2.3, yaw)


def _parked(mesh: Mesh, rng: np.random.Generator, plan: Plan, taken: Footprints, sign: float) -> None:
    fullness = float(rng.uniform(0.3, 0.95))
    z = float(rng.uniform(2.0, 7.0))
    while z < 90.0:
        open_here = plan.junction is None or not plan.junction[0] - 6.0 < z < plan.junction[1] + 6.0
        open_here = open_here and (plan.cross is None or not plan.cross - 5.0 < z < plan.cross + 6.5)
        if open_here and rng.uniform() < fullness:
            yaw = 0.0 if rng.uniform() < 0.75 else np.pi
            _vehicle(
                mesh,
                rng,
                taken,
                sign * (plan.half - 1.08),
                z,
                yaw + float(rng.uniform(-0.04, 0.04)),
                False,
                moving=False,
            )
        z += float(rng.uniform(5.4, 6.6))


def _riders(mesh: Mesh, plan: Plan, rng: np.random.Generator, taken: Footprints) -> None:
    drive = plan.half - plan.parking
    rows = []
    for _ in range(int(rng.poisson(2.0))):
        side = float(pick(rng, (-1.0, 1.0)))
        x, z = side * (drive - float(rng.uniform(0.5, 1.3))), float(rng.uniform(5.0, 28.0))
        onward = (side < 0) == plan.left_hand
        yaw = (0.0 if onward else np.pi) + float(rng.uniform(-0.15, 0.15))
        if rng.uniform() < 0.18:
            x, yaw = (
                float(rng.uniform(-drive, drive)),
                float(pick(rng, (-1, 1))) * np.pi / 2 + float(rng.uniform(-0.5, 0.5)),
            )
        if taken.free(x, z, 0.75):
            taken.take(x, z, 0.35, 0.9, yaw)
            rows.append((x, z, yaw))
    if not rows:
        return
    instances = [mesh.new_instance(BICYCLIST) for _ in rows]
    for (x, z, yaw), instance in zip(rows, instances, strict=True):
        paint = rng.uniform(0.02, 0.5, 3)
        add_vehicle(mesh, "bicycle", np.array([x, 0.0, z]), yaw, paint, S_BICYCLIST, instance)
    positions = np.array([[x, 0.0, z] for x, z, _ in rows])
    add_people(mesh, rng, positions, np.array([r[2] for r in rows]), S_BICYCLIST, np.array(instances), riding=True)


def _walkers(mesh: Mesh, plan: Plan, rng: np.random.Generator, taken: Footprints) -> None:
    spots: list[tuple[float, float, float, float]] = []
    count = int(rng.poisson(2.5 + 5.0 * plan.urban))
    for _ in range(count):
        side = int(rng.integers(2))
        sign = -1.0 if side == 0 else 1.0
        z = 4.0 + 38.0 * float(rng.uniform()) ** 1.4
        x = sign * (plan.half + float(rng.uniform(0.6, plan.walks[side] - 0.3)))
        yaw = (0.0 if rng.uniform() < 0.5 else np.pi) + float(rng.uniform(-0.4, 0.4))
        group = 2 if rng.uniform() < 0.3 else 1
        for k in range(group):
            spots.append((x + 0.55 * k * -sign, CURB, z + 0.2 * k, yaw + 0.1 * k))
    if rng.uniform() < 0.22:
        side = int(rng.integers(2))
        sign, z = (-1.0 if side == 0 else 1.0), float(rng.uniform(14.0, 40.0))
        for _ in range(int(rng.integers(6, 15))):
            x = sign * (plan.half + float(rng.uniform(0.4, plan.walks[side])))
            spots.append((x, CURB, z + float(rng.uniform(-2.5, 2.5)), float(rng.uniform(0, 2 * np.pi))))
    crossing = (
        plan.cross + 1.5
        if plan.cross is not None
        else (float(rng.uniform(8.0, 35.0)) if rng.uniform() < 0.25 else None)
    )
    if crossing is not None:
        for _ in range(int(rng.integers(1, 5)) if plan.cross is not None else 1):
            yaw = float(pick(rng, (-1, 1))) * np.pi / 2 + float(rng.uniform(-0.25, 0.25))
            spots.append(
                (float(rng.uniform(-plan.half, plan.half)), 0.0, crossing + float(rng.uniform(-1.2, 1.2)), yaw)
            )
    kept: list[tuple[float, float, float, float]] = []
    for spot in spots:
        if taken.free(spot[0], spot[2], 0.25):
            taken.take(spot[0], spot[2], 0.22, 0.22, 0.0)
            kept.append(spot)
    if kept:
        rows: Floats = np.array(kept)
        add_people(
            mesh, rng, rows[:, :3], rows[:, 3], S_PEDESTRIAN, np.array([mesh.new_instance(PEDESTRIAN) for _ in kept])
        )
