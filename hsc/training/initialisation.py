"""Data-dependent initialisation: random networks before the first step, and statistics after the autoencoder stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from hsc.networks.model import HscModel
from hsc.networks.stylegan2 import ToRgb
from hsc.training import distributed
from hsc.training.recipe import Recipe
from hsc.training.sampling import batch_at
from hsc.training.shards import Frames
from hsc.training.state import Run, State

STATISTICS_BATCHES = 12
_PATCH_CROPS = 160


@torch.no_grad()
def balance(recipe: Recipe, run: Run, state: State, frames: Frames) -> None:
    """Scale random networks so that F has unit variance and holds the pixels, and images have less than real variance.

    Source: Mishkin and Matas 2016, "All you need is a good init", for these two places.
    """
    gie = state.model.gie
    if gie.patch is not None:
        images = torch.cat(
            [batch_at(recipe, run, frames, i).images for i in range(max(1, _PATCH_CROPS // recipe.batch))]
        )
        set_patches(gie.patch, state.model.generator.patches, images)
    else:
        feature = gie(batch_at(recipe, run, frames, 0).images).feature
        last = gie.content[-2]
        assert isinstance(last, nn.Conv2d)
        scale = feature.std((0, 2, 3)).clamp(min=1e-6)
        last.weight /= scale[:, None, None, None]
        if last.bias is not None:
            last.bias.copy_((last.bias - feature.mean((0, 2, 3))) / scale)
    for rgb in state.model.generator.rgbs.values():
        assert isinstance(rgb, ToRgb)
        rgb.weight.mul_(1 / len(state.model.generator.rgbs) if state.model.generator.patches is None else 0)
    distributed.share(state.model)
    state.averaged.load_state_dict(state.model.state_dict())


@torch.no_grad()
def set_patches(patch: nn.Conv2d, inverse: nn.Conv2d | None, images: Tensor) -> None:
    """Set a patch embedding to half-whitened principal components of images' patches, and ``inverse`` to its inverse.

    Half-whitening amplifies detail, but strong components stay strong; their mean variance is 1. Components beyond the
    patches' number are left random. inverse: a 1x1 convolution from as many channels to 3 side side, ordered as for
    ``pixel_shuffle``, or None.
    """
    side = patch.kernel_size[0]
    columns = nn.functional.unfold(images.contiguous(), side, stride=side)
    patches = columns.transpose(1, 2).flatten(0, 1).double()  # (N, 3 side side)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh((patches - mean).t() @ (patches - mean) / len(patches))
    count = min(len(patch.weight), len(values))
    values, vectors = values.flip(0)[:count].clamp(min=1e-8), vectors.flip(1)[:, :count].t()
    axes = vectors / values[:, None].pow(0.25) / values.sqrt().mean().sqrt()
    patch.weight[:count] = axes.reshape(count, *patch.weight.shape[1:]).float()
    assert patch.bias is not None
    patch.bias[:count] = -(axes @ mean).float()
    if inverse is not None:
        back = (vectors * values[:, None].pow(0.25) * values.sqrt().mean().sqrt()).t()  # (3 side side, count)
        inverse.weight.zero_()
        inverse.weight[:, :count, 0, 0] = back.float()
        assert inverse.bias is not None
        inverse.bias.copy_(mean.float())


@torch.no_grad()
def set_statistics(state: State, batches: Iterable[Tensor]) -> None:
    """Set the compression networks' statistics of W+ and F from the trained encoder. batches: (B, 3, h, w) each."""
    set_statistics_of((state.model, state.averaged), batches)


@torch.no_grad()
def set_statistics_of(models: Sequence[HscModel], batches: Iterable[Tensor]) -> None:
    """``set_statistics`` of several models, with the encoder of the first."""
    w_plus, feature = [], []
    for images in batches:
        latents = models[0].gie(images)
        w_plus.append(latents.w_plus.flatten(1))
        feature.append(latents.feature.transpose(0, 1).flatten(1))
    styles, channels = torch.cat(w_plus), torch.cat(feature, 1)
    for model in models:
        model.scn.standard.set(styles.mean(0), styles.std(0))
        model.fcn.standard.set(channels.mean(1), channels.std(1))
        distributed.share(model.scn.standard, model.fcn.standard)
