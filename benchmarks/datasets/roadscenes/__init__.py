"""roadscenes: rendered street scenes with exact boxes, masks and label maps. (Docs follow.)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.datasets.roadscenes.dataset import Roadscenes, scene_seed
from benchmarks.datasets.roadscenes.materials import OBJECTS, SEMANTIC

if TYPE_CHECKING:
    from benchmarks.datasets.roadscenes.frame import Frame

__all__ = ["OBJECTS", "SEMANTIC", "Roadscenes", "render", "scene_seed"]


def render(seed: int, index: int, size: tuple[int, int] = (384, 256)) -> Frame:
    """Image and labels of scene ``index`` of ``seed`` at (width, height), without any cache: the way to fill training shards.

    ``scene_seed("train", None)`` is the seed of a split.
    """
    from benchmarks.datasets.roadscenes import renderer

    return renderer.render(seed, index, size)
