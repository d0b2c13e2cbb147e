"""The mesh of a scene with everything that shading needs, and the solids that it is built from, many at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GREY = (0.5, 0.5, 0.5)
NO_PARAMETERS = (0.0, 0.0, 0.0, 0.0)


class Solid(NamedTuple):
    """Triangles without material: triangles (T,3,3) in metres, uv (T,3,2), normals (T,3,3), zero for flat ones."""

    triangles: Floats
    uv: Floats
    normals: Floats


class Arrays(NamedTuple):
    """A finished mesh: Solid's arrays, colours (T,3) linear, parameters (T,4), material, semantic and instance (T,).

    Floats are float32 except for the triangles, which are float64.
    """

    triangles: Floats
    uv: Floats
    normals: Floats
    colours: Floats
    parameters: Floats
    material: npt.NDArray[np.int32]
    semantic: npt.NDArray[np.uint8]
    instance: npt.NDArray[np.int32]


@dataclass
class Mesh:
    """A growing mesh.

    chunks: solids with their looks. bars, pending, sheets: bars, boxes and quads that are built together in the end.
    objects: the class of instances 1, 2, ... in order.
    """

    chunks: list[tuple[Any, ...]] = field(default_factory=list)
    bars: list[tuple[Any, ...]] = field(default_factory=list)
    pending: list[tuple[Any, ...]] = field(default_factory=list)
    sheets: list[tuple[Any, ...]] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)

    def new_instance(self, kind: int) -> int:
        """Open an instance of object class ``kind`` and return its number, from 1."""
        self.objects.append(kind)
        return len(self.objects)

    def add(
        self,
        solid: Solid,
        material: npt.ArrayLike,
        semantic: npt.ArrayLike,
        colour: npt.ArrayLike = GREY,
        parameters: npt.ArrayLike = NO_PARAMETERS,
        instance: npt.ArrayLike = 0,
    ) -> None:
        """Append triangles; material, semantic, colour, parameters, instance are one for all or one a triangle."""
        if len(solid.triangles):
            self.chunks.append((*solid, colour, parameters, material, semantic, instance))

    def add_box(
        self,
        centre: npt.ArrayLike,
        half: npt.ArrayLike,
        material: int,
        semantic: int,
        colour: npt.ArrayLike = GREY,
        parameters: npt.ArrayLike = NO_PARAMETERS,
    ) -> None:
        """Append one upright box, not turned; all of them are built together in the end."""
        self.pending.append((centre, half, colour, parameters, material, semantic))

    def add_quad(
        self,
        corners: npt.ArrayLike,
        uv: npt.ArrayLike,
        material: int,
        semantic: int,
        colour: npt.ArrayLike = GREY,
        parameters: npt.ArrayLike = NO_PARAMETERS,
    ) -> None:
        """Append one flat quad: four corners (x, y, z) and four (u, v); all of them are built together in the end."""
        self.sheets.append((corners, uv, colour, parameters, material, semantic))

    def add_bar(
        self,
        start: npt.ArrayLike,
        end: npt.ArrayLike,
        radius_m: float,
        material: int,
        semantic: int,
        colour: npt.ArrayLike = GREY,
    ) -> None:
        """Append one round bar, a little thinner at its end; all of them are built together in the end."""
        self.bars.append((start, end, radius_m, colour, material, semantic))

    def arrays(self) -> Arrays:
        """Everything added so far, joined."""
        if self.bars:
            start, end, radius, *bar_looks = zip(*self.bars, strict=True)
            self.bars = []
            thick = np.array(radius)
            solid = tubes(np.array(start), np.array(end), thick, thick * 0.85, sides=6, round_ends=False)
            colour, material, semantic = (np.repeat(np.array(look), 12, axis=0) for look in bar_looks)
            self.add(solid, material, semantic, colour)
        if self.sheets:
            corners, uv, *looks = zip(*self.sheets, strict=True)
            self.sheets = []
            colour, parameters, material, semantic = (np.repeat(np.array(look), 2, axis=0) for look in looks)
            self.add(quads(np.array(corners), np.array(uv)), material, semantic, colour, parameters)
        if self.pending:
            centre, half, *looks = zip(*self.pending, strict=True)
            self.pending = []
            colour, parameters, material, semantic = (np.repeat(np.array(look), 12, axis=0) for look in looks)
            self.add(boxes(np.array(centre), np.array(half)), material, semantic, colour, parameters)
        total = sum(len(chunk[0]) for chunk in self.chunks)
        single = np.float32
        out = Arrays(
            np.empty((total, 3, 3)),
            np.empty((total, 3, 2), single),
            np.empty((total, 3, 3), single),
            np.empty((total, 3), single),
            np.empty((total, 4), single),
            np.empty(total, np.int32),
            np.empty(total, np.uint8),
            np.empty(total, np.int32),
        )
        first = 0
        for chunk in self.chunks:
            last = first + len(chunk[0])
            for k, source in enumerate(chunk):
                out[k][first:last] = source
            first = last
        return out


def quads(corners: Floats, uv: Floats | None = None) -> Solid:
    """Solid of (N,4,3) corners, two triangles each, flat; uv (N,4,2), by default the unit square."""
    corners = np.asarray(corners, np.float64)
    n = len(corners)
    if uv is None:
        uv = np.broadcast_to(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), (n, 4, 2))
    pick = np.array([[0, 1, 2], [0, 2, 3]])
    triangles = corners[:, pick].reshape(2 * n, 3, 3)
    return Solid(triangles, np.asarray(uv, np.float64)[:, pick].reshape(2 * n, 3, 2), np.zeros((2 * n, 3, 3)))


_BOX = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
_FACES = np.array([[0, 1, 3, 2], [5, 4, 6, 7], [2, 3, 7, 6], [4, 0, 2, 6], [1, 5, 7, 3], [0, 4, 5, 1]])


def boxes(centres: Floats, halves: Floats, yaw: Floats | float = 0.0) -> Solid:
    """Solid of N boxes, 12 triangles each: centres (N,3), half sizes (N,3), yaw (N,) turning about the vertical."""
    centres, halves = np.atleast_2d(np.asarray(centres, np.float64)), np.atleast_2d(np.asarray(halves, np.float64))
    local = _BOX[None] * halves[:, None]
    local = turned(local, np.broadcast_to(np.asarray(yaw, np.float64), (len(centres),))) + centres[:, None]
    faces = local[:, _FACES].reshape(-1, 4, 3)
    size = np.linalg.norm(faces[:, 1] - faces[:, 0], axis=1), np.linalg.norm(faces[:, 3] - faces[:, 0], axis=1)
    zero = np.zeros(len(faces))
    uv = np.stack(
        [np.stack([zero, zero], 1), np.stack([size[0], zero], 1), np.stack(size, 1), np.stack([zero, size[1]], 1)], 1
    )
    return quads(faces, uv)


def turned(points: Floats, yaw: Floats) -> Floats:
    """Points (N,...,3) turned about the vertical by yaw (N,): yaw 0 looks along +z, positive yaw towards +x."""
    shape = (len(yaw),) + (1,) * (points.ndim - 2)
    c, s = np.cos(yaw).reshape(shape), np.sin(yaw).reshape(shape)
    return np.stack(
        [c * points[..., 0] + s * points[..., 2], points[..., 1], c * points[..., 2] - s * points[..., 0]], -1
    )


def tubes(
    start: Floats,
    end: Floats,
    radius_start: Floats,
    radius_end: Floats,
    *,
    sides: int = 6,
    round_ends: bool = True,
    flatten: Floats | None = None,
    across: Floats | None = None,
) -> Solid:
    """Solid of N tapered round bars from start (N,3) to end (N,3) with smooth normals.

    flatten (N,): depth of the cross-section relative to its width; across (N,3): the wide direction.
    Triangles: 2 * sides * (3 if round_ends else 1) each.
    """
    axis = end - start
    length = np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-6)
    axis = axis / length
    if across is None:
        reference = np.where(np.abs(axis[:, 1:2]) > 0.9, np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]))
        side = _cross(axis, reference)
    else:
        side = across - axis * np.sum(across * axis, axis=1, keepdims=True)
    side = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    deep = _cross(axis, side)
    depth = np.ones(len(start)) if flatten is None else flatten
    angle = np.arange(sides) * (2.0 * np.pi / sides)
    ring = side[:, None] * np.cos(angle)[None, :, None] + deep[:, None] * (
        np.sin(angle)[None, :, None] * depth[:, None, None]
    )
    normal = (
        side[:, None] * np.cos(angle)[None, :, None] * depth[:, None, None]
        + deep[:, None] * np.sin(angle)[None, :, None]
    )
    normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    stations = [(start, radius_start, 0.0), (end, radius_end, 0.0)]
    if round_ends:
        stations = [
            (start - axis * (0.55 * radius_start)[:, None], radius_start * 0.35, -0.8),
            *stations,
            (end + axis * (0.55 * radius_end)[:, None], radius_end * 0.35, 0.8),
        ]
    points = np.stack([c[:, None] + ring * np.asarray(r)[:, None, None] for c, r, _ in stations], 1)
    tilts = np.stack([normal + axis[:, None] * tilt for _, _, tilt in stations], 1)
    along = np.stack(
        [np.broadcast_to(np.sum((c - start) * axis, axis=1)[:, None], (len(start), sides)) for c, _, _ in stations], 1
    )
    around = np.broadcast_to(np.arange(sides) / sides, along.shape)
    return _grid(points, np.stack([around, along], -1), tilts)


@lru_cache(maxsize=32)
def _lattice(rings: int, sides: int) -> npt.NDArray[np.int64]:
    """Vertex numbers (T,3) of the triangles of a rings x sides lattice closed around its sides."""
    ring, side = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    following = (side + 1) % sides
    four = np.stack(
        [ring * sides + side, ring * sides + following, (ring + 1) * sides + following, (ring + 1) * sides + side], -1
    )
    lattice: npt.NDArray[np.int64] = four[..., [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    return lattice


def _grid(points: Floats, uv: Floats, normals: Floats) -> Solid:
    """Triangles of (N, rings, sides, ...) lattices closed around their sides."""
    n, rings, sides = points.shape[:3]
    pick = _lattice(rings, sides).reshape(-1)
    return Solid(
        *(
            np.take(a.reshape(n, rings * sides, -1), pick, axis=1).reshape(-1, 3, a.shape[-1])
            for a in (points, uv, normals)
        )
    )


def _cross(a: Floats, b: Floats) -> Floats:
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        1,
    )


def placed(solid: Solid, position: Floats, yaw: float, scale: Floats | float = 1.0) -> Solid:
    """A template scaled (one factor, or one an axis), turned about the vertical, and moved to ``position`` (3,)."""
    yaws = np.array([yaw])
    triangles = turned((solid.triangles * scale)[None], yaws)[0] + np.asarray(position)
    return Solid(triangles, solid.uv, turned(solid.normals[None], yaws)[0])


def joined(solids: list[Solid]) -> Solid:
    """Several solids as one."""
    return Solid(*(np.concatenate(parts) for parts in zip(*solids, strict=True)))
