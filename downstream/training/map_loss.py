"""The loss of the segmenters: cross-entropy with higher weights for rare classes, and a smooth Jaccard index.

Class weights: Paszke et al., "ENet", arXiv 1606.02147, section 5. Jaccard: Berman, Triki, Blaschko, "The Lovasz-Softmax
loss", CVPR 2018. Auxiliary loss of the coarse maps: Zhao et al., "PSPNet", CVPR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from downstream.api import VOID

_COARSE = 0.4
_COARSE_EVERY = 4
"""The coarse loss takes one row and column of four: coarse maps are no finer, and all pixels cost a tenth of a step."""
_LOVASZ_PIXELS = 1 << 16
"""The most pixels of a batch in the Lovasz part, which sorts them for each class; all cost more than the network."""


def class_weights(counts: Tensor) -> Tensor:
    """Weights of the classes, float32 (classes,), with a mean of 1: 1 / log(1.1 + share of the pixels).

    They are about 1 to 8 times the weight of the most frequent class. counts: pixels of each class, (classes,).
    """
    share = counts.double() / counts.sum().clamp(min=1)
    weights = 1 / torch.log(1.1 + share)
    return (weights / weights.mean()).float()


def map_loss(raw: tuple[Tensor, ...], truth: Tensor, weights: Tensor, lovasz: float) -> dict[str, Tensor]:
    """The parts of the loss, each a scalar: "cross_entropy", "lovasz", and "coarse", the cross-entropy of coarse maps.

    raw: logits (N, classes, h, w) at several strides, the answer first. truth: int64 (N, H, W). weights: (classes,).
    lovasz: weight of that part.
    """
    fine, *coarse = raw
    fine = _resized(fine, truth)
    parts = {
        "cross_entropy": _entropy(fine, truth, weights),
        "lovasz": fine.new_zeros(()),
        "coarse": fine.new_zeros(()),
    }
    if lovasz:
        parts["lovasz"] = lovasz * lovasz_softmax(*_sampled(fine, truth))
    sparse = truth[:, _COARSE_EVERY // 2 :: _COARSE_EVERY, _COARSE_EVERY // 2 :: _COARSE_EVERY]
    for maps in coarse:
        parts["coarse"] = parts["coarse"] + _COARSE * _entropy(_resized(maps, sparse), sparse, weights)
    return parts


def _resized(logits: Tensor, truth: Tensor) -> Tensor:
    """Logits at the size of the truth."""
    return interpolate(logits, size=truth.shape[1:], mode="bilinear", align_corners=False)


def _entropy(logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean cross-entropy; 0, not 0 / 0, if all pixels are void."""
    total = cross_entropy(logits, truth, weight=weights, ignore_index=VOID, reduction="sum")
    return total / weights[truth[truth != VOID]].sum().clamp(min=1.0)


def _sampled(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (pixels, classes) and classes (pixels,) of evenly spaced pixels that are not void."""
    indices = (truth.flatten() != VOID).nonzero().flatten()
    indices = indices[:: max(1, -(-len(indices) // _LOVASZ_PIXELS))]
    flat = logits.permute(0, 2, 3, 1).flatten(0, 2)  # (N, classes, H, W) -> (N * H * W, classes)
    return flat[indices].softmax(1), truth.flatten()[indices]


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The smooth extension of 1 - Jaccard, 0 to 1, averaged over the classes that occur; 0 without pixels.

    probabilities: (pixels, classes). labels: int64 (pixels,).

    >>> float(lovasz_softmax(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])))
    0.0
    """
    losses = []
    for label in torch.bincount(labels).nonzero().flatten().tolist():
        is_class = (labels == label).float()
        errors, order = (is_class - probabilities[:, label]).abs().sort(descending=True)
        hit = is_class[order]
        intersection = is_class.sum() - hit.cumsum(0)
        union = is_class.sum() + (1 - hit).cumsum(0)
        jaccard = 1 - intersection / union
        steps = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
        losses.append((errors * steps).sum())
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0.0
