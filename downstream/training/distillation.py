"""The distillation part of a loss: a student on decoded images or latents learns a teacher's answers on clean views.

Soft targets: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531. For dense
detectors, scores are weighted by their error (Li et al., "Generalized Focal Loss", 2020) and geometry by the teacher's
confidence that an object is present.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import interpolate, kl_div

_MIN_WEIGHT = 1.0


def distilled_boxes(student: tuple[Tensor, ...], teacher: tuple[Tensor, ...]) -> Tensor:
    """The distance of a detector's maps from those of a teacher with the same layout: a scalar.

    Both are (scores, geometry) for each level: logits (N, classes, h, w) and numbers (N, 4, h, w).
    """
    loss = student[0].new_zeros(())
    weight = student[0].new_zeros(())
    for scores, geometry, teacher_scores, teacher_geometry in zip(
        student[::2], student[1::2], teacher[::2], teacher[1::2], strict=True
    ):
        probability = teacher_scores.sigmoid()
        focus = (scores.detach().sigmoid() - probability).square()
        confidence = probability.amax(1, keepdim=True).square()  # (N, 1, h, w)
        loss = (
            loss
            + (cross_entropy(scores, probability, reduction="none") * focus).sum()
            + ((geometry - teacher_geometry).abs() * confidence).sum()
        )
        weight = weight + confidence.sum()
    return loss / weight.clamp(min=_MIN_WEIGHT)


def distilled_maps(student: tuple[Tensor, ...], teacher: tuple[Tensor, ...]) -> Tensor:
    """The Kullback-Leibler divergence of a segmenter's classes from a teacher's: a scalar.

    It is the mean over the pixels of the coarser of both maps.
    """
    size = min(student[0].shape[2:], teacher[0].shape[2:], key=lambda hw: hw[0] * hw[1])
    student_logits, teacher_logits = (
        interpolate(logits, size=size, mode="bilinear", align_corners=False) for logits in (student[0], teacher[0])
    )
    pixels = student_logits.shape[0] * student_logits.shape[2] * student_logits.shape[3]
    divergence = kl_div(student_logits.log_softmax(1), teacher_logits.log_softmax(1), reduction="sum", log_target=True)
    return divergence / pixels


DISTILLED = {"detection": distilled_boxes, "segmentation": distilled_maps}


def as_halves(raw: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
    """A teacher's maps of a batch as one tuple for each image, float16 on the CPU, so that they can be kept."""
    halves = [maps.to("cpu", torch.float16) for maps in raw]
    return [tuple(maps[i] for maps in halves) for i in range(len(halves[0]))]
