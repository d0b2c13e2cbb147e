"""The recipe of a training: all settings that decide the weights, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from downstream.networks import classifiers, detectors, segmenters
from downstream.networks.latents.uses import USES
from hsc.errors import UsageError

ARCHITECTURES = {
    "detection": detectors.ARCHITECTURES,
    "segmentation": segmenters.ARCHITECTURES,
    "classification": classifiers.ARCHITECTURES,
}


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    arch: the architecture; for latents, which of them are read. height, width: size of the training views in pixels,
    multiples of 32. warmup: steps until the learning rate is at its highest. average: share that the moving average of
    the weights keeps in each step. lovasz: weight of the Lovasz part of the loss (segmentation only). score_every:
    steps between scores on held-out images. input: clean images, or a codec's decoded images or latents. zoom: factor
    by which decoded images are enlarged (detection only). distil: weight of the distillation part of the loss.
    lift_only: of a head on latents, train only the adapter in front of its pixel network, towards the pixels of the
    clean views.

    Raises:
        UsageError: a field is out of its range.
    """

    arch: str
    steps: int
    seed: int = 0
    batch: int = 8
    height: int = 256
    width: int = 384
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: int = 150
    average: float = 0.998
    task: Literal["detection", "segmentation", "classification"] = "detection"
    lovasz: float = 0.5
    score_every: int = 500
    input: Literal["clean", "images", "latents"] = "clean"
    zoom: float = 1.0
    distil: float = 1.0
    lift_only: bool = False

    def __post_init__(self) -> None:
        if self.task == "classification" and (self.input != "clean" or self.height != self.width):
            raise UsageError(
                f"classification of {self.height}x{self.width} views on {self.input}: expected square views, such as "
                f"--height 64 --width 64, of clean images"
            )
        known = USES if self.input == "latents" else ARCHITECTURES[self.task]
        if self.arch not in known:
            raise UsageError(
                f"no {self.task} network on {self.input} is named {self.arch!r}; there are {', '.join(known)}"
            )
        if self.steps < 1 or self.batch < 1 or self.height % 32 or self.width % 32:
            raise UsageError(
                f"{self.steps} steps of {self.batch} views of {self.height}x{self.width}: expected steps and batch of "
                f"1 or more, and sides that are multiples of 32"
            )
        if self.zoom != 1 and (self.input != "images" or self.task != "detection"):
            raise UsageError(f"zoom came as {self.zoom}, expected 1; only detection in decoded images has another zoom")
        if self.lift_only and self.input != "latents":
            raise UsageError(f"the input came as {self.input}, expected latents: only heads on latents have an adapter")
        if self.distil < 0 or self.zoom < 1 or (self.height * self.zoom) % 32 or (self.width * self.zoom) % 32:
            raise UsageError(
                f"distil {self.distil} and zoom {self.zoom}: expected 0 or more, and 1 or more with enlarged sides "
                f"that are multiples of 32"
            )
        if self.lovasz < 0 or self.score_every < 1:
            raise UsageError(
                f"lovasz {self.lovasz} and score_every {self.score_every}: expected 0 or more, and 1 or more"
            )

    def rate_at(self, step: int) -> float:
        """The learning rate of a step: a linear rise, then half a cosine down to a hundredth of the highest rate."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))
