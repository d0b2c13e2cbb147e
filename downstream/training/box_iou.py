"""Overlap of boxes, for losses and assignment."""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of box pairs (..., 4), broadcast; Rezatofighi et al., CVPR 2019."""
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    outer = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    shared = inner[..., 0] * inner[..., 1]
    union = _area(a) + _area(b) - shared
    hull = outer[..., 0] * outer[..., 1]
    iou = shared / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def _area(boxes: Tensor) -> Tensor:
    sides = boxes[..., 2:] - boxes[..., :2]
    return sides[..., 0] * sides[..., 1]


def inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether points (M, 2) lie in boxes (G, 4): bool (G, M)."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]  # (G, 4) -> (G, 1, 2)
    return ((points >= low) & (points < high)).all(-1)
