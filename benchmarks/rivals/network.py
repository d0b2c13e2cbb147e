"""Coding a batch with CompressAI's ``mbt2018-mean-vbr``, differentiable, with a gain of its own for each sample.

    x ──g_a──> y ──h_a──> z ──round──> z_hat ──h_s──> means, scales
               │                                          │
               └── round((y - means) * gain) / gain + means ──> y_hat ──g_s──> x_hat

This is stage 2 of CompressAI's ``MeanScaleHyperpriorVbr.forward`` without offsets of the reconstruction, for gains
between the stored ones, too; the gains are learned here. Sources: Minnen, Balle and Toderici 2018; Kamisli, Racape and
Choi 2024.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.learned.networks import new_model
from benchmarks.learned.package import imported
from benchmarks.rivals.recipe import LEVELS, Recipe

ARCHITECTURE = "mbt2018-mean-vbr"
_LEAST_LIKELIHOOD = 1e-9
_FIRST_SPREAD = 1.0


class Coded(NamedTuple):
    """A coded batch: image (B, 3, h, w), about 0 to 1; y (B, M, h/16, w/16) before rounding; bits (B,), of y and z."""

    image: Tensor
    y: Tensor
    bits: Tensor


def build(recipe: Recipe) -> Any:
    """A network with random weights; its offsets of the reconstruction are 0.

    Raises:
        UnavailableError: CompressAI is not installed.
    """
    bottleneck = imported("compressai.entropy_models").EntropyBottleneck
    model: Any = new_model(ARCHITECTURE, (recipe.n, recipe.m), variable_step=False)
    model.entropy_bottleneck = bottleneck(recipe.n, init_scale=_FIRST_SPREAD)  # the default starts at 0.1 bpp
    offset = model.QuantABCD[-1]
    with torch.no_grad():
        offset.weight.zero_()
        offset.bias.zero_()
    model.QuantABCD.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


class Groups(NamedTuple):
    """The trained parameters of a network: of its transforms, of gains and of the density of z, and its quantiles."""

    transforms: list[nn.Parameter]
    prior: list[nn.Parameter]
    quantiles: list[nn.Parameter]


def parameters(model: Any) -> Groups:
    """The trained parameters of a network."""
    quantiles = model.entropy_bottleneck.quantiles
    prior = [model.Gain, *(p for p in model.entropy_bottleneck.parameters() if p is not quantiles)]
    others = {id(p) for p in (quantiles, *prior)}
    transforms = [p for p in model.parameters() if p.requires_grad and id(p) not in others]
    return Groups(transforms, prior, [quantiles])


def gain_of(model: Any, level: Tensor) -> Tensor:
    """Gains between the stored ones, geometrically: level (B,) from 0 to 7 -> (B, 1, 1, 1)."""
    shares = (1 - (level[:, None] - torch.arange(LEVELS, device=level.device)).abs()).clamp(min=0)
    gain: Tensor = (shares @ model.Gain.abs().log()).exp()
    return gain[:, None, None, None]


def code(model: Any, images: Tensor, level: Tensor, *, bf16: bool = False) -> Coded:
    """Code images (B, 3, h, w), 0 to 1, with sides that are multiples of 64. level: (B,), from 0 to 7."""
    device = images.device.type
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        y = model.g_a(images)
        z = model.h_a(y)
    y, z = y.float(), z.float()
    _, z_likelihoods = model.entropy_bottleneck(z)
    medians = model.entropy_bottleneck._get_medians().detach()
    z_hat = _rounded(z - medians) + medians
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        parameters_of_y = model.h_s(z_hat)
    scales, means = parameters_of_y.float().chunk(2, 1)
    gain = gain_of(model, level)
    residuals = (y - means) * gain
    y_hat = _rounded(residuals) / gain + means
    bits = _bits(z_likelihoods) + _symbol_bits(model, residuals, scales * gain)
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        image = model.g_s(y_hat)
    return Coded(image.float(), y, bits)


def _symbol_bits(model: Any, residuals: Tensor, scales: Tensor) -> Tensor:
    """Bits of the rounded residuals, (B,); in training, residuals have the gradient of uniform noise, as hsc's have.

    The rate of noise alone overstates that of zeros at the smallest scale so much that low rates are out of reach: see
    ``hsc.entropy_coding.quantisation``.
    """
    conditional = model.gaussian_conditional
    bits = _bits(conditional._likelihood(residuals.detach().round(), scales))
    if not model.training:
        return bits
    noise = torch.rand_like(residuals) - 0.5
    noisy = _bits(conditional._likelihood(residuals + noise, scales.detach()))
    return bits + (noisy - noisy.detach())


def _rounded(values: Tensor) -> Tensor:
    """Rounded values whose gradient is that of the values."""
    return values + (values.round() - values).detach()


def _bits(likelihoods: Tensor) -> Tensor:
    return -likelihoods.clamp(min=_LEAST_LIKELIHOOD).log2().sum((1, 2, 3))
