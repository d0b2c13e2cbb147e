"""What a teacher adds to a loss: its own answers on the clean view, where the pupil sees what a codec left of it.

Soft answers: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531. For dense
detectors, scores weigh by how far off they are (Li et al., "Generalized Focal Loss", 2020) and geometry by how sure the
teacher is that there is something.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import interpolate, kl_div

_SMALLEST_MASS = 1.0


def taught_boxes(raw: tuple[Tensor, ...], taught: tuple[Tensor, ...]) -> Tensor:
    """How far a detector's maps are from those of a teacher of the same layout: a scalar.

    Both: (scores, geometry) for each level: logits (N, classes, h, w) and numbers (N, 4, h, w).
    """
    loss = raw[0].new_zeros(())
    mass = raw[0].new_zeros(())
    for scores, geometry, told, aimed in zip(raw[::2], raw[1::2], taught[::2], taught[1::2], strict=True):
        probability = told.sigmoid()
        focus = (scores.detach().sigmoid() - probability).square()
        sure = probability.amax(1, keepdim=True).square()  # (N, 1, h, w)
        loss = (
            loss
            + (cross_entropy(scores, probability, reduction="none") * focus).sum()
            + ((geometry - aimed).abs() * sure).sum()
        )
        mass = mass + sure.sum()
    return loss / mass.clamp(min=_SMALLEST_MASS)


def taught_maps(raw: tuple[Tensor, ...], taught: tuple[Tensor, ...]) -> Tensor:
    """Kullback-Leibler divergence of a segmenter's classes from a teacher's, the mean over the pixels of the coarser of
    both maps.
    """
    own, told = raw[0], taught[0]
    size = min(own.shape[2:], told.shape[2:], key=lambda hw: hw[0] * hw[1])
    own, told = (interpolate(one, size=size, mode="bilinear", align_corners=False) for one in (own, told))
    pixels = own.shape[0] * own.shape[2] * own.shape[3]
    return kl_div(own.log_softmax(1), told.log_softmax(1), reduction="sum", log_target=True) / pixels


TAUGHT = {"detection": taught_boxes, "segmentation": taught_maps}


def as_halves(raw: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
    """A teacher's maps of a batch as one tuple an image, float16 on the CPU, to be kept."""
    kept = [maps.to("cpu", torch.float16) for maps in raw]
    return [tuple(maps[i] for maps in kept) for i in range(len(kept[0]))]
