"""Before the stage codec of new weights: y as the principal components of patches, with steps that meet the rates.

    F - E_w ──regression──> patches ──K strongest components, in steps──> y         F_hat = E_w + regression on y

A new codec then starts as a transform code, about as good as JPEG, and training goes on from there; from random
transforms most of a short training would pass before that. All components have one step at each quality, with which
they take the bits of its target rate; the integer networks start with the components' deviations and means of 0.

Source: ours; principal components with one step are the Karhunen-Loeve transform with reverse water-filling (Goyal
2001, "Theoretical foundations of transform coding").
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding.integer_nets import IntegerConv2d, IntegerSequence
from hsc.networks.fcn import FCN
from hsc.networks.model import HscModel
from hsc.training import distributed
from hsc.training.components import columns, expecting, step_for, strongest, unexpected
from hsc.training.shards import Batch

_CONTEXT = 1.4  # bits that components would take without context, per bit that they take with it
_MOST_STEPS = 256.0


@torch.no_grad()
def set_components(model: HscModel, batches: Iterable[Batch], rates: tuple[float, ...]) -> None:
    """Set g_a, g_s, the gains and the first means and levels of F, in place.

    batches: of images whose sides are multiples of a patch's, -1 to 1. rates: bits per pixel of the qualities 1, 2, ...
    The profile's y has the stride of F.
    """
    training, fcn, stride = model.training, model.fcn, model.profile.generator.stride
    model.eval()
    features, patches = [], []
    for batch in batches:
        coded = model(batch.images, torch.full((len(batch.images),), 128, device=batch.images.device), keep=0)
        features.append(unexpected(model, coded))
        patches.append(columns(functional.pixel_unshuffle(batch.images, stride)))
    feature, patch = torch.cat(features, 1), torch.cat(patches, 1)
    mean = feature.mean(1)
    centred = feature - mean[:, None]
    covariance = centred @ centred.t() / centred.shape[1]
    products = (patch - patch.mean(1, keepdim=True)) @ centred.t() / centred.shape[1]
    slope, axes, deviations = strongest(covariance, products, fcn.config.channels)
    reading = axes.t() @ slope
    steps = [step_for(deviations, _CONTEXT * rate * stride**2, _MOST_STEPS) for rate in rates]
    unit = steps[len(steps) // 2]
    _set_transforms(fcn, reading / unit, mean, covariance @ reading.t() / deviations.square() * unit)
    _set_gains(fcn, [math.log(unit / step) for step in steps])
    _set_priors(fcn, deviations / unit)
    distributed.share(fcn)
    model.train(training)


def _set_transforms(fcn: FCN, reading: Tensor, mean: Tensor, restoring: Tensor) -> None:
    """Let g_a read components linearly, (M, C), and g_s restore F less E_w, of this mean (C,), from them, (C, M)."""
    analysis, synthesis = fcn.analysis, fcn.synthesis
    for transform, weight in ((analysis, reading), (synthesis, restoring)):
        assert transform.direct is not None
        assert isinstance(transform.leave, nn.Conv2d)
        assert transform.leave.bias is not None
        transform.direct.weight[:, :, 0, 0] = weight.float()
        transform.leave.weight.zero_()
    assert isinstance(analysis.leave, nn.Conv2d)
    assert isinstance(synthesis.leave, nn.Conv2d)
    assert analysis.leave.bias is not None
    assert synthesis.leave.bias is not None
    analysis.leave.bias.copy_(-(reading @ mean).float())
    synthesis.leave.bias.copy_(mean.float())


def _set_gains(fcn: FCN, log_gains: list[float]) -> None:
    """Set the gains of all channels alike at the qualities 1, 2, ...; below and above, curves go on straight."""
    trained = len(log_gains)
    for curve, sign in ((fcn.quality.log_gain, 1), (fcn.quality.log_inverse, -1)):
        for quality, log_gain in enumerate(log_gains, 1):
            curve[quality] = sign * log_gain
        curve[0] = 2 * curve[1] - curve[2]
    fcn.quality.continue_above(trained)


def _set_priors(fcn: FCN, deviations: Tensor) -> None:
    """Let the integer networks expect a mean of 0 and these deviations, (M,) in units of y, whatever they read."""
    biases = expecting(deviations)
    for coding_pass, net in zip(fcn.passes, fcn.nets, strict=True):
        assert isinstance(net, IntegerSequence)
        last = net.layers[-1]
        assert isinstance(last, IntegerConv2d)
        last.weight.zero_()
        last.bias.copy_(biases[:, coding_pass.channels].flatten())
