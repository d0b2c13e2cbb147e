"""The crops, seeds and dropped layers of a training step, which follow from (recipe's seed, step, process) alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hsc.training import distributed
from hsc.training.recipe import Recipe
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
    @property
    def enlarged(self) -> float: ...


def seed_of(recipe: Sampled, step: int) -> int:
    """The seed of this process's random choices in a step."""
    return int(np.random.default_rng([recipe.seed, 3, step, distributed.rank()]).integers(1 << 62))


def crops_of(recipe: Sampled, frames: Frames) -> Crops:
    """The crops of all steps, as the recipe describes them."""
    return Crops(frames, recipe.seed, recipe.batch, recipe.crop, recipe.objects, recipe.rarity, recipe.enlarged)


def batch_at(recipe: Sampled, run: Run, frames: Frames, step: int) -> Batch:
    """This process's crops of a step, on the run's device."""
    return on_device(crops_of(recipe, frames)[step * distributed.count() + distributed.rank()], run)


def on_device(batch: Batch, run: Run) -> Batch:
    """A batch on the run's device."""
    return Batch(*(tensor.to(run.device, non_blocking=True) for tensor in batch))


def dropped_samples(recipe: Recipe, step: int, count: int) -> Tensor | None:
    """The samples of this process without any layer of F, (B,) bool, equally many in all processes; None for none."""
    share = recipe.drop_share * count
    number = int(share + np.random.default_rng([recipe.seed, 5, step]).random())
    if not number:
        return None
    order = np.random.default_rng([recipe.seed, 6, step, distributed.rank()]).permutation(count)
    return torch.from_numpy(order < number)


def kept_layers(recipe: Recipe, step: int, layers: int) -> int | None:
    """The number of coded layers of F in a step, the same in all processes: usually None, for all of them."""
    random = np.random.default_rng([recipe.seed, 4, step])
    if random.random() >= recipe.prefix_share:
        return None
    return int(random.integers(0, layers))
