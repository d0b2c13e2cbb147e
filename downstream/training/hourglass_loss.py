"""What the hourglass learns: a bump of heat on each object, and the box from the cells in its middle.

Heat: penalty-reduced focal loss (Law and Deng, "CornerNet", ECCV 2018; Zhou et al. 2019). Bumps shaped like the box and
boxes
learnt from a patch of cells: Liu et al., "Training-Time-Friendly Network", AAAI 2020.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from downstream.networks.detectors.hourglass import STRIDE, boxes_of
from downstream.networks.detectors.layers import cell_centres
from downstream.training.box_iou import generalised_iou, inside
from downstream.training.shards import Boxes

_SHARE = 0.54
"""Part of the box that its bump covers, to three standard deviations."""
_BOX_WEIGHT = 4.0


def hourglass_loss(raw: tuple[Tensor, ...], truth: list[Boxes]) -> dict[str, Tensor]:
    """Loss parts, each a scalar: "score", by the number of objects, and "box", by the weight of the cells."""
    heat, geometry = raw
    classes, rows, columns = heat.shape[1:]
    targets = [target_of(one, classes, rows, columns) for one in truth]
    wanted = torch.stack([t[0] for t in targets])  # (N, classes, h, w)
    counted = torch.stack([t[1] for t in targets])
    aimed = torch.stack([t[2] for t in targets])  # (N, h * w, 4)
    weight = torch.stack([t[3] for t in targets])  # (N, h * w)
    objects = max(1.0, float(sum((~one.ignored).sum() for one in truth)))
    probability = heat.sigmoid()
    peak = (wanted == 1).float()
    hit = -logsigmoid(heat) * (1 - probability).square() * peak
    miss = -logsigmoid(-heat) * probability.square() * (1 - wanted).pow(4) * (1 - peak) * counted
    _, giou = generalised_iou(boxes_of(geometry), aimed)
    box_loss = ((1 - giou) * weight).sum() / weight.sum().clamp(min=1e-4)
    return {"score": (hit + miss).sum() / objects, "box": _BOX_WEIGHT * box_loss}


def target_of(one: Boxes, classes: int, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Heat (classes, h, w), where it counts (classes, h, w), aimed boxes (h * w, 4) and their weights (h * w,)."""
    heat = torch.zeros(classes, rows, columns)
    counted = torch.ones(classes, rows * columns)
    aimed = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(rows * columns, 1)
    weight = torch.zeros(rows, columns)
    regions = torch.from_numpy(one.boxes_xyxy[one.ignored])
    for region, label in zip(
        inside(cell_centres(rows, columns, STRIDE), regions), one.labels[one.ignored], strict=True
    ):
        counted[label, region] = 0.0
    sides = one.boxes_xyxy[:, 2:] - one.boxes_xyxy[:, :2]
    for i in (-sides.prod(1)).argsort(kind="stable"):  # large first, so that small ones stay visible on top
        if one.ignored[i]:
            continue
        box = torch.from_numpy(one.boxes_xyxy[i])
        bump, y0, x0 = _bump(one.boxes_xyxy[i].tolist(), rows, columns)
        patch = (slice(y0, y0 + bump.shape[0]), slice(x0, x0 + bump.shape[1]))
        label = int(one.labels[i])
        heat[label][patch] = torch.maximum(heat[label][patch], bump)
        weight[patch] = bump * (math.log(max(math.e, float(sides[i].prod()))) / float(bump.sum()))
        aimed.view(rows, columns, 4)[patch] = box
    return heat, counted.view(classes, rows, columns), aimed, weight.flatten()


def _bump(box_xyxy: list[float], rows: int, columns: int) -> tuple[Tensor, int, int]:
    """A Gaussian cut to the cells it covers, 1 at the cell of the box's middle, and its first row and column."""
    spans = []
    for low, high, cells in ((box_xyxy[1], box_xyxy[3], rows), (box_xyxy[0], box_xyxy[2], columns)):
        middle = min(cells - 1, max(0, int((low + high) / 2 / STRIDE)))
        reach = int((high - low) / 2 / STRIDE * _SHARE)
        first, last = max(0, middle - reach), min(cells - 1, middle + reach)
        sigma = (2 * reach + 1) / 6
        spans.append((torch.exp(-((torch.arange(first, last + 1) - middle) ** 2) / (2 * sigma * sigma)), first))
    (vertical, y0), (horizontal, x0) = spans
    return vertical[:, None] * horizontal[None], y0, x0
