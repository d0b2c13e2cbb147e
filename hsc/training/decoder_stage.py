"""The training stage "decoder": symbols and rates are fixed, their decoder is trained and learns to take light from w.

    scene in light A ──frozen encoder──> y_hat ──g_s──> F_hat ──generator──> the scene in light B
    scene in light B ──frozen encoder──> w_hat ──┴────────────────┘ trained

In most samples A is B. In the others w and F disagree, and w is right. By itself this changes little where the symbols
of w hold light only roughly and those of F hold it well (hsc/pretrained/roadscenes.md has the numbers; edits use
``hsc.networks.relighting``). It is useful as augmentation: the F of one scene has to work in any light.

Symbols are fixed, so rate and error need not be balanced, a falling learning rate brings every quality as far as its
symbols allow, and heads that read latents are not affected.

Source: ours; training with codes exchanged between images: Park et al. 2020, "Swapping Autoencoder for Deep Image
Manipulation".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hsc.networks.model import HscModel
from hsc.training.shards import Batch


class LitBatch(NamedTuple):
    """A batch of the stage.

    batch: its images are the targets, and w_hat is theirs. source: (B, 3, h, w), the images whose F is coded: the same
    scenes, perhaps in another light.
    """

    batch: Batch
    source: Tensor


def draw_light(batch: Batch, swapped: float, random: torch.Generator) -> LitBatch:
    """Choose the light of sources and targets; in a fraction ``swapped`` of the samples they differ."""
    count = len(batch.images)
    target_is_relit = torch.rand(count, generator=random) < 0.5
    differ = torch.rand(count, generator=random) < swapped
    targets, sources = (
        torch.where(relit.to(batch.images.device)[:, None, None, None], batch.relit, batch.images)
        for relit in (target_is_relit, target_is_relit ^ differ)
    )
    images = targets.contiguous(memory_format=torch.channels_last)
    return LitBatch(batch._replace(images=images), sources.contiguous(memory_format=torch.channels_last))


def keep_symbols(model: HscModel) -> None:
    """Freeze everything but the decoder of the symbols of W+ and F."""
    model.requires_grad_(False)
    for part in (model.fcn.synthesis, model.generator):
        part.requires_grad_(True)


def decode(model: HscModel, lit: LitBatch, quality: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, 3, h, w) from the symbols of ``lit.source`` and w_hat of ``lit.batch.images``, and their bits (B,).

    The bits have no gradient.
    """
    model.eval()
    with torch.no_grad():
        latents = model.gie(lit.source)
        semantics, features = model.compress(latents.w_plus, latents.feature, quality)
        target = model.gie(lit.batch.images)
        words = model.scn(target.w_plus, quality, model.fcn.standard(target.feature))
        size = latents.feature.shape[2:]
        base = model.scn.prediction(words.coefficients, size)
    model.train()
    feature = model.fcn.restore(features.integers, words.w_hat, quality, size, base)
    image: Tensor = model.generator(words.w_hat, feature)
    return image, semantics.bits + features.bits.sum(1)
