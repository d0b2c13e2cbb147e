"""What a segmenter learns: cross-entropy that rare classes weigh more in, and the Jaccard index itself.

Weights: Paszke et al., "ENet", arXiv 1606.02147, section 5. Jaccard: Berman, Triki, Blaschko, "The Lovasz-Softmax
loss", CVPR 2018.
The coarse maps are learnt beside (Zhao et al., "PSPNet", CVPR 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from downstream.api import VOID

_COARSE = 0.4
_COARSE_EVERY = 4  # rows and columns; coarse maps know no more, and the loss would cost a tenth of the step
_LOVASZ_PIXELS = 1 << 16
"""The pixels of a batch that the Lovasz part looks at: it sorts them once a class, which costs more than the network if
all are taken.
"""


def class_weights(counts: Tensor) -> Tensor:
    """float32 (classes,) with a mean of 1: 1 / log(1.1 + share of the pixels), from about 1 to 8 times the commonest
    one's.
    """
    share = counts.double() / counts.sum().clamp(min=1)
    weights = 1 / torch.log(1.1 + share)
    return (weights / weights.mean()).float()


def map_loss(raw: tuple[Tensor, ...], truth: Tensor, weights: Tensor, lovasz: float) -> dict[str, Tensor]:
    """Loss parts, each a scalar: "cross_entropy", "lovasz", and "coarse", the cross-entropy of the coarse maps.

    raw: logits (N, classes, h, w) of strides of their own, the answer first. truth: int64 (N, H, W). weights:
    (classes,).
    """
    fine, *coarse = raw
    fine = _at(fine, truth)
    parts = {
        "cross_entropy": _entropy(fine, truth, weights),
        "lovasz": fine.new_zeros(()),
        "coarse": fine.new_zeros(()),
    }
    if lovasz:
        parts["lovasz"] = lovasz * lovasz_softmax(*_some(fine, truth))
    sparse = truth[:, _COARSE_EVERY // 2 :: _COARSE_EVERY, _COARSE_EVERY // 2 :: _COARSE_EVERY]
    for maps in coarse:
        parts["coarse"] = parts["coarse"] + _COARSE * _entropy(_at(maps, sparse), sparse, weights)
    return parts


def _at(logits: Tensor, truth: Tensor) -> Tensor:
    """Logits in the size of the truth."""
    return interpolate(logits, size=truth.shape[1:], mode="bilinear", align_corners=False)


def _entropy(logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean, and 0 rather than 0 / 0 where all is void."""
    total = cross_entropy(logits, truth, weight=weights, ignore_index=VOID, reduction="sum")
    return total / weights[truth[truth != VOID]].sum().clamp(min=1.0)


def _some(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (pixels, classes) and classes (pixels,) of evenly spaced pixels that are not void."""
    which = (truth.flatten() != VOID).nonzero().flatten()
    which = which[:: max(1, -(-len(which) // _LOVASZ_PIXELS))]
    flat = logits.permute(0, 2, 3, 1).flatten(0, 2)  # (N, classes, H, W) -> (N * H * W, classes)
    return flat[which].softmax(1), truth.flatten()[which]


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The smooth extension of 1 - Jaccard, 0 to 1, averaged over the classes that are there; 0 where there is no pixel.

    probabilities: (pixels, classes). labels: int64 (pixels,).

    >>> float(lovasz_softmax(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])))
    0.0
    """
    losses = []
    for number in torch.bincount(labels).nonzero().flatten().tolist():
        there = (labels == number).float()
        errors, order = (there - probabilities[:, number]).abs().sort(descending=True)
        hit = there[order]
        intersection = there.sum() - hit.cumsum(0)
        union = there.sum() + (1 - hit).cumsum(0)
        jaccard = 1 - intersection / union
        steps = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
        losses.append((errors * steps).sum())
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0.0
