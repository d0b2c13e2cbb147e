"""A converted StyleGAN2 as the frozen generator of a training: the recipe for it, and its place in the model.

file of hsc.weights.convert_stylegan2 ──fitted──> the recipe's profile, with the file's widths, mapping and clamp
                                      └─install─> the model's generator; mean of W+; first scale of F
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hsc.errors import UsageError
from hsc.networks.model import HscModel
from hsc.networks.profiles import profile_to_json
from hsc.training.recipe import Recipe
from hsc.weights.stylegan2_keys import load_generator

_FIRST_SAMPLES = 64


def require_both(recipe: Recipe, path: Path | None) -> None:
    """Check that there is a generator's file where a recipe needs one, and there alone.

    Raises:
        UsageError: it is missing, or the recipe has no stages on a frozen generator.
    """
    if recipe.on_generator and path is None:
        raise UsageError(
            f"the config {recipe.name} trains on a frozen generator; give a file of python -m hsc convert-stylegan2 "
            f"with --generator"
        )
    if path is not None and not recipe.on_generator:
        raise UsageError(
            f"the config {recipe.name} trains no networks on a frozen generator; leave out --generator, or give one "
            f"with frozen_steps, such as faces"
        )


def fitted(recipe: Recipe, path: Path | None) -> Recipe:
    """The recipe for a generator's file: its profile takes the file's widths, mapping network and clamp.

    path: None for a recipe without such stages, which stays as it is.

    Raises:
        DataError: the file is missing, damaged, or holds no generator.
        UsageError: as for ``require_both``; or the recipe is for another file, or the generator has another size than
            the recipe's profile, or no mapping network to draw images with.
    """
    require_both(recipe, path)
    if path is None:
        return recipe
    profile, found = recipe.networks(), load_generator(path).config
    if found.resolution != profile.generator.resolution:
        raise UsageError(
            f"{path} holds a generator of {found.resolution}x{found.resolution}, the config {recipe.name} is for "
            f"{profile.generator.resolution}; give the config for its size (faces 1024, cars 512, churches 256)"
        )
    config = replace(found, layer=profile.generator.layer)
    given, wanted = ((c.w_dim, c.feature_channels) for c in (config, profile.generator))
    if given != wanted:
        raise UsageError(
            f"{path} holds a generator of (w_dim, channels of F) = {given}, the config {recipe.name} is for {wanted}; "
            f"give a config whose profile has these widths"
        )
    if not config.mapping_layers:
        raise UsageError(
            f"{path} has no mapping network, so no images can be drawn from it; convert the whole checkpoint"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if recipe.generator not in ("", digest):
        raise UsageError(
            f"the config {recipe.name} is for the generator of sha256 {recipe.generator}, {path} is not it"
        )
    return replace(recipe, profile=profile_to_json(replace(profile, generator=config)), generator=digest)


@torch.no_grad()
def install(model: HscModel, path: Path, *, fresh: bool) -> None:
    """Put the generator of a file into a model, whose profile is that of ``fitted``.

    fresh: also start the random encoder where the generator's latents are: W+ at their mean, and each channel of F with
    the mean and deviation that it has in drawn images, as far as the encoder ends in a batch norm.
    """
    generator, config = model.generator, model.profile.generator
    generator.load_state_dict(load_generator(path, layer=config.layer).state_dict())
    if not fresh:
        return
    assert generator.mapping is not None
    model.gie.set_mean(generator.mapping.w_mean)
    last = model.gie.content[-1]
    if isinstance(last, nn.BatchNorm2d):
        z = torch.randn(_FIRST_SAMPLES, config.z_dim, generator=torch.Generator().manual_seed(0))
        feature = generator.run_below(generator.map(z)).feature
        last.weight.copy_(feature.std((0, 2, 3)).clamp(min=1e-3))
        last.bias.copy_(feature.mean((0, 2, 3)))


@torch.no_grad()
def draw_images(model: HscModel, count: int, seed: int) -> Tensor:
    """Images of the model's generator for normal z, without noise: (count, 3, side, side) float32, -1 to 1."""
    generator = model.generator
    z = torch.randn(count, model.profile.generator.z_dim, generator=torch.Generator().manual_seed(seed))
    images: Tensor = generator(generator.map(z.to(model.gie.w_mean.device)))
    return images.clamp(-1, 1).contiguous(memory_format=torch.channels_last)
