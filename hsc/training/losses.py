"""The losses of decoded images, one number per sample, so that each can be weighted against its own rate.

    D = |e| + gradient * sum over scales of |grad e| + teacher * (difference of its outputs)      e = decoded - image

All terms are means over pixels multiplied by the weight map, so that objects can count more than their surroundings.
Third-party heads fail on blur: the gradient term demands edges at three scales (Mathieu et al. 2016, "Deep multi-scale
video prediction beyond mean square error", section 3.2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hsc.training.object_maps import object_divergence
from hsc.training.teachers.seen import Seen

_SCALES = 3
_PERIODS = (4, 8, 16)
_OBJECTS = 4.0


def pixel_loss(decoded: Tensor, images: Tensor, weight: Tensor, gradient: float) -> Tensor:
    """Absolute error and its gradients: images (B, 3, h, w), weight (B, 1, h, w) -> (B,)."""
    error = decoded - images
    total = (weight * error.abs()).mean((1, 2, 3))
    for scale in range(_SCALES):
        if scale:
            error, weight = functional.avg_pool2d(error, 2), functional.avg_pool2d(weight, 2)
        across = (weight[..., 1:] * error.diff(dim=3).abs()).mean((1, 2, 3))
        down = (weight[..., 1:, :] * error.diff(dim=2).abs()).mean((1, 2, 3))
        total = total + gradient / _SCALES * (across + down)
    return total


def lattice_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """Error of the steps across multiples of 4, 8 and 16 pixels, where networks that double sides leave lattices.

    Images (B, 3, h, w), sides of 32 or more -> (B,). The three periods count alike, so a multiple of 16 counts most.
    """
    error = decoded - images
    across, down = error.diff(dim=3).abs(), error.diff(dim=2).abs()
    steps = [across[..., period - 1 :: period].mean((1, 2, 3)) for period in _PERIODS]
    steps += [down[..., period - 1 :: period, :].mean((1, 2, 3)) for period in _PERIODS]
    return torch.stack(steps).mean(0)


def teacher_loss(decoded: Seen, original: Seen, weight: Tensor) -> Tensor:
    """The difference between a frozen teacher's outputs for decoded and original images, (B,).

    It is the sum of the distance of features relative to their mean absolute values, and where the teacher has them,
    the divergence of class maps and the divergence of object maps.
    """
    total = weight.new_zeros(len(weight))
    if decoded.logits is not None and original.logits is not None:
        fine = _pooled(weight, decoded.logits)
        divergence = functional.kl_div(
            decoded.logits.log_softmax(1), original.logits.log_softmax(1), reduction="none", log_target=True
        )
        total = (fine * divergence.sum(1, keepdim=True)).mean((1, 2, 3))
    for feature, target in zip(decoded.features, original.features, strict=True):
        size = target.abs().mean((1, 2, 3)).clamp(min=1e-3)
        total = total + (_pooled(weight, target) * (feature - target).abs()).mean((1, 2, 3)) / size
    if decoded.objects is not None and original.objects is not None:
        object_weight = _pooled(weight, decoded.objects)
        total = total + _OBJECTS * object_divergence(decoded.objects, original.objects, object_weight)
    return total


def latent_loss(feature_hat: Tensor, feature: Tensor, scale: Tensor) -> Tensor:
    """Mean square of F_hat - F in units of F's deviation, (B,). scale: the deviation, (C,). F gets no gradient."""
    return ((feature_hat - feature.detach()) / scale[:, None, None]).square().mean((1, 2, 3))


def where_loss(logits: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of predicting from F the fraction of each sample's patch that objects cover.

    logits (B, 1, h, w), weight (B, 1, H, W) -> (B,). Objects are where the weight is above 1, that of the background.
    An encoder that knows where objects are can spend its bits there.
    """
    share = functional.avg_pool2d((weight > 1).float(), weight.shape[2] // logits.shape[2])
    return functional.binary_cross_entropy_with_logits(logits.float(), share, reduction="none").mean((1, 2, 3))


def _pooled(weight: Tensor, like: Tensor) -> Tensor:
    """The weight map at the size of another map: the largest weight below each of its samples."""
    size = like.shape[2:]
    return weight if weight.shape[2:] == size else functional.adaptive_max_pool2d(weight, size)
