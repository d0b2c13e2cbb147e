"""The training task of the detectors behind the head ``small``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from downstream.networks.detectors import build
from downstream.networks.detectors.layers import Network
from downstream.training.box_augmentation import augmented
from downstream.training.hourglass_loss import hourglass_loss
from downstream.training.pyramid_loss import pyramid_loss
from downstream.training.recipe import Recipe
from downstream.training.shards import Boxes, Frames
from downstream.training.shuffling import indices_of, random_of

LOSSES = {"pyramid": pyramid_loss, "hourglass": hourglass_loss}


@dataclass(frozen=True)
class Detection:
    """Detection of the boxes in ``frames``."""

    frames: Frames

    head: ClassVar[str] = "small"
    parts: ClassVar[tuple[str, ...]] = ("score", "box")
    scored: ClassVar[bool] = False

    @property
    def images(self) -> int:
        return len(self.frames.images)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.frames.classes

    @property
    def source(self) -> str:
        return self.frames.source

    def build(self, arch: str) -> Network:
        return build(arch, len(self.classes))

    def batch_of(self, recipe: Recipe, step: int) -> tuple[tuple[Tensor, ...], list[Boxes]]:
        random = random_of(recipe.seed, step)
        views = [
            augmented(self.frames.images[i], self.frames.boxes[i], random, height=recipe.height, width=recipe.width)
            for i in indices_of(recipe.seed, step, recipe.batch, self.images)
        ]
        return (torch.stack([pixels for pixels, _ in views]),), [boxes for _, boxes in views]

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: list[Boxes]) -> dict[str, Tensor]:
        # Assignment loops over single boxes, which is not slower on a CPU than on a GPU.
        return LOSSES[recipe.arch](tuple(maps.cpu() for maps in raw), truth)

    def score(self, network: Network, device: str) -> None:
        return None

    def about(self) -> dict[str, Any]:
        return {"classes": self.classes}
