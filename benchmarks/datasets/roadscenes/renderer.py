"""Rendering a scene at a size: samples, light, film, labels.

Scene --project, fill--> samples (2H,2W) --shade--> radiance --develop--> image
                                        \\--majority of 4--> semantic, instances --> boxes
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes import light as slot
from benchmarks.datasets.roadscenes.camera import View, develop
from benchmarks.datasets.roadscenes.frame import Frame
from benchmarks.datasets.roadscenes.labels import measure, vote
from benchmarks.datasets.roadscenes.mesh import Floats
from benchmarks.datasets.roadscenes.raster import fill, project
from benchmarks.datasets.roadscenes.scene import Scene, draw_scene, relit
from benchmarks.datasets.roadscenes.shading import CONTACT_CELL_M, CONTACT_X0, CONTACT_Z0, shade

SHADOW_WIDTH_M, SHADOW_LENGTH_M, SHADOW_TEXELS_PER_M = 56.0, 76.0, 6.5
CONTACT_SHAPE = (400, 240)


class Samples(NamedTuple):
    """The rasterised samples of a scene.

    winner: int32 (2H,2W), the nearest triangle, -1 for sky. best: float32 (2H,2W), its nearness. amodal: int64, samples
    of each instance, counted as if nothing hid it.
    """

    winner: npt.NDArray[np.int32]
    best: npt.NDArray[np.float32]
    amodal: npt.NDArray[np.int64]


def render(seed: int, index: int, size: tuple[int, int] = (384, 256), *, light_of: int | None = None) -> Frame:
    """Render scene ``index`` of ``seed`` at size (width, height).

    light_of: the index of the scene whose light is used (see ``scene.relit``), None for its own light.
    """
    width, height = size
    scene = draw_scene(seed, index)
    if light_of is not None:
        scene = relit(scene, draw_scene(seed, light_of))
    shadow = _shadow_map(scene)
    view = scene.camera.view(width, height)
    samples = _samples(scene, view, width, height)
    radiance = np.empty((*samples.winner.shape, 3), np.float32)
    shade(samples.winner, samples.best, scene.mesh, view, scene.light, shadow, _contact(scene), radiance)
    image = develop(radiance, samples.winner >= 0, scene.film, int(scene.light[slot.SEED]))
    semantic = np.empty((height, width), np.uint8)
    instances = np.empty((height, width), np.int32)
    vote(samples.winner, scene.mesh.semantic, scene.mesh.instance, semantic, instances)
    return Frame(image, semantic, *measure(instances, np.array(scene.objects, np.int64), samples.amodal))


def _samples(scene: Scene, view: View, width: int, height: int) -> Samples:
    mesh = scene.mesh
    n = len(mesh.triangles)
    screen, parent = np.empty((2 * n, 3, 3)), np.empty(2 * n, np.int32)
    count = project(mesh.triangles, view, screen, parent)
    order = np.argsort(mesh.instance[parent[:count]], kind="stable")
    best = np.zeros((2 * height, 2 * width), np.float32)
    winner = np.full((2 * height, 2 * width), -1, np.int32)
    stamp = np.zeros((2 * height, 2 * width), np.uint16)
    amodal = np.zeros(len(scene.objects) + 1, np.int64)
    fill(screen, parent, order, mesh, True, best, winner, stamp, amodal)
    return Samples(winner, best, amodal)


def _shadow_map(scene: Scene) -> npt.NDArray[np.float32]:
    """The maximum height of any surface on each sun ray, indexed by the point where the ray meets the ground.

    Also sets the map's slots in the light vector.
    """
    light, mesh = scene.light, scene.mesh
    sun = light[slot.SUN : slot.SUN + 3]
    x0, z0 = scene.camera.position[0] - SHADOW_WIDTH_M / 2, -6.0
    light[slot.SHADOW_X], light[slot.SHADOW_Z], light[slot.SHADOW_SCALE] = x0, z0, SHADOW_TEXELS_PER_M
    t = mesh.triangles
    screen = np.empty_like(t)
    screen[..., 0] = (t[..., 0] - t[..., 1] * (sun[0] / sun[1]) - x0) * SHADOW_TEXELS_PER_M
    screen[..., 1] = (t[..., 2] - t[..., 1] * (sun[2] / sun[1]) - z0) * SHADOW_TEXELS_PER_M
    screen[..., 2] = t[..., 1]
    shape = int(SHADOW_LENGTH_M * SHADOW_TEXELS_PER_M), int(SHADOW_WIDTH_M * SHADOW_TEXELS_PER_M)
    heights = np.full(shape, 0.3, np.float32)
    # Surfaces that lie flat on the ground cast no shadow.
    order = np.flatnonzero((t[..., 1].max(axis=1) > 0.3) & (t[..., 2].min(axis=1) < 80.0))
    parent = np.arange(len(t), dtype=np.int32)
    fill(
        screen,
        parent,
        order,
        mesh,
        False,
        heights,
        np.empty(shape, np.int32),
        np.zeros((1, 1), np.uint16),
        np.zeros(1, np.int64),
    )
    return heights


def _contact(scene: Scene) -> Floats:
    """The share of the sky that vehicles and people hide from the ground around them, on a grid of 25 cm cells."""
    grid = np.zeros(CONTACT_SHAPE)
    # The first footprint is the camera's own car, which is not in the picture.
    for straight_x, z, half_width, half_length, yaw in scene.footprints.rows[1:]:
        x = straight_x + scene.light[slot.BEND] * max(z, 0.0) ** 2
        reach = half_length + 1.0
        j0, j1 = int((x - reach - CONTACT_X0) / CONTACT_CELL_M), int((x + reach - CONTACT_X0) / CONTACT_CELL_M) + 1
        i0, i1 = int((z - reach - CONTACT_Z0) / CONTACT_CELL_M), int((z + reach - CONTACT_Z0) / CONTACT_CELL_M) + 1
        i0, j0, i1, j1 = max(i0, 0), max(j0, 0), min(i1, CONTACT_SHAPE[0]), min(j1, CONTACT_SHAPE[1])
        if i0 >= i1 or j0 >= j1:
            continue
        dx = (CONTACT_X0 + CONTACT_CELL_M * (np.arange(j0, j1) + 0.5) - x)[None, :]
        dz = (CONTACT_Z0 + CONTACT_CELL_M * (np.arange(i0, i1) + 0.5) - z)[:, None]
        s, c = np.sin(yaw), np.cos(yaw)
        outside = np.maximum(np.abs(dx * s + dz * c) - half_length, np.abs(dx * c - dz * s) - half_width)
        blur = 0.55 if half_width > 0.4 else 0.3
        dark = np.clip(0.5 - outside / blur, 0.0, 1.0) * (0.93 if half_width > 0.4 else 0.6)
        view = grid[i0:i1, j0:j1]
        np.maximum(view, dark, out=view)
    return grid
