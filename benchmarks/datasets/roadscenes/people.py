"""Pedestrians and riders: a posed skeleton of tapered tubes with clothes, many people built at once.

Joints follow a walking cycle (hips, knees, shoulders, elbows swing with the phase) or a rider's pose. Local axes: x right, y up,
z ahead; heights are for a person of 1.75 m and scaled.
"""

from __future__ import annotations

import numpy as np

from benchmarks.datasets.roadscenes.materials import CLOTH, HAIR, PLAIN, SKIN
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh, tubes, turned

TROUSERS = ((0.02, 0.022, 0.03), (0.03, 0.045, 0.09), (0.015, 0.015, 0.016), (0.09, 0.085, 0.075), (0.22, 0.19, 0.14), (0.05, 0.04, 0.03))
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
HAIRS = ((0.02, 0.015, 0.012), (0.06, 0.035, 0.02), (0.22, 0.14, 0.06), (0.25, 0.24, 0.23), (0.015, 0.014, 0.014), (0.11, 0.04, 0.02))


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
        joints.update({f"{name}hip": hip, f"{name}knee": knee, f"{name}ankle": ankle, f"{name}shoulder": shoulder, f"{name}elbow": elbow})
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
            {f"{name}hip": hip, f"{name}knee": knee, f"{name}ankle": ankle, f"{name}shoulder": shoulder, f"{name}elbow": elbow, f"{name}hand": hand}
        )
        joints[f"{name}toe"] = pedal + np.array([0.0, 0.02, 0.13])
    return joints


def _at(x, y, z) -> Floats:  # type: ignore[no-untyped-def]
    return np.stack(np.broadcast_arrays(x, y, z), 1).astype(np.float64)


def add_people(
    mesh: Mesh, rng: np.random.Generator, positions: Floats, yaws: Floats, semantic: int, instances: Floats, *, riding: bool = False
) -> None:
    """Add N people at positions (N,3) facing yaws (N,), instance numbers (N,); their looks come from ``rng``."""
    n = len(positions)
    if n == 0:
        return
    phase = rng.uniform(0, 2 * np.pi, n)
    joints = (
        _ride(n, phase, rng.uniform(0, 1, n)) if riding else _walk(n, phase, np.where(rng.uniform(size=n) < 0.25, 0.08, rng.uniform(0.55, 1.0, n)))
    )
    tall, wide = rng.uniform(0.92, 1.08, n), rng.uniform(0.90, 1.15, n)
    child = (rng.uniform(size=n) < 0.08) & (not riding)
    tall = np.where(child, tall * 0.72, tall)
    leg, top = np.array(TROUSERS)[rng.integers(len(TROUSERS), size=n)], np.array(TOPS)[rng.integers(len(TOPS), size=n)]
    top, leg = top * rng.uniform(0.6, 1.4, (n, 1)), leg * rng.uniform(0.7, 1.5, (n, 1))
    skin, hair = np.array(SKINS)[rng.integers(len(SKINS), size=n)], np.array(HAIRS)[rng.integers(len(HAIRS), size=n)]
    coat = rng.uniform(size=n) < (0.1 if riding else 0.4)
    bare = rng.uniform(size=n) < 0.2
    sleeve = np.where(bare[:, None], skin, top)
    pattern = np.stack([rng.choice([0, 0, 0, 1, 2, 3], n).astype(np.float64), rng.integers(1, 999, n).astype(np.float64)], 1)
    j = joints
    up = np.array([0.0, 1.0, 0.0])
    r = lambda v: np.full(n, v) * wide  # noqa: E731
    shoe = np.tile([0.02, 0.018, 0.017], (n, 1)) * rng.uniform(0.5, 9, (n, 1))
    helmet = rng.uniform(size=n) < 0.55
    crown = np.where(helmet[:, None], np.array(TOPS)[rng.integers(len(TOPS), size=n)] * 1.3, hair) if riding else hair
    hem = j["hip"] + np.where(coat[:, None], -0.34, -0.06) * up
    bag = rng.uniform(size=n) < 0.45
    bag_size = np.where(bag, 0.13, 0.004)
    bag_at = j["chest"] + np.array([0.0, -0.12, -0.17]) if rng.uniform() < 0.5 or riding else j["rhand"] + np.array([0.03, -0.16, 0.0])
    bars = [
        # start, end, radius at start, radius at end, depth / width, material, colour
        (hem, j["chest"], np.where(coat, 0.20, 0.165) * wide, r(0.185), 0.62, CLOTH, top),
        (j["chest"], j["neck"] - 0.03 * up, r(0.185), r(0.085), 0.62, CLOTH, top),
        (j["neck"] - 0.04 * up, j["head"], r(0.055), r(0.055), 1.0, SKIN, skin),
        (j["head"] - 0.055 * up, j["head"] + 0.05 * up, r(0.075), r(0.088), 1.18, SKIN, skin),
        (j["head"] + np.array([0.0, 0.035, -0.022]), j["head"] + np.array([0.0, 0.085, -0.012]), r(0.097), r(0.085), 1.15, HAIR, crown),
        (bag_at - 0.12 * up, bag_at + 0.14 * up, bag_size, bag_size, 0.6, PLAIN, np.array(TOPS)[rng.integers(len(TOPS), size=n)]),
    ]
    for s in ("l", "r"):
        bars += [
            (j[s + "hip"], j[s + "knee"], r(0.092), r(0.066), 1.0, CLOTH, leg),
            (j[s + "knee"], j[s + "ankle"], r(0.064), r(0.050), 1.0, CLOTH, leg),
            (j[s + "ankle"] - 0.03 * up, j[s + "toe"], r(0.048), r(0.042), 0.8, PLAIN, shoe),
            (j[s + "shoulder"], j[s + "elbow"], r(0.062), r(0.050), 1.0, CLOTH, top),
            (j[s + "elbow"], j[s + "hand"], r(0.047), r(0.038), 1.0, CLOTH, sleeve),
            (j[s + "hand"], j[s + "hand"] + np.array([0.0, -0.08, 0.02]), r(0.036), r(0.034), 0.6, SKIN, skin),
        ]
    _build(mesh, bars, pattern, tall, positions, yaws, semantic, instances)


