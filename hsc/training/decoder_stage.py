"""The stage decoder: symbols stay as they are, so do their rates; what makes images of them learns, and is asked to
take light from w.

    scene in light A ──frozen encoder──> y_hat ──g_s──> F_hat ──generator──> the scene in light B
    scene in light B ──frozen encoder──> w_hat ──┴────────────────┘ trained

In most samples A is B. In the others w and F disagree, and w is right. That alone moves little where symbols of w tell
light only roughly and those of F tell it well (hsc/pretrained/roadscenes.md has the numbers;
``hsc.networks.relighting`` is what edits go by); as augmentation it is of
use: F of one scene has to serve in any light.

Symbols do not move, so there is no trade of rate against error to keep in balance, a falling learning rate takes every
quality as far as its symbols go, and whatever reads latents does not notice.

Source: ours; of training with codes exchanged between images, Park et al. 2020, "Swapping Autoencoder for Deep Image
Manipulation".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hsc.networks.model import HscModel
from hsc.training.shards import Batch


class Lit(NamedTuple):
    """batch: its images are what should be made, and w_hat is theirs. seen: (B, 3, h, w), what F is of: the same scenes
    in some light.
    """

    batch: Batch
    seen: Tensor


def draw_light(batch: Batch, swapped: float, random: torch.Generator) -> Lit:
    """Choose the light of what is seen and of what should be made; in a part ``swapped`` of the samples they differ."""
    count = len(batch.images)
    other = torch.rand(count, generator=random) < 0.5
    differ = torch.rand(count, generator=random) < swapped
    wanted, seen = (choice.to(batch.images.device)[:, None, None, None] for choice in (other, other ^ differ))
    images = torch.where(wanted, batch.relit, batch.images).contiguous(memory_format=torch.channels_last)
    of = torch.where(seen, batch.relit, batch.images).contiguous(memory_format=torch.channels_last)
    return Lit(batch._replace(images=images), of)


def keep_symbols(model: HscModel) -> None:
    """Let only what follows the symbols of W+ and F be trained."""
    model.requires_grad_(False)
    for part in (model.fcn.synthesis, model.generator):
        part.requires_grad_(True)


def decode(model: HscModel, lit: Lit, quality: Tensor) -> tuple[Tensor, Tensor]:
    """Images of the symbols of ``lit.seen`` with w_hat of ``lit.batch.images``: (B, 3, h, w), and their bits, (B,),
    without gradient.
    """
    model.eval()
    with torch.no_grad():
        found = model.gie(lit.seen)
        semantics, features = model.compress(found.w_plus, found.feature, quality)
        w_hat = model.scn(model.gie(lit.batch.images).w_plus, quality).w_hat
    model.train()
    feature = model.fcn.restore(features.integers, w_hat, quality, found.feature.shape[2:])
    image: Tensor = model.generator(w_hat, feature)
    return image, semantics.bits + features.bits.sum(1)
