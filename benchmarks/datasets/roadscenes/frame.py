"""Rendering a scene at a size: samples, light, film, labels.

Scene --project, fill--> samples (2H,2W) --shade--> radiance --develop--> image
                                        \\--majority of 4--> semantic, instances --> boxes
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes import light as slot
from benchmarks.datasets.roadscenes.camera import develop
from benchmarks.datasets.roadscenes.labels import Objects, measure, vote
from benchmarks.datasets.roadscenes.mesh import Floats
from benchmarks.datasets.roadscenes.raster import fill, project
from benchmarks.datasets.roadscenes.scene import Scene, draw_scene
from benchmarks.datasets.roadscenes.shading import shade

SHADOW_WIDTH_M, SHADOW_LENGTH_M, SHADOW_TEXELS_PER_M = 56.0, 76.0, 6.5
CONTACT_CELL_M, CONTACT_X0, CONTACT_Z0, CONTACT_SHAPE = 0.25, -30.0, -4.0, (400, 240)


@dataclass(frozen=True)
class Frame:
    """One rendered image with its exact labels.

    image: uint8 (H,W,3). semantic: uint8 (H,W), index into the eleven classes, 255 void. instances: int32 (H,W), 0 for none, else
    the object's number i + 1 where i is its row in the arrays of ``objects``.
    """

    image: npt.NDArray[np.uint8]
    semantic: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32]
    objects: Objects

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float32]:
        """float32 (N,4): left, top, right, bottom of the visible pixels."""
        return self.objects.boxes_xyxy

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """int64 (N,): 0 car, 1 bus, 2 pedestrian, 3 bicyclist, 4 sign."""
        return self.objects.classes

    @property
    def iscrowd(self) -> npt.NDArray[np.bool_]:
        """bool (N,): True where the object is too small or too hidden to be asked for."""
        return self.objects.iscrowd


def render(seed: int, index: int, size: tuple[int, int] = (384, 256)) -> Frame:
    """Render scene ``index`` of ``seed`` at size (width, height)."""
    width, height = size
    scene = draw_scene(seed, index)
    light = scene.light
    shadow = _shadow_map(scene)
    winner, best, amodal = _samples(scene, width, height)
    radiance = np.empty((*winner.shape, 3), np.float32)
    camera, mesh = scene.camera, scene.mesh
    shade(
        winner,
        best,
        mesh.triangles,
        mesh.uv,
        mesh.normals,
        mesh.colours,
        mesh.parameters,
        mesh.material,
        camera.rotation(),
        np.array(camera.position),
        camera.focal * 2 * width,
        float(width),
        float(height),
        light,
        shadow,
        _contact(scene),
        CONTACT_CELL_M,
        CONTACT_X0,
        CONTACT_Z0,
        radiance,
    )
    image = develop(radiance, winner >= 0, scene.film, int(light[slot.SEED]))
    semantic = np.empty((height, width), np.uint8)
    instances = np.empty((height, width), np.int32)
    vote(winner, mesh.semantic, mesh.instance, semantic, instances)
    return Frame(image, semantic, *measure(instances, np.array(scene.objects, np.int64), amodal))


def _samples(scene: Scene, width: int, height: int):  # type: ignore[no-untyped-def]
    """Nearest triangle (2H,2W), its nearness, and each instance's samples as if nothing hid it."""
    mesh, camera = scene.mesh, scene.camera
    n = len(mesh.triangles)
    screen, parent = np.empty((2 * n, 3, 3)), np.empty(2 * n, np.int32)
    count = project(
        mesh.triangles, camera.rotation(), np.array(camera.position), camera.focal * 2 * width, float(width), float(height), screen, parent
    )
    order = np.argsort(mesh.instance[parent[:count]], kind="stable")
    best = np.zeros((2 * height, 2 * width), np.float32)
    winner = np.full((2 * height, 2 * width), -1, np.int32)
    stamp = np.zeros((2 * height, 2 * width), np.uint16)
    amodal = np.zeros(len(scene.objects) + 1, np.int64)
    fill(screen, parent, order, count, mesh.uv, mesh.material, mesh.parameters, mesh.instance, True, best, winner, stamp, amodal)
    return winner, best, amodal


def _shadow_map(scene: Scene) -> Floats:
    """Greatest height of anything on each sun ray, the rays told apart by where they meet the ground. Also sets the map's slots."""
    light, mesh = scene.light, scene.mesh
    sun = light[slot.SUN : slot.SUN + 3]
    x0, z0 = scene.camera.position[0] - SHADOW_WIDTH_M / 2, -6.0
    light[slot.SHADOW_X], light[slot.SHADOW_Z], light[slot.SHADOW_SCALE] = x0, z0, SHADOW_TEXELS_PER_M
    t = mesh.triangles
    screen = np.empty_like(t)
    screen[..., 0] = (t[..., 0] - t[..., 1] * (sun[0] / sun[1]) - x0) * SHADOW_TEXELS_PER_M
    screen[..., 1] = (t[..., 2] - t[..., 1] * (sun[2] / sun[1]) - z0) * SHADOW_TEXELS_PER_M
    screen[..., 2] = t[..., 1]
    rows, columns = int(SHADOW_LENGTH_M * SHADOW_TEXELS_PER_M), int(SHADOW_WIDTH_M * SHADOW_TEXELS_PER_M)
    heights = np.full((rows, columns), 0.3, np.float32)
    nothing, none = np.zeros((1, 1), np.uint16), np.zeros(1, np.int64)
    winner = np.empty((rows, columns), np.int32)
    # What lies flat on the ground throws no shadow.
    order = np.flatnonzero((t[..., 1].max(axis=1) > 0.3) & (t[..., 2].min(axis=1) < 80.0))
    fill(
        screen,
        np.arange(len(t), dtype=np.int32),
        order,
        len(order),
        mesh.uv,
        mesh.material,
        mesh.parameters,
        mesh.instance,
        False,
        heights,
        winner,
        nothing,
        none,
    )
    return heights


def _contact(scene: Scene) -> Floats:
    """How much of the sky vehicles and people take from the ground around them, on a grid of 25 cm cells."""
    grid = np.zeros(CONTACT_SHAPE)
    for number, (x, z, half_width, half_length, yaw) in enumerate(scene.footprints.rows):
        if number == 0:
            continue  # the camera's own car is not in the picture
        x = x + scene.light[slot.BEND] * max(z, 0.0) ** 2
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
