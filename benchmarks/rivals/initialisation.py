"""The first weights of a rival: principal components of blocks of 2x2 samples, layer after layer.

    analysis    2x2 blocks of the layer's input ──components──> its output    (the centre of each 5x5 kernel)
    synthesis   the transposed components, in reverse order

Without any training the transforms are then an orthogonal block transform that keeps nearly all of an image. From
random weights most channels of y stay at zero for thousands of steps, because a symbol that is always 0 teaches its
decoder nothing. hsc starts from principal components, too (``hsc.training.initialisation``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_SIDE = 2
_CENTRE = slice(2, 4)
"""The rows and columns of a 5x5 kernel that see one block, with CompressAI's padding."""
_DIVISION = 0.01
"""First weight of a channel's own square in a divisive normalisation: almost none."""
_SPREAD = 3.0
"""Scale of y over an orthogonal transform of pixels from 0 to 1; gains of about 1 then give the rates."""


@torch.no_grad()
def set_components(model: Any, images: Tensor) -> None:
    """Set the transforms of a ``mbt2018-mean-vbr`` from images, float32 (B, 3, h, w), 0 to 1.

    Channels beyond the number of components stay random and are not read at first. The scales that the hyper-synthesis
    starts with are the standard deviations of y.
    """
    samples, dimensions = images.contiguous(), images.shape[1]
    analysis, synthesis = list(model.g_a), list(model.g_s)[::-1]
    for forward, back in zip(analysis, synthesis, strict=True):
        if not isinstance(forward, nn.Conv2d):
            for normalisation in (forward, back):
                divisors = _DIVISION * torch.eye(len(normalisation.beta))
                normalisation.gamma.copy_(normalisation.gamma_reparam.init(divisors))
            samples = forward(_padded(samples, len(forward.beta)))[:, :dimensions]
            continue
        mean, components = _components(samples[:, :dimensions], forward.out_channels)
        _set(forward, back, mean, components, dimensions)
        samples = forward(_padded(samples, forward.in_channels))
        dimensions = len(components)
    last, first = analysis[-1], synthesis[-1]
    last.weight.mul_(_SPREAD)
    last.bias.mul_(_SPREAD)
    first.weight.div_(_SPREAD)
    scales = model.h_s[-1].bias[: last.out_channels]
    scales.copy_(samples.mul(_SPREAD).std((0, 2, 3)))


def _components(samples: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The mean of blocks, (C 2 2,), and at most ``most`` principal components, strongest first, (K, C, 2, 2)."""
    blocks = nn.functional.unfold(samples, _SIDE, stride=_SIDE).transpose(1, 2).flatten(0, 1).double()
    mean = blocks.mean(0)
    vectors = torch.linalg.eigh((blocks - mean).t() @ (blocks - mean)).eigenvectors.flip(1).t()[:most]
    return mean.float(), vectors.reshape(len(vectors), -1, _SIDE, _SIDE).float()


def _set(forward: nn.Conv2d, back: nn.ConvTranspose2d, mean: Tensor, components: Tensor, dimensions: int) -> None:
    """Set a layer of the analysis and its counterpart of the synthesis."""
    count = len(components)
    forward.weight[:count] = 0
    forward.weight[:count, :dimensions, _CENTRE, _CENTRE] = components
    assert forward.bias is not None
    assert back.bias is not None
    forward.bias[:count] = -(components.flatten(1) @ mean)
    back.weight[:, :dimensions] = 0
    back.weight[:count, :dimensions, _CENTRE, _CENTRE] = components
    back.bias[:dimensions] = mean.reshape(dimensions, -1).mean(1)


def _padded(samples: Tensor, channels: int) -> Tensor:
    """Samples with channels of zeros behind theirs."""
    return nn.functional.pad(samples, (0, 0, 0, 0, 0, channels - samples.shape[1]))
