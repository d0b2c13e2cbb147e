"""The training stage "semantic": the picture is restored from w alone, its coarse map included; F is not coded.

    images ──frozen GIE──> W+, F ──SCN (coarse map trained)──> bits of w, w_hat, F_w ──frozen generator──> images

Before its first step the map is set from pictures (``set_map``): its coefficients become principal components of the
part of F that shows in pixels, with one step size for all of them, and F_w the linear function of the map that is
nearest to F. What w leaves open is best filled with the mean of what it could be, so the loss is of squares.

Source: ours; principal components with one step size are the Karhunen-Loeve transform of a Gaussian source with
reverse water-filling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.entropy_coding.gains import GAIN_UNIT
from hsc.networks.coarse_map import CoarseMap
from hsc.networks.model import HscModel
from hsc.training import distributed
from hsc.training.losses import pixel_loss
from hsc.training.shards import Batch

_COARSE = 4  # pixels that the coarse scale averages along a side
_SQUARES = 4.0
_FIRST_BITS, _FIRST_QUALITY = 200.0, 3  # bits of the map before training, about, and where
_MOST_STEPS = 24.0  # of the quantiser in the largest deviation, there
_SMALLEST = 1e-2  # deviation of a coefficient that is hardly ever coded
_RIDGE = 1e-4


def keep_all_but_map(model: HscModel) -> None:
    """Freeze everything but the coarse map of w."""
    model.requires_grad_(False)
    assert model.scn.coarse is not None
    model.scn.coarse.requires_grad_(True)


def release(model: HscModel) -> None:
    """Let everything be trained again after the stage, except the basis of detail."""
    model.requires_grad_(True)
    if model.generator.basis is not None:
        model.generator.basis.requires_grad_(False)


def decode(model: HscModel, images: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, 3, h, w) from w alone, and the bits of w, (B,)."""
    with torch.no_grad():
        latents = model.gie(images)
        standardised = model.fcn.standard(latents.feature)
    words = model.scn(latents.w_plus, quality, standardised)
    size = latents.feature.shape[2:]
    feature = model.fcn.restore(None, words.w_hat, quality, size, model.scn.base(words.coefficients, size))
    image: Tensor = model.generator(words.w_hat, feature)
    return image, words.bits


def coarse_loss(decoded: Tensor, images: Tensor, gradient: float, colour: float) -> Tensor:
    """Squared error, absolute error and gradients at coarse scales, and the error of the mean colour: (B, 3, h, w).

    gradient, colour: weights of two of the terms. The result is (B,).
    """
    error = decoded - images
    total = _SQUARES * error.square().mean((1, 2, 3)) + colour * error.mean((2, 3)).abs().mean(1)
    coarse, target = (functional.avg_pool2d(x, _COARSE) for x in (decoded, images))
    return total + pixel_loss(coarse, target, torch.ones_like(target[:, :1]), gradient)


@torch.no_grad()
def set_map(model: HscModel, batches: Iterable[Batch], *, predict: bool) -> None:
    """Set the coarse map from pictures: its reading of F, its scale and prior, the map it decodes to, and F_w.

    batches: gone through twice where ``predict``. predict: also set F_w; else it stays as it is.
    """
    coarse = model.scn.coarse
    assert coarse is not None
    model.eval()
    collected = [model.fcn.standard(model.gie(batch.images).feature) for batch in batches]
    pooled = torch.cat([coarse.pool(feature) for feature in collected])
    _set_basis(coarse, pooled, _pixels_of(model))
    if predict:
        _fit_prediction(coarse, collected)
    distributed.share(coarse)
    model.train()


def _pixels_of(model: HscModel) -> Tensor:
    """The matrix from standardised F to the patch of pixels that is linear in it, (P, C); F itself without patches."""
    scale = model.fcn.standard.scale
    patches = model.generator.patches
    return torch.diag(scale) if patches is None else patches.weight[:, :, 0, 0] * scale


