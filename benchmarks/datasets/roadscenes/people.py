"""Pedestrians and riders: posed skeletons of tapered tubes with clothes, many people built at once.

Joints follow a walking cycle (hips, knees, shoulders, elbows swing with the phase) or a rider's pose. Local axes: x
right, y up, z ahead; heights are for a person of 1.75 m and scaled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes.materials import CLOTH, HAIR, PLAIN, SKIN
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh, tubes, turned

Scalars = Floats | float

TROUSERS = (
    (0.02, 0.022, 0.03),
    (0.03, 0.045, 0.09),
    (0.015, 0.015, 0.016),
    (0.09, 0.085, 0.075),
    (0.22, 0.19, 0.14),
    (0.05, 0.04, 0.03),
)
TOPS = (
    (0.02, 0.02, 0.022),
    (0.03, 0.04, 0.09),
    (0.30, 0.03, 0.03),
    (0.55, 0.55, 0.52),
    (0.10, 0.10, 0.11),
    (0.06, 0.09, 0.05),
    (0.25, 0.20, 0.13),
    (0.04, 0.12, 0.22),
    (0.45, 0.30, 0.05),
    (0.30, 0.10, 0.18),
    (0.62, 0.60, 0.10),
    (0.13, 0.05, 0.04),
    (0.015, 0.02, 0.03),
    (0.02, 0.018, 0.018),
    (0.08, 0.08, 0.10),
)
SKINS = ((0.45, 0.28, 0.20), (0.36, 0.21, 0.14), (0.20, 0.11, 0.07), (0.10, 0.055, 0.035), (0.50, 0.33, 0.25))
HAIRS = (
    (0.02, 0.015, 0.012),
    (0.06, 0.035, 0.02),
    (0.22, 0.14, 0.06),
    (0.25, 0.24, 0.23),
    (0.015, 0.014, 0.014),
    (0.11, 0.04, 0.02),
)


class Limb(NamedTuple):
    """One bar of all N bodies: start, end (N,3), radii (N,) in metres, depth over width, material, colour (N,3)."""

    start: Floats
    end: Floats
    radius_start: Floats
    radius_end: Floats
    flatten: float
    material: int
    colour: Floats


class Looks(NamedTuple):
    """The build and clothes of N people.

    tall, wide (N,): factors on height and girth. leg, top, sleeve, skin, crown, shoe, bag (N,3): linear colours. coat
    (N,): whether the top reaches the knees. pattern (N,2): kind and seed of the cloth. bag_size (N,): radius in metres.
    on_back: bags are rucksacks, else carried in a hand.
    """

    tall: Floats
    wide: Floats
    leg: Floats
    top: Floats
    sleeve: Floats
    skin: Floats
    crown: Floats
    shoe: Floats
    coat: npt.NDArray[np.bool_]
    pattern: Floats
    bag_size: Floats
    on_back: bool
    bag: Floats


def _walk(n: int, phase: Floats, stride: Floats) -> dict[str, Floats]:
    """Joints (N,3) of walkers; phase in radians, stride 0 (standing) to 1."""
    joints: dict[str, Floats] = {}
    bob = 0.02 * stride * np.abs(np.sin(phase))
    zero = np.zeros(n)
    joints["hip"], joints["chest"] = _at(zero, 0.93 + bob, zero), _at(zero, 1.36 + bob, 0.03 * stride)
    joints["neck"], joints["head"] = _at(zero, 1.49 + bob, 0.04 * stride), _at(zero, 1.60 + bob, 0.07 * stride + 0.01)
    for side, offset in ((-1.0, 0.0), (1.0, np.pi)):
        name = "l" if side < 0 else "r"
        swing = 0.45 * stride * np.sin(phase + offset)
        bend = stride * np.maximum(0.0, np.cos(phase + offset)) * 0.75 + 0.05
        hip = joints["hip"] + np.array([side * 0.09, 0.0, 0.0])
        knee = hip + _at(zero, -0.44 * np.cos(swing), 0.44 * np.sin(swing))
        ankle = knee + _at(zero, -0.42 * np.cos(swing - bend), 0.42 * np.sin(swing - bend))
        shoulder = joints["chest"] + np.array([side * 0.18, 0.06, 0.0])
        arm = -0.5 * stride * np.sin(phase + offset)
        elbow = shoulder + _at(side * 0.05 + zero, -0.28 * np.cos(arm), 0.28 * np.sin(arm))
        fore = arm + 0.25 + 0.5 * stride * np.maximum(0.0, np.sin(phase + offset + np.pi))
        joints.update(
            {
                f"{name}hip": hip,
                f"{name}knee": knee,
                f"{name}ankle": ankle,
                f"{name}shoulder": shoulder,
                f"{name}elbow": elbow,
            }
        )
        joints[f"{name}hand"] = elbow + _at(zero, -0.25 * np.cos(fore), 0.25 * np.sin(fore))
        joints[f"{name}toe"] = ankle + _at(zero, -0.05 + 0.1 * np.sin(swing - bend), 0.17 + zero)
    return joints


def _ride(n: int, phase: Floats, lean: Floats) -> dict[str, Floats]:
    """Joints (N,3) of riders on the bicycle template; lean 0 upright to 1 low."""
    zero = np.zeros(n)
    joints = {"hip": _at(zero, 0.98 + zero, -0.24 + zero), "chest": _at(zero, 1.40 - 0.10 * lean, -0.06 + 0.16 * lean)}
    joints["neck"] = joints["chest"] + _at(zero, 0.11 + zero, 0.06 + zero)
    joints["head"] = joints["chest"] + _at(zero, 0.24 + zero, 0.11 + zero)
    for side, offset in ((-1.0, 0.0), (1.0, np.pi)):
        name = "l" if side < 0 else "r"
        hip = joints["hip"] + np.array([side * 0.09, -0.03, 0.0])
        pedal = _at(side * 0.10 + zero, 0.30 + 0.17 * np.sin(phase + offset), -0.08 + 0.17 * np.cos(phase + offset))
        ankle = pedal + np.array([0.0, 0.09, -0.06])
        middle = 0.5 * (hip + ankle)
        span = np.linalg.norm(ankle - hip, axis=1)
        out = np.sqrt(np.maximum(0.19 - 0.25 * span * span, 0.0025))
        knee = middle + np.stack([zero, 0.35 * out, 0.94 * out], 1)
        shoulder = joints["chest"] + np.array([side * 0.18, 0.05, 0.0])
        hand = _at(side * 0.25 + zero, 1.03 + zero, 0.26 + zero)
        elbow = 0.5 * (shoulder + hand) + np.array([side * 0.06, -0.07, -0.02])
        joints.update(
            {
                f"{name}hip": hip,
                f"{name}knee": knee,
                f"{name}ankle": ankle,
                f"{name}shoulder": shoulder,
                f"{name}elbow": elbow,
                f"{name}hand": hand,
            }
        )
        joints[f"{name}toe"] = pedal + np.array([0.0, 0.02, 0.13])
    return joints


def _at(x: Scalars, y: Scalars, z: Scalars) -> Floats:
    return np.stack(np.broadcast_arrays(x, y, z), 1).astype(np.float64)  # type: ignore[no-any-return]


def _among(rng: np.random.Generator, n: int, colours: tuple[tuple[float, float, float], ...]) -> Floats:
    return np.take(np.array(colours), rng.integers(len(colours), size=n), axis=0)


def _dress(rng: np.random.Generator, n: int, riding: bool) -> Looks:
    tall, wide = rng.uniform(0.92, 1.08, n), rng.uniform(0.90, 1.15, n)
    child = (rng.uniform(size=n) < 0.08) & (not riding)
    leg, top = _among(rng, n, TROUSERS), _among(rng, n, TOPS)
    top, leg = top * rng.uniform(0.6, 1.4, (n, 1)), leg * rng.uniform(0.7, 1.5, (n, 1))
    skin, hair = _among(rng, n, SKINS), _among(rng, n, HAIRS)
    coat = rng.uniform(size=n) < (0.1 if riding else 0.4)
    bare = rng.uniform(size=n) < 0.2
    pattern = np.stack(
        [rng.choice([0, 0, 0, 1, 2, 3], n).astype(np.float64), rng.integers(1, 999, n).astype(np.float64)], 1
    )
    shoe = np.tile([0.02, 0.018, 0.017], (n, 1)) * rng.uniform(0.5, 9, (n, 1))
    helmet = rng.uniform(size=n) < 0.55
    crown = np.where(helmet[:, None], _among(rng, n, TOPS) * 1.3, hair) if riding else hair
    bag_size = np.where(rng.uniform(size=n) < 0.45, 0.13, 0.004)
    on_back = bool(rng.uniform() < 0.5) or riding
    return Looks(
        np.where(child, tall * 0.72, tall),
        wide,
        leg,
        top,
        np.where(bare[:, None], skin, top),
        skin,
        crown,
        shoe,
        coat,
        pattern,
        bag_size,
        on_back,
        _among(rng, n, TOPS),
    )


def _limbs(j: dict[str, Floats], looks: Looks) -> list[Limb]:
    """The bars of a body from its joints, torso first."""
    up = np.array([0.0, 1.0, 0.0])
    wide, coat = looks.wide, looks.coat
    hem = j["hip"] + np.where(coat[:, None], -0.34, -0.06) * up
    bag = j["chest"] + np.array([0.0, -0.12, -0.17]) if looks.on_back else j["rhand"] + np.array([0.03, -0.16, 0.0])
    brow, top_of_head = np.array([0.0, 0.035, -0.022]), np.array([0.0, 0.085, -0.012])
    bars = [
        Limb(hem, j["chest"], np.where(coat, 0.20, 0.165) * wide, 0.185 * wide, 0.62, CLOTH, looks.top),
        Limb(j["chest"], j["neck"] - 0.03 * up, 0.185 * wide, 0.085 * wide, 0.62, CLOTH, looks.top),
        Limb(j["neck"] - 0.04 * up, j["head"], 0.055 * wide, 0.055 * wide, 1.0, SKIN, looks.skin),
        Limb(j["head"] - 0.055 * up, j["head"] + 0.05 * up, 0.075 * wide, 0.088 * wide, 1.18, SKIN, looks.skin),
        Limb(j["head"] + brow, j["head"] + top_of_head, 0.097 * wide, 0.085 * wide, 1.15, HAIR, looks.crown),
        Limb(bag - 0.12 * up, bag + 0.14 * up, looks.bag_size, looks.bag_size, 0.6, PLAIN, looks.bag),
    ]
    for s in ("l", "r"):
        finger = j[s + "hand"] + np.array([0.0, -0.08, 0.02])
        bars += [
            Limb(j[s + "hip"], j[s + "knee"], 0.092 * wide, 0.066 * wide, 1.0, CLOTH, looks.leg),
            Limb(j[s + "knee"], j[s + "ankle"], 0.064 * wide, 0.050 * wide, 1.0, CLOTH, looks.leg),
            Limb(j[s + "ankle"] - 0.03 * up, j[s + "toe"], 0.048 * wide, 0.042 * wide, 0.8, PLAIN, looks.shoe),
            Limb(j[s + "shoulder"], j[s + "elbow"], 0.062 * wide, 0.050 * wide, 1.0, CLOTH, looks.top),
            Limb(j[s + "elbow"], j[s + "hand"], 0.047 * wide, 0.038 * wide, 1.0, CLOTH, looks.sleeve),
            Limb(j[s + "hand"], finger, 0.036 * wide, 0.034 * wide, 0.6, SKIN, looks.skin),
        ]
    return bars


def add_people(
    mesh: Mesh,
    rng: np.random.Generator,
    positions: Floats,
    yaws: Floats,
    semantic: int,
    instances: npt.NDArray[np.int64],
    *,
    riding: bool = False,
) -> None:
    """Add N people at positions (N,3) facing yaws (N,), instance numbers (N,); their looks come from ``rng``."""
    n = len(positions)
    if n == 0:
        return
    phase = rng.uniform(0, 2 * np.pi, n)
    if riding:
        joints = _ride(n, phase, rng.uniform(0, 1, n))
    else:
        joints = _walk(n, phase, np.where(rng.uniform(size=n) < 0.25, 0.08, rng.uniform(0.55, 1.0, n)))
    looks = _dress(rng, n, riding)
    bars = _limbs(joints, looks)
    tall, limbs = looks.tall, len(bars)

    def place(points: list[Floats]) -> Floats:
        local = np.stack(points, 1) * tall[:, None, None]
        return np.asarray(turned(local, yaws) + positions[:, None]).reshape(-1, 3)

    scale = np.repeat(tall, limbs)
    material = np.tile([bar.material for bar in bars], n)
    solid = tubes(
        place([bar.start for bar in bars]),
        place([bar.end for bar in bars]),
        np.stack([bar.radius_start for bar in bars], 1).reshape(-1) * scale,
        np.stack([bar.radius_end for bar in bars], 1).reshape(-1) * scale,
        sides=5,
        flatten=np.tile([bar.flatten for bar in bars], n),
        across=np.repeat(turned(np.broadcast_to(np.array([1.0, 0.0, 0.0]), (n, 1, 3)), yaws)[:, 0], limbs, axis=0),
    )
    each = len(solid.triangles) // (n * limbs)
    parameters = np.zeros((n * limbs, 4))
    parameters[:, :2] = np.repeat(looks.pattern, limbs, axis=0)
    parameters[material != CLOTH, 0] = 3.0
    colour = np.stack([bar.colour for bar in bars], 1).reshape(-1, 3)
    who = np.repeat(np.repeat(instances, limbs), each)
    mesh.add(
        solid,
        np.repeat(material, each),
        semantic,
        np.repeat(colour, each, axis=0),
        np.repeat(parameters, each, axis=0),
        who,
    )
