"""The first prices of bits, measured: what the loss falls by, per bit that a higher quality spends.

    price of a quality = (loss at the quality below - loss at the one above) / (their difference in bits per pixel)

Where a codec starts, from components or from the weights of an earlier training, its qualities already trade loss for
bits at some price. Prices that differ much from it would move the rates far from their targets, and the networks with
them, long before the prices follow (``hsc.training.bit_prices``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.training import distributed
from hsc.training.losses import pixel_loss, teacher_loss
from hsc.training.recipe import Recipe
from hsc.training.shards import Batch
from hsc.training.state import State
from hsc.training.teachers.seen import Teacher


@torch.no_grad()
def set_prices(recipe: Recipe, state: State, batches: Iterable[Batch], teachers: Sequence[Teacher]) -> None:
    """Set the prices of all qualities from a few batches. Where the loss does not fall at all, they stay as they are.

    The loss is that of pixels and teachers.
    """
    training, count = state.model.training, len(recipe.rates)
    state.model.eval()
    losses, rates = torch.zeros(2, count, device=next(state.model.parameters()).device)
    for number, batch in enumerate(batches):
        teacher = teachers[number % len(teachers)] if teachers and recipe.teacher else None
        seen = None if teacher is None else teacher(batch.images)
        pixels = batch.images.shape[2] * batch.images.shape[3]
        for index in range(count):
            quality = torch.full((len(batch.images),), (index + 1) * QUALITY_STEPS, device=batch.images.device)
            coded = state.model(batch.images, quality, detail=False)
            loss = pixel_loss(coded.image.float(), batch.images, batch.weight, recipe.gradient)
            if teacher is not None and seen is not None:
                loss = loss + recipe.teacher * teacher_loss(teacher(coded.image), seen, batch.weight)
            losses[index] += loss.mean()
            bpp = coded.features.bits.sum(1) / pixels + coded.semantics.bits / recipe.image_pixels
            rates[index] += bpp.mean()
    state.model.train(training)
    losses, rates = distributed.summed(torch.stack([losses, rates])).cpu()
    state.prices.log_prices = log_prices(losses, rates, state.prices.log_prices)


def log_prices(losses: Tensor, rates: Tensor, fallback: Tensor) -> Tensor:
    """Logarithms of prices, (Q,), from the losses and rates of the qualities, (Q,) each, or ``fallback``.

    Prices follow a power of the rate: the one nearest to the slopes between neighbours. A slope counts with the square
    of its step of log rate, since one between two rates that hardly differ is the least certain. One at which the loss
    does not fall as the rate rises does not count; with none left, prices are the fallback.
    """
    log_rates = rates.log()
    steps, slopes = log_rates.diff(), -losses.diff() / rates.diff()
    usable = (slopes > 0) & (steps > 0)
    if not bool(usable.any()):
        return fallback
    between, logs = ((log_rates[1:] + log_rates[:-1]) / 2)[usable], slopes[usable].log()
    weights = steps[usable].square() / steps[usable].square().sum()
    centre, mean = (weights * between).sum(), (weights * logs).sum()
    spread = (weights * (between - centre).square()).sum().clamp(min=1e-9)
    exponent = (weights * (between - centre) * (logs - mean)).sum() / spread
    return mean + exponent * (log_rates - centre)