def _build(mesh: Mesh, bars, pattern: Floats, tall: Floats, positions: Floats, yaws: Floats, semantic: int, instances: Floats) -> None:  # type: ignore[no-untyped-def]
    """Turn rows of bars (one row a limb, all people in it) into triangles, person after person."""
    n, limbs = len(positions), len(bars)
    start, end = (np.stack([bar[k] for bar in bars], 1) for k in (0, 1))
    radius = [np.stack([bar[k] for bar in bars], 1) for k in (2, 3)]
    flat = np.tile([bar[4] for bar in bars], n)
    material = np.tile([bar[5] for bar in bars], n)
    colour = np.stack([bar[6] for bar in bars], 1).reshape(-1, 3)
    scale = np.repeat(tall, limbs)
    place = lambda p: turned(p * tall[:, None, None], yaws) + positions[:, None]  # noqa: E731
    across = np.repeat(turned(np.broadcast_to(np.array([1.0, 0.0, 0.0]), (n, 1, 3)), yaws)[:, 0], limbs, axis=0)
    a, b = place(start).reshape(-1, 3), place(end).reshape(-1, 3)
    solid = tubes(a, b, radius[0].reshape(-1) * scale, radius[1].reshape(-1) * scale, sides=5, flatten=flat, across=across)
    each = len(solid.triangles) // (n * limbs)
    parameters = np.zeros((n * limbs, 4))
    parameters[:, :2] = np.repeat(pattern, limbs, axis=0)
    parameters[material != CLOTH, 0] = 3.0
    mesh.add(
        solid,
        np.repeat(material, each),
        semantic,
        np.repeat(colour, each, axis=0),
        np.repeat(parameters, each, axis=0),
        np.repeat(np.repeat(instances, limbs), each),
    )
