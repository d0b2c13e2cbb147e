"""How one network is trained, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from downstream import detectors, segmenters
from hsc.errors import UsageError

ARCHITECTURES = {"detection": detectors.ARCHITECTURES, "segmentation": segmenters.ARCHITECTURES}


@dataclass(frozen=True)
class Recipe:
    """height, width: size of the training views in pixels, multiples of 32. average: what the moving average of the weights keeps
    a step. lovasz: weight of that part of the loss (segmentation alone). score_every: steps between scorings of held-out images.

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

    def __post_init__(self) -> None:
        if self.arch not in ARCHITECTURES[self.task]:
            raise UsageError(f"no {self.task} network is named {self.arch!r}; there are {', '.join(ARCHITECTURES[self.task])}")
        if self.steps < 1 or self.batch < 1 or self.height % 32 or self.width % 32:
            raise UsageError(
                f"{self.steps} steps of {self.batch} views of {self.height}x{self.width}: steps and batch start at 1, sides are multiples of 32"
            )
        if self.lovasz < 0 or self.score_every < 1:
            raise UsageError(f"lovasz {self.lovasz} and score_every {self.score_every}: expected 0 or more, and 1 or more")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: a linear rise, then half a cosine down to a hundredth."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))
