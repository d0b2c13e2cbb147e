"""What is set from the first crops before a stage's first step, instead of being learnt from random values.

autoencoder   patches of F and generator, at the first step; after the stage, statistics of W+ and F
semantic      a new coarse map
codec         channels of y, where the recipe wants it: unused ones anew, or all of them; then the first prices
detail        the basis of detail
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from hsc.training import coarse_stage
from hsc.training.dead_channels import revive
from hsc.training.detail_stage import set_basis
from hsc.training.first_prices import set_prices
from hsc.training.initialisation import STATISTICS_BATCHES, balance, set_statistics
from hsc.training.linear_start import set_components
from hsc.training.recipe import Recipe
from hsc.training.sampling import batch_at, seed_of
from hsc.training.shards import Batch, Frames
from hsc.training.state import Run, State, lacks_map
from hsc.training.teachers.seen import Teacher

_BASIS_CROPS = 320
_MAP_CROPS = 640
_REVIVAL_CROPS = 64
_COMPONENT_CROPS = 192
_PRICE_CROPS = 24


def set_from_them(recipe: Recipe, run: Run, state: State, frames: Frames, teachers: Sequence[Teacher]) -> None:
    """Set what the step ``state.step`` starts with, in the model and in its moving average."""

    def crops(count: int) -> Iterator[Batch]:
        return (batch_at(recipe, run, frames, i) for i in range(max(1, count // recipe.batch)))

    step, model = state.step, state.model
    torch.manual_seed(seed_of(recipe, step))
    if step == 0 and run.initial is None:
        balance(recipe, run, state, frames)
    changed = False
    if step == recipe.steps[0]:
        if step:
            set_statistics(state, (batch.images for batch in crops(STATISTICS_BATCHES * recipe.batch)))
        if recipe.new_map or lacks_map(recipe, run):  # F_w stays zero unless a stage of its own follows
            found = crops(min(_MAP_CROPS, 2 * len(frames.images)))
            coarse_stage.set_map(model, found, predict=recipe.semantic_steps > 0)
            changed = True
    if step == recipe.coding_starts:
        if recipe.revived:
            revive(model, crops(_REVIVAL_CROPS), recipe.rates)
        if recipe.linear:
            set_components(model, crops(_COMPONENT_CROPS), recipe.rates)
        if recipe.measured_prices:
            set_prices(recipe, state, crops(_PRICE_CROPS), teachers)
        changed = changed or recipe.revived or recipe.linear
    if recipe.detail_steps and step == recipe.first + recipe.decoder_steps:
        teacher = teachers[step % len(teachers)] if teachers else None
        set_basis(model, crops(_BASIS_CROPS), teacher, everywhere=recipe.objects <= 1)
        changed = True
    if changed:
        state.averaged.load_state_dict(model.state_dict())
