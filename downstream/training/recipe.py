"""How one network is trained, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from downstream.networks import detectors, segmenters
from downstream.networks.latents.uses import USES
from hsc.errors import UsageError

ARCHITECTURES = {"detection": detectors.ARCHITECTURES, "segmentation": segmenters.ARCHITECTURES}


@dataclass(frozen=True)
class Recipe:
    """height, width: size of the training views in pixels, multiples of 32. average: what the moving average of the
    weights keeps a step. lovasz: weight of that part of the loss (segmentation alone). score_every: steps between
    scorings of held-out images.
    input: clean images, or what a codec leaves: decoded images or latents, for which arch says what is read of them.
    zoom: decoded images are enlarged by this much (detection alone). distil: weight of what a teacher says.
    lift_only: of a head on latents what stands before its pixel network is trained alone, towards the pixels of the
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
    task: Literal["detection", "segmentation"] = "detection"
    lovasz: float = 0.5
    score_every: int = 500
    input: Literal["clean", "images", "latents"] = "clean"
    zoom: float = 1.0
    distil: float = 1.0
    lift_only: bool = False

    def __post_init__(self) -> None:
        known = USES if self.input == "latents" else ARCHITECTURES[self.task]
        if self.arch not in known:
            raise UsageError(
                f"no {self.task} network on {self.input} is named {self.arch!r}; there are {', '.join(known)}"
            )
        if self.steps < 1 or self.batch < 1 or self.height % 32 or self.width % 32:
            raise UsageError(
                f"{self.steps} steps of {self.batch} views of {self.height}x{self.width}: steps and batch start at "
                f"1, sides are multiples of 32"
            )
        if self.zoom != 1 and (self.input != "images" or self.task != "detection"):
            raise UsageError(
                f"zoom came as {self.zoom}; it is for detection in decoded images, leave it at 1 elsewhere"
            )
        if self.lift_only and self.input != "latents":
            raise UsageError(f"only heads on latents have a lift, the input came as {self.input}")
        if self.distil < 0 or self.zoom < 1 or (self.height * self.zoom) % 32 or (self.width * self.zoom) % 32:
            raise UsageError(
                f"distil {self.distil} and zoom {self.zoom}: expected 0 or more, and 1 or more with enlarged sides "
                f"multiples of 32"
            )
        if self.lovasz < 0 or self.score_every < 1:
            raise UsageError(
                f"lovasz {self.lovasz} and score_every {self.score_every}: expected 0 or more, and 1 or more"
            )

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: a linear rise, then half a cosine down to a hundredth."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))
