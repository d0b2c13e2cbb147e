"""The training stage "semantic": the picture is restored from w alone, its coarse map included; F is not coded.

    images ──frozen GIE──> W+, F ──SCN (coarse map trained)──> bits of w, w_hat, F_w ──frozen generator──> images

Before its first step the map is set from pictures (``set_map``): its coefficients become principal components of
thumbnails, which F holds in linear form, with one step size for all of them; F_w becomes the linear function of the map
that is nearest to F_hat, the F that the generator knows, and E_w the one nearest to F. What w leaves open is best
filled with the mean of what it could be, so the loss is of squares.

Source: ours; principal components with one step size are the Karhunen-Loeve transform of a Gaussian source with
reverse water-filling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.entropy_coding.gains import GAIN_UNIT
from hsc.networks.coarse_map import CoarseMap
from hsc.networks.model import HscModel
from hsc.training import distributed
from hsc.training.components import step_for
from hsc.training.losses import pixel_loss
from hsc.training.shards import Batch

_COARSE = 4  # pixels that the coarse scale averages along a side, and samples of a thumbnail along a patch
_SQUARES = 10.0
_FIRST_BITS, _FIRST_QUALITY = 200.0, 3  # bits of the map before training, about, and where
_DECODED_QUALITY = 5  # of the F_hat that F_w is first fitted to
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
    feature = model.fcn.restore(None, words.w_hat, quality, size, model.scn.prediction(words.coefficients, size))
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
    """Set the coarse map from pictures: its reading of F, its scale and prior, the map it decodes to, and F_w and E_w.

    predict: also set F_w and E_w; else they stay as they are, and are zero in a new model.
    """
    coarse = model.scn.coarse
    assert coarse is not None
    model.eval()
    features, decoded, patches = [], [], []
    for batch in batches:
        latents = model.gie(batch.images)
        features.append(model.fcn.standard(latents.feature))
        patches.append(_patches(batch.images, latents.feature.shape[2:]))
        if predict:
            quality = torch.full((len(batch.images),), _DECODED_QUALITY * QUALITY_STEPS, device=batch.images.device)
            coded = model.compress(latents.w_plus, latents.feature, quality)[1]
            decoded.append(model.fcn.standard(coded.feature))
    _set_reading(coarse, features, patches)
    _set_basis(coarse, torch.cat([coarse.pool(feature) for feature in features]))
    if predict:
        _fit(coarse, coarse.expect, features, features)
        _fit(coarse, coarse.leave, features, decoded)
    distributed.share(coarse)
    model.train()


def _patches(images: Tensor, size: torch.Size) -> Tensor:
    """The pixels of every position of F at a coarse scale: images (B, 3, H, W) -> (B, 3 * 4 * 4, h, w)."""
    thumbnails = functional.adaptive_avg_pool2d(images, (_COARSE * size[0], _COARSE * size[1]))
    return functional.pixel_unshuffle(thumbnails, _COARSE)


def _set_reading(coarse: CoarseMap, features: Sequence[Tensor], patches: Sequence[Tensor]) -> None:
    """Let the map read from F the principal components of patches, as the linear function of F nearest to them."""
    pixels = torch.cat([patch.transpose(0, 1).flatten(1) for patch in patches], 1).double()  # (48, positions)
    centred = pixels - pixels.mean(1, keepdim=True)
    axes = torch.linalg.eigh(centred @ centred.t()).eigenvectors.flip(1)[:, : coarse.config.reading]
    scores = axes.t() @ centred  # (up to reading, positions)
    inputs = torch.cat([feature.transpose(0, 1).flatten(1) for feature in features], 1).double()
    solution = _least_squares(inputs, scores)
    coarse.squeeze.weight[: len(scores)] = solution[:-1].t()[:, :, None, None].to(coarse.squeeze.weight)
    assert coarse.squeeze.bias is not None
    coarse.squeeze.bias[: len(scores)] = solution[-1].to(coarse.squeeze.bias)


def _set_basis(coarse: CoarseMap, pooled: Tensor) -> None:
    """Set the coefficients and the decoded map to principal components of what the map reads from pooled F.

    Components beyond the number of pictures stay random and small.
    """
    config, (count, _, rows, columns) = coarse.config, pooled.shape
    vectors = coarse.squeeze(pooled).flatten(1).double()  # (N, reading * rows * columns)
    mean = vectors.mean(0)
    _, sizes, components = torch.linalg.svd(vectors - mean, full_matrices=False)
    usable = min(config.symbols, max(1, count - 1), len(sizes))
    deviation, components = sizes[:usable] / math.sqrt(count), components[:usable]
    gain = float(coarse.quality.log_gain[_FIRST_QUALITY].exp().mean())
    # pictures that differ in little have fewer bits
    step = step_for(deviation * gain, _FIRST_BITS, _MOST_STEPS)
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
    nn.init.dirac_(coarse.enter.weight[: config.channels])


def _fit(coarse: CoarseMap, layer: nn.Conv2d, features: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    """Set a last layer by least squares on targets, from the coefficients of F rounded at the first quality."""
    hidden = []
    for feature in features:
        quality = torch.full((len(feature),), _FIRST_QUALITY * QUALITY_STEPS, device=feature.device)
        gain = (coarse.quality.gains(quality).gain / GAIN_UNIT).float()
        coefficients = (coarse.analyse(feature)[:, :, 0, 0] * gain).round() / gain
        hidden.append(coarse.hidden(coefficients, feature.shape[2:]).transpose(0, 1).flatten(1))
    wanted = torch.cat([target.transpose(0, 1).flatten(1) for target in targets], 1)
    solution = _least_squares(torch.cat(hidden, 1).double(), wanted.double())
    layer.weight.copy_(solution[:-1].t()[:, :, None, None])
    assert layer.bias is not None
    layer.bias.copy_(solution[-1])


def _least_squares(inputs: Tensor, targets: Tensor) -> Tensor:
    """Weights and, as the last row, constants of the linear function nearest to targets: (inputs + 1, outputs).

    inputs, targets: (channels, samples) float64.
    """
    inputs = torch.cat([inputs, torch.ones_like(inputs[:1])])
    products = inputs @ inputs.t()
    ridge = _RIDGE * products.diagonal().mean() * torch.eye(len(inputs), dtype=inputs.dtype, device=inputs.device)
    solution: Tensor = torch.linalg.solve(products + ridge, inputs @ targets.t())
    return solution