def _set_basis(coarse: CoarseMap, pooled: Tensor, pixels: Tensor) -> None:
    """Set the reading of F (N, C, rows, columns) and the decoded map to principal components of what shows in pixels.

    Components beyond the number of pictures stay as they are.
    """
    config, (count, _, rows, columns) = coarse.config, pooled.shape
    samples = pooled.transpose(0, 1).flatten(1).double()  # (C, N * rows * columns)
    patches = pixels.double() @ (samples - samples.mean(1, keepdim=True))
    _, axes = torch.linalg.eigh(patches @ patches.t())
    first = axes.flip(1)[:, : config.reading].t() @ pixels.double()  # (up to reading, C)
    coarse.squeeze.weight[: len(first)] = first[:, :, None, None].float()
    assert coarse.squeeze.bias is not None
    coarse.squeeze.bias.zero_()
    vectors = coarse.squeeze(pooled).flatten(1).double()  # (N, reading * rows * columns)
    mean = vectors.mean(0)
    _, sizes, components = torch.linalg.svd(vectors - mean, full_matrices=False)
    usable = min(config.symbols, max(1, count - 1), len(sizes))
    deviation, components = sizes[:usable] / math.sqrt(count), components[:usable]
    step = _step_for(deviation, coarse)
    coarse.project.weight[:usable] = (components / step).float()
    coarse.project.weight[usable:] *= 0.01
    coarse.project.bias.copy_(-(coarse.project.weight.double() @ mean).float())
    coarse.quality.log_scale.fill_(math.log(_SMALLEST))
    coarse.quality.log_scale[:, :usable] = (deviation / step).clamp(min=_SMALLEST).log().float()
    back = (components.t() * step).reshape(config.reading, rows, columns, usable)[: config.channels]
    centre = mean.reshape(config.reading, -1)[: config.channels]
    spread = (back.square() * (deviation / step).square()).sum(3).mean((1, 2)).sqrt().clamp(min=1e-6)
    cells = rows * columns * len(back)
    coarse.unfold.weight[:cells, :usable] = (back / spread[:, None, None, None]).reshape(cells, usable).float()
    coarse.unfold.bias[:cells] = ((centre - centre.mean(1, keepdim=True)) / spread[:, None]).flatten().float()
    coarse.enter.weight[: config.channels] *= 0.1
    nn.init.dirac_(coarse.enter.weight[: config.channels])


def _step_for(deviation: Tensor, coarse: CoarseMap) -> float:
    """The step of y, in units of the deviations, with which the map has about ``_FIRST_BITS`` at the first quality.

    A Gaussian of deviation s costs log2(s / step * sqrt(2 pi e)) bits where that is above 0. Pictures that differ in
    little have fewer bits: the largest deviation is at most ``_MOST_STEPS``.
    """
    gain = float(coarse.quality.log_gain[_FIRST_QUALITY].exp().mean())
    largest = max(float(deviation.max()) * gain, 1e-6)
    low, high = largest / _MOST_STEPS, largest * 2.0**4
    for _ in range(60):
        step = math.sqrt(low * high)
        bits = (deviation * gain / step * math.sqrt(2 * math.pi * math.e)).log2().clamp(min=0).sum()
        low, high = (step, high) if float(bits) > _FIRST_BITS else (low, step)
    return high


def _fit_prediction(coarse: CoarseMap, features: Iterable[Tensor]) -> None:
    """Set the last layer of F_w by least squares on standardised F, from coefficients rounded at the first quality."""
    width, channels = coarse.config.width, coarse.leave.out_channels
    products = torch.zeros(width + 1, width + 1, dtype=torch.float64)
    targets = torch.zeros(width + 1, channels, dtype=torch.float64)
    for feature in features:
        quality = torch.full((len(feature),), _FIRST_QUALITY * QUALITY_STEPS, device=feature.device)
        gain = (coarse.quality.gains(quality).gain / GAIN_UNIT).float()
        coefficients = (coarse.analyse(feature)[:, :, 0, 0] * gain).round() / gain
        hidden = coarse.hidden(coefficients, feature.shape[2:]).transpose(0, 1).flatten(1).double().cpu()
        hidden = torch.cat([hidden, torch.ones_like(hidden[:1])])
        products += hidden @ hidden.t()
        targets += hidden @ feature.transpose(0, 1).flatten(1).double().cpu().t()
    products += _RIDGE * products.diagonal().mean() * torch.eye(width + 1, dtype=torch.float64)
    solution = torch.linalg.solve(products, targets).float()  # (width + 1, channels)
    coarse.leave.weight.copy_(solution[:width].t()[:, :, None, None])
    assert coarse.leave.bias is not None
    coarse.leave.bias.copy_(solution[width])
