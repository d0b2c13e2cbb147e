"""The loss of the hourglass: a Gaussian bump of heat on each object, and its box from the cells near its centre.

Heat: penalty-reduced focal loss (Law and Deng, "CornerNet", ECCV 2018; Zhou et al. 2019). Bumps shaped like the box,
and boxes learnt from a patch of cells: Liu et al., "Training-Time-Friendly Network", AAAI 2020.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from downstream.networks.detectors.hourglass import STRIDE, boxes_of
from downstream.networks.detectors.layers import cell_centres
from downstream.training.box_iou import generalised_iou, inside
from downstream.training.shards import Boxes

_SHARE = 0.54
"""Share of the box's sides that its bump covers, up to three standard deviations."""
_BOX_WEIGHT = 4.0


def hourglass_loss(raw: tuple[Tensor, ...], truth: list[Boxes]) -> dict[str, Tensor]:
    """The parts of the loss, each a scalar.

    "score" is divided by the number of objects, "box" by the weight of the cells.
    """
    heat, geometry = raw
    targets = [targets_of(objects, *heat.shape[1:]) for objects in truth]
    target_heat = torch.stack([target.heat for target in targets])  # (N, classes, h, w)
    counted = torch.stack([target.counted for target in targets])  # (N, classes, h, w)
    target_boxes = torch.stack([target.boxes_xyxy for target in targets])  # (N, h * w, 4)
    weight = torch.stack([target.weight for target in targets])  # (N, h * w)
    count = max(1.0, float(sum((~objects.ignored).sum() for objects in truth)))
    probability = heat.sigmoid()
    peak = (target_heat == 1).float()
    hit = -logsigmoid(heat) * (1 - probability).square() * peak
    miss = -logsigmoid(-heat) * probability.square() * (1 - target_heat).pow(4) * (1 - peak) * counted
    _, giou = generalised_iou(boxes_of(geometry), target_boxes)
    box_loss = ((1 - giou) * weight).sum() / weight.sum().clamp(min=1e-4)
    return {"score": (hit + miss).sum() / count, "box": _BOX_WEIGHT * box_loss}


class Targets(NamedTuple):
    """The targets of one image.

    heat: (classes, h, w), 1 at the centres of objects. counted: (classes, h, w), 0 in ignored regions of the class.
    boxes_xyxy: (h * w, 4), the box that a cell learns, in pixels. weight: (h * w,), of the cell in the box loss.
    """

    heat: Tensor
    counted: Tensor
    boxes_xyxy: Tensor
    weight: Tensor


def targets_of(objects: Boxes, classes: int, rows: int, columns: int) -> Targets:
    """The targets of an image with these objects on a grid of (rows, columns) cells."""
    heat = torch.zeros(classes, rows, columns)
    counted = torch.ones(classes, rows * columns)
    target_boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(rows * columns, 1)
    weight = torch.zeros(rows, columns)
    regions = inside(cell_centres(rows, columns, STRIDE), torch.from_numpy(objects.boxes_xyxy[objects.ignored]))
    for region, label in zip(regions, objects.labels[objects.ignored], strict=True):
        counted[label, region] = 0.0
    sides = objects.boxes_xyxy[:, 2:] - objects.boxes_xyxy[:, :2]
    for i in (-sides.prod(1)).argsort(kind="stable"):  # large first, so that small ones stay visible on top
        if objects.ignored[i]:
            continue
        box = torch.from_numpy(objects.boxes_xyxy[i])
        bump, y0, x0 = _bump(objects.boxes_xyxy[i].tolist(), rows, columns)
        patch = (slice(y0, y0 + bump.shape[0]), slice(x0, x0 + bump.shape[1]))
        label = int(objects.labels[i])
        heat[label][patch] = torch.maximum(heat[label][patch], bump)
        weight[patch] = bump * (math.log(max(math.e, float(sides[i].prod()))) / float(bump.sum()))
        target_boxes.view(rows, columns, 4)[patch] = box
    return Targets(heat, counted.view(classes, rows, columns), target_boxes, weight.flatten())


def _bump(box_xyxy: list[float], rows: int, columns: int) -> tuple[Tensor, int, int]:
    """A Gaussian on the cells that it covers, 1 at the cell of the box's centre, and its first row and column."""
    spans = []
    for low, high, cells in ((box_xyxy[1], box_xyxy[3], rows), (box_xyxy[0], box_xyxy[2], columns)):
        centre = min(cells - 1, max(0, int((low + high) / 2 / STRIDE)))
        reach = int((high - low) / 2 / STRIDE * _SHARE)
        first, last = max(0, centre - reach), min(cells - 1, centre + reach)
        sigma = (2 * reach + 1) / 6
        spans.append((torch.exp(-((torch.arange(first, last + 1) - centre) ** 2) / (2 * sigma * sigma)), first))
    (vertical, y0), (horizontal, x0) = spans
    return vertical[:, None] * horizontal[None], y0, x0
