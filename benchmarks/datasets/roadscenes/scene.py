"""A scene: everything drawn from (seed, index) before an image size is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.datasets.roadscenes import light as slot
from benchmarks.datasets.roadscenes.camera import Camera, Film
from benchmarks.datasets.roadscenes.mesh import Arrays, Floats, Mesh
from benchmarks.datasets.roadscenes.street import Plan, add_ground, add_kerbside, add_sides, draw_plan, write_plan
from benchmarks.datasets.roadscenes.traffic import Footprints, add_traffic
from benchmarks.datasets.roadscenes.weather import draw_film, draw_light


@dataclass(frozen=True)
class Scene:
    """A drawn scene.

    mesh: all triangles, bent to the street's course. objects: the class of instance i + 1 at i. light: the vector that
    the module ``light`` describes. weather: its name.
    """

    mesh: Arrays
    objects: tuple[int, ...]
    light: Floats
    camera: Camera
    film: Film
    footprints: Footprints
    weather: str

    @property
    def conditions(self) -> dict[str, float]:
        """Numbers that hold for the whole picture. dusk: 1 or 0. haze: fog per metre. exposure: see ``Film``."""
        return {
            "dusk": float(self.light[slot.DUSK]),
            "haze": float(self.light[slot.FOG]),
            "exposure": self.film.exposure,
        }


_LIT = (
    *range(slot.SUN_COLOUR, slot.CLOUD_COLOUR + 3),
    slot.FOG,
    slot.CLOUDS,
    slot.WET,
    slot.SOFT,
    slot.SUN_ON,
    slot.DUSK,
    slot.LAMPS,
)


def relit(scene: Scene, other: Scene) -> Scene:
    """A scene in the light of another: its sky, sun colour, haze, wet ground and film; the sun keeps its position."""
    light, film = scene.light.copy(), other.film
    light[list(_LIT)] = other.light[list(_LIT)]
    own = replace(
        scene.film,
        exposure=film.exposure,
        vignette=film.vignette,
        contrast=film.contrast,
        saturation=film.saturation,
        tint=film.tint,
    )
    return replace(scene, light=light, film=own, weather=other.weather)


def draw_scene(seed: int, index: int) -> Scene:
    """The scene of (seed, index): the same on every machine and at every size."""
    rng = np.random.Generator(np.random.PCG64([seed, index, 0x5EED]))
    light, weather = draw_light(rng)
    film = draw_film(rng, weather)
    plan = draw_plan(rng)
    write_plan(plan, light, rng)
    camera = _draw_camera(rng, plan)
    mesh = Mesh()
    add_ground(mesh, plan)
    add_sides(mesh, plan, rng)
    add_kerbside(mesh, plan, rng, float(light[slot.LAMPS]))
    taken = add_traffic(mesh, plan, rng, (camera.position[0], 0.0), light[slot.LAMPS] > 0 or rng.uniform() < 0.12)
    arrays = mesh.arrays()
    _bend(arrays.triangles, light)
    return Scene(arrays, tuple(mesh.objects), light, camera, film, taken, weather)


def _draw_camera(rng: np.random.Generator, plan: Plan) -> Camera:
    own = -1.0 if plan.left_hand else 1.0
    drive = plan.half - plan.parking
    height = float(rng.uniform(1.15, 1.75)) if rng.uniform() < 0.8 else float(rng.uniform(1.75, 2.8))
    return Camera(
        position=(own * drive * 0.5 + float(rng.uniform(-0.5, 0.5)), height, 0.0),
        yaw=float(rng.uniform(-0.10, 0.10)) if rng.uniform() < 0.85 else float(rng.uniform(-0.3, 0.3)),
        pitch=float(rng.uniform(-0.10, 0.035)),
        roll=float(rng.uniform(-0.015, 0.015)),
        focal=float(rng.uniform(0.95, 1.45)),
    )


def _bend(triangles: Floats, light: Floats) -> None:
    """Give the street its curve and its hill, in place: both grow with the square of the distance."""
    z2 = np.square(np.maximum(triangles[..., 2], 0.0))
    triangles[..., 0] += light[slot.BEND] * z2
    triangles[..., 1] += light[slot.SLOPE] * z2
