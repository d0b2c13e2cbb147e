"""What training holds against a made image: one number a sample, so that each can be weighed by its own rate.

    D = |e| + gradient * sum over scales of |grad e| + teacher * (what the teacher sees differently)      e = made - image

All terms are means over pixels multiplied by the weight map, so that objects may count more than their surroundings.
Blur is what strangers cannot read: the gradient term asks for edges at three scales (Mathieu et al. 2016, "Deep
multi-scale video prediction beyond mean square error", section 3.2).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from hsc.training.object_maps import seen_apart
from hsc.training.teacher import Seen

_SCALES = 3
_OBJECTS = 4.0


def pixel_loss(made: Tensor, images: Tensor, weight: Tensor, gradient: float) -> Tensor:
    """Absolute error and its gradients: images (B, 3, h, w), weight (B, 1, h, w) -> (B,)."""
    error = made - images
    total = (weight * error.abs()).mean((1, 2, 3))
    for scale in range(_SCALES):
        if scale:
            error, weight = functional.avg_pool2d(error, 2), functional.avg_pool2d(weight, 2)
        across = (weight[..., 1:] * error.diff(dim=3).abs()).mean((1, 2, 3))
        down = (weight[..., 1:, :] * error.diff(dim=2).abs()).mean((1, 2, 3))
        total = total + gradient / _SCALES * (across + down)
    return total


def teacher_loss(made: Seen, seen: Seen, weight: Tensor) -> Tensor:
    """How differently a frozen teacher sees two images: (B,).

    Divergence of its class maps, of where it finds objects, and distance of its features, each relative to their own
    mean size.
    """
    fine = _pooled(weight, made.logits)
    divergence = functional.kl_div(
        made.logits.log_softmax(1), seen.logits.log_softmax(1), reduction="none", log_target=True
    )
    total = (fine * divergence.sum(1, keepdim=True)).mean((1, 2, 3))
    for own, true in zip(made.features, seen.features, strict=True):
        size = true.abs().mean((1, 2, 3)).clamp(min=1e-3)
        total = total + (_pooled(weight, true) * (own - true).abs()).mean((1, 2, 3)) / size
    if made.objects is not None and seen.objects is not None:
        total = total + _OBJECTS * seen_apart(made.objects, seen.objects, _pooled(weight, made.objects))
    return total


def latent_loss(feature_hat: Tensor, feature: Tensor, scale: Tensor) -> Tensor:
    """Mean square of F_hat - F in units of F's deviation, (C,) -> (B,). F itself is a target here: no gradient goes to
    it.
    """
    return ((feature_hat - feature.detach()) / scale[:, None, None]).square().mean((1, 2, 3))


def where_loss(logits: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of telling, from F, which share of each sample's patch objects cover: (B, 1, h, w), (B, 1, H, W) ->
    (B,).

    Objects are where the weight is above 1, the background's. An encoder that knows where they are can spend its bits
    there.
    """
    share = functional.avg_pool2d((weight > 1).float(), weight.shape[2] // logits.shape[2])
    return functional.binary_cross_entropy_with_logits(logits.float(), share, reduction="none").mean((1, 2, 3))


def _pooled(weight: Tensor, like: Tensor) -> Tensor:
    """The weight map at the size of another."""
    factor = weight.shape[2] // like.shape[2]
    return functional.max_pool2d(weight, factor) if factor > 1 else weight
