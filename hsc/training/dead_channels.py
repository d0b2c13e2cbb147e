"""Before the stage codec: channels of y that initial weights never use get the part of pictures that decoding loses.

    image - decoded image, patch by patch ──regression on F - E_w──> K strongest components: readings A, patches B

    y of a silent channel = A (F - E_w) / step        F_hat += step D y, in directions D that F_hat does not use yet,
                                                      where the generator's patches become B

A channel whose symbols are 0 at every trained quality gets no gradient but that of its rate, so training never brings
it back: of the 88 channels of the last slice of ``roadscenes-coarse`` 10 were in use, and more bits brought little.
All components have one step, with which they take the bits that are left at the highest quality. The networks that
predict symbols start with the components' deviations and a mean of 0.

Source: ours; the regression: Izenman 1975, "Reduced-rank regression for the multivariate linear model"; one step for
all components is reverse water-filling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding import checkerboard
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.entropy_coding.integer_nets import IntegerConv2d, IntegerSequence
from hsc.networks.fcn import FCN
from hsc.networks.model import HscModel
from hsc.training import distributed
from hsc.training.components import columns, expecting, step_for, strongest, unexpected
from hsc.training.shards import Batch

_SELDOM = 1e-3  # share of the symbols of a silent channel that are not 0
_LEAST_BITS = 8.0  # of a patch's new components
_MOST_STEPS = 64.0
_FEATURE_DEVIATION = 0.1  # of what new channels add to standardised F, so little that the generator's layers stay calm


class Lost(NamedTuple):
    """What decoding loses, in float64; C channels of F, M of y, P numbers of a patch.

    used: (M,) share of the symbols of each channel that are not 0. bits: of F, per patch. inputs: (C, C) covariance of
    F - E_w, and mean: (C,) its mean. products: (P, C) covariance of the residual patches with it. decoded: (C, C)
    covariance of standardised F_hat, and centre: (C,) its mean.
    """

    used: Tensor
    bits: float
    inputs: Tensor
    mean: Tensor
    products: Tensor
    decoded: Tensor
    centre: Tensor


@torch.no_grad()
def revive(model: HscModel, batches: Iterable[Batch], rates: tuple[float, ...]) -> int:
    """Set the silent channels of a model to components of what it loses, in place, and return their number.

    batches: of images whose sides are multiples of a patch's, -1 to 1. rates: bits per pixel of the qualities 1, 2, ...
    A model without patches, or whose y has another stride than F, is left as it is.
    """
    patches, fcn = model.generator.patches, model.fcn
    if patches is None or fcn.config.stride != 1:
        return 0
    training, top = model.training, len(rates)
    model.eval()
    lost = _lost(model, batches, top * QUALITY_STEPS)
    silent = (lost.used < _SELDOM).nonzero()[:, 0]
    if len(silent):
        bits = rates[-1] * model.profile.generator.stride**2 - lost.bits
        _set_channels(fcn, patches, lost, silent, (top, max(bits, _LEAST_BITS)))
        distributed.share(fcn, patches)
    model.train(training)
    return len(silent)


def _lost(model: HscModel, batches: Iterable[Batch], quality: int) -> Lost:
    """Code images at a quality, in 1/32, and sum up what is lost."""
    used, bits, inputs, residuals, restored = [], [], [], [], []
    for batch in batches:
        qualities = torch.full((len(batch.images),), quality, device=batch.images.device)
        coded = model(batch.images, qualities, detail=False)
        used.append((coded.features.symbols != 0).double().mean((0, 2, 3)))
        bits.append(coded.features.bits.sum(1).mean() / math.prod(coded.feature.shape[2:]))
        inputs.append(unexpected(model, coded))
        error = batch.images - coded.image.float()
        residuals.append(columns(functional.pixel_unshuffle(error, model.profile.generator.stride)))
        restored.append(columns(model.fcn.standard(coded.features.feature)))
    x, residual, decoded = (torch.cat(parts, 1) for parts in (inputs, residuals, restored))
    mean, count = x.mean(1), x.shape[1]
    x, residual = x - mean[:, None], residual - residual.mean(1, keepdim=True)
    return Lost(
        torch.stack(used).mean(0),
        float(torch.stack(bits).mean()),
        x @ x.t() / count,
        mean,
        residual @ x.t() / count,
        torch.cov(decoded),
        decoded.mean(1),
    )


def _set_channels(fcn: FCN, patches: nn.Conv2d, lost: Lost, silent: Tensor, top: tuple[int, float]) -> None:
    """Set silent channels, (K,) indexes. top: the highest quality, and the bits of a patch that they may take there."""
    count = len(silent)
    slope, axes, deviations = strongest(lost.inputs, lost.products, count)
    alive = torch.ones(fcn.config.channels, dtype=torch.bool, device=silent.device)
    alive[silent] = False
    if bool(alive.any()):
        fcn.quality.log_gain[:, silent] = fcn.quality.log_gain[:, alive].median(1, keepdim=True).values
    fcn.quality.log_inverse[:, silent] = -fcn.quality.log_gain[:, silent]
    quality, bits = top
    gain = fcn.quality.log_gain[quality, silent].double().exp()
    step = step_for(deviations, bits, _MOST_STEPS) * gain  # of patches, per unit of y
    reading = axes.t() @ slope / step[:, None]
    set_analysis(fcn, silent, reading, -reading @ lost.mean)
    free = torch.linalg.eigh(lost.decoded).eigenvectors[:, :count]  # where F_hat varies least
    set_synthesis(fcn, silent, free * (_FEATURE_DEVIATION * step / deviations))
    shown = patches.weight[:, :, 0, 0].double() * fcn.standard.scale.double()  # patches of standardised F
    change = (axes * (deviations / _FEATURE_DEVIATION) - shown @ free) @ free.t()
    scaled = change / fcn.standard.scale.double()
    patches.weight[:, :, 0, 0] += scaled.float()
    assert patches.bias is not None
    patches.bias -= (scaled @ fcn.standard.mean.double() + change @ lost.centre).float()
    _set_prior(fcn, silent, deviations / step)


def set_analysis(fcn: FCN, silent: Tensor, reading: Tensor, constant: Tensor) -> None:
    """Let g_a read channels, (K,) indexes, linearly: reading (K, C) and constant (K,) of standardised F less E_w."""
    analysis = fcn.analysis
    assert analysis.direct is not None
    assert isinstance(analysis.leave, nn.Conv2d)
    assert analysis.gate is not None
    for layer in (analysis.leave, analysis.gate):
        assert layer.bias is not None
        layer.weight[silent] = 0
        layer.bias[silent] = 0
    analysis.direct.weight[silent, :, 0, 0] = reading.float()
    assert analysis.leave.bias is not None
    analysis.leave.bias[silent] = constant.float()


def set_synthesis(fcn: FCN, silent: Tensor, directions: Tensor) -> None:
    """Let g_s add channels, (K,) indexes, to standardised F in directions, (C, K), and do nothing else with them."""
    assert fcn.synthesis.direct is not None
    fcn.synthesis.direct.weight[:, silent, 0, 0] = directions.float()
    fcn.synthesis.enter.weight[:, silent] = 0


def _set_prior(fcn: FCN, silent: Tensor, deviations: Tensor) -> None:
    """Let the integer networks expect silent channels' deviations, (K,) in units of y, and read none of them."""
    biases = torch.zeros(2, fcn.config.channels, device=silent.device)
    biases[:, silent] = expecting(deviations)
    chosen = torch.zeros(fcn.config.channels, dtype=torch.bool, device=silent.device)
    chosen[silent] = True
    for coding_pass, net in zip(fcn.passes, fcn.nets, strict=True):
        assert isinstance(net, IntegerSequence)
        first, last = net.layers[0], net.layers[-1]
        assert isinstance(first, IntegerConv2d)
        assert isinstance(last, IntegerConv2d)
        own = chosen[coding_pass.channels]
        last.weight[own.repeat(2)] = 0
        last.bias[own.repeat(2)] = biases[:, coding_pass.channels][:, own].flatten()
        offsets = len(checkerboard.known_neighbours(fcn.config.passes, coding_pass.pass_index))
        before = chosen[: coding_pass.start if fcn.ablation.shared else 0]
        context = chosen.new_zeros(fcn.config.context)
        first.weight[:, torch.cat([context, before.repeat(len(checkerboard.SQUARE)), own.repeat(offsets)])] = 0
