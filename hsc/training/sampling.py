"""The crops and the random seeds of a training step, which follow from (recipe's seed, step, process) alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hsc.training import distributed
from hsc.training.shards import Batch, Crops, Frames
from hsc.training.state import Run


class Sampled(Protocol):
    """What a recipe says of the crops of a step; fields as in ``hsc.training.recipe``."""

    @property
    def seed(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def crop(self) -> tuple[int, int]: ...
    @property
    def objects(self) -> float: ...
    @property
    def rarity(self) -> float: ...


def seed_of(recipe: Sampled, step: int) -> int:
    """The seed of this process's random choices in a step."""
    return int(np.random.default_rng([recipe.seed, 3, step, distributed.rank()]).integers(1 << 62))


def crops_of(recipe: Sampled, frames: Frames) -> Crops:
    """The crops of all steps, as the recipe describes them."""
    return Crops(frames, recipe.seed, recipe.batch, recipe.crop, recipe.objects, recipe.rarity)


def batch_at(recipe: Sampled, run: Run, frames: Frames, step: int) -> Batch:
    """This process's crops of a step, on the run's device."""
    return on_device(crops_of(recipe, frames)[step * distributed.count() + distributed.rank()], run)


def on_device(batch: Batch, run: Run) -> Batch:
    """A batch on the run's device."""
    return Batch(*(tensor.to(run.device, non_blocking=True) for tensor in batch))
