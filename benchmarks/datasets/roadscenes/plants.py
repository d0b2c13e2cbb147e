"""Trees: a few templates of branching tubes with cards of leaves or twigs, placed at various sizes and angles."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from benchmarks.datasets.roadscenes.materials import BARK, LEAF, S_TREE, TWIG
from benchmarks.datasets.roadscenes.mesh import Floats, Mesh, Solid, placed, quads, tubes

TEMPLATES = 10


class Tree(NamedTuple):
    """A template. wood: trunk and branches. cards: leaf or twig cards. tone, seed (T,): of each card triangle."""

    wood: Solid
    cards: Solid
    tone: Floats
    seed: Floats


@lru_cache(maxsize=2 * TEMPLATES)
def grown(template: int, far: bool) -> Tree:
    """Template tree 0 to 9, about 9 m tall; even ones are bare (winter), odd ones leafy. far: fewer, larger pieces."""
    rng = np.random.Generator(np.random.PCG64(7000 + template))
    trunk = rng.uniform(2.0, 3.4)
    starts, ends = [np.zeros((1, 3))], [np.array([[rng.uniform(-0.2, 0.2), trunk, rng.uniform(-0.2, 0.2)]])]
    thick, thin = [np.array([0.19])], [np.array([0.14])]
    tips, heading, radius = ends[0], np.array([[0.0, 1.0, 0.0]]), np.array([0.14])
    for level, (children, length, spread) in enumerate(
        ((5, 2.3, 0.75), (3, 1.7, 0.70), (3, 1.2, 0.80), *(() if template % 2 or far else ((3, 0.95, 0.9),)))
    ):
        n = len(tips) * children
        push = rng.uniform(-1.0, 1.0, (n, 3)) * spread
        push[:, 1] = np.abs(push[:, 1]) * 0.6
        direction = np.repeat(heading, children, axis=0) + push
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        start = np.repeat(tips, children, axis=0)
        if level > 0:
            start = start - np.repeat(heading, children, axis=0) * rng.uniform(0.0, 0.9, (n, 1))
        end = start + direction * (length * rng.uniform(0.7, 1.25, (n, 1)))
        base = np.repeat(radius, children) * 0.62
        starts.append(start)
        ends.append(end)
        thick.append(base)
        thin.append(base * 0.6)
        tips, heading, radius = end, direction, base * 0.7
    wood = tubes(
        np.concatenate(starts),
        np.concatenate(ends),
        np.concatenate(thick),
        np.concatenate(thin),
        sides=3,
        round_ends=False,
    )
    return Tree(
        wood, *_cards(rng, np.concatenate(starts[-2:]), np.concatenate(ends[-2:]), leafy=template % 2 == 1, far=far)
    )


def _cards(
    rng: np.random.Generator, starts: Floats, ends: Floats, *, leafy: bool, far: bool
) -> tuple[Solid, Floats, Floats]:
    """Randomly turned square cards along the outer branches."""
    each = (3 if far else 5) if leafy else 2
    n = len(starts) * each
    along = rng.uniform(0.25, 1.15, (n, 1))
    centre = np.repeat(starts, each, 0) * (1 - along) + np.repeat(ends, each, 0) * along
    centre = centre + rng.uniform(-0.35, 0.35, (n, 3)) * (1.3 if leafy else 0.8)
    a = rng.uniform(-1, 1, (n, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, rng.uniform(-1, 1, (n, 3)))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    size = rng.uniform(0.45, 0.8, (n, 1)) if leafy else rng.uniform(0.5, 0.95, (n, 1))
    size = size * (1.35 if far else 1.0)
    a, b = a * size, b * size
    corners = np.stack([centre - a - b, centre + a - b, centre + a + b, centre - a + b], 1)
    uv = np.broadcast_to(np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]), (n, 4, 2))
    # Leaves deep in the crown and low down get less sky.
    middle = centre.mean(axis=0)
    reach = np.linalg.norm((centre - middle) / np.ptp(centre, axis=0), axis=1)
    tone = np.clip(0.35 + 1.1 * reach + 0.06 * (centre[:, 1] - middle[1]), 0.3, 1.15) * rng.uniform(0.75, 1.25, n)
    solid = quads(corners, uv)
    # Normals point out of the crown, so that it is lit as a whole and not as confetti.
    outward = (solid.triangles - middle) / 3.0 + np.array([0.0, 0.4, 0.0])
    return solid._replace(normals=outward), np.repeat(tone, 2), np.repeat(rng.uniform(0, 60, n), 2)


def add_tree(
    mesh: Mesh, rng: np.random.Generator, position: Floats, height_m: float, *, leafy: bool, tint: Floats
) -> None:
    """Plant a tree. tint: linear leaf colour (3,)."""
    template = 2 * int(rng.integers(TEMPLATES // 2)) + int(leafy)
    tree = grown(template, bool(position[2] > 38.0))
    scale = height_m / 8.5 * np.array([rng.uniform(0.85, 1.2), 1.0, rng.uniform(0.85, 1.2)])
    yaw = float(rng.uniform(0, 2 * np.pi))
    bark = np.array([0.085, 0.072, 0.060]) * rng.uniform(0.5, 1.5)
    mesh.add(placed(tree.wood, position, yaw, scale), BARK, S_TREE, bark)
    n = len(tree.tone)
    parameters = np.zeros((n, 4))
    parameters[:, 0] = tree.seed
    parameters[:, 1] = rng.uniform(0.0, 0.12) if leafy else rng.uniform(0.28, 0.6)
    colour = tree.tone[:, None] * (tint if leafy else bark * 0.75)
    mesh.add(placed(tree.cards, position, yaw, scale), LEAF if leafy else TWIG, S_TREE, colour, parameters)
