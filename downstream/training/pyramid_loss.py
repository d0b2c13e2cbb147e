"""The loss of the pyramid: each object is assigned the few cells that predict it best so far.

Assignment: SimOTA (Ge et al., "YOLOX", 2021, section 2.3). Scores: quality focal loss (Li et al. 2020). Boxes: GIoU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from downstream.networks.detectors.layers import cell_centres
from downstream.networks.detectors.pyramid import STRIDES, flatten
from downstream.training.box_iou import generalised_iou, inside
from downstream.training.shards import Boxes

_RADIUS = 2.0
_MAX_CELLS = 10
_BOX_WEIGHT = 2.0


def pyramid_loss(raw: tuple[Tensor, ...], truth: list[Boxes]) -> dict[str, Tensor]:
    """The parts of the loss, each a scalar: "score" and "box", divided by the number of assigned cells."""
    logits, boxes = flatten(raw)
    cells = torch.cat(
        [cell_centres(s.shape[2], s.shape[3], stride) for s, stride in zip(raw[::2], STRIDES, strict=True)]
    )
    strides = torch.cat(
        [torch.full((s.shape[2] * s.shape[3],), float(stride)) for s, stride in zip(raw[::2], STRIDES, strict=True)]
    )
    score_loss = logits.new_zeros(())
    box_loss = logits.new_zeros(())
    assigned = 0.0
    for image_logits, image_boxes, objects in zip(logits, boxes, truth, strict=True):
        true_boxes = torch.from_numpy(objects.boxes_xyxy[~objects.ignored])
        labels = torch.from_numpy(objects.labels[~objects.ignored])
        target = torch.zeros_like(image_logits)
        if len(true_boxes):
            chosen, owner = assign(image_logits.detach(), image_boxes.detach(), true_boxes, labels, cells, strides)
            iou, giou = generalised_iou(image_boxes[chosen], true_boxes[owner])
            target[chosen, labels[owner]] = iou.detach()
            box_loss = box_loss + (1 - giou).sum()
            assigned += len(chosen)
        weight = _weight(objects, cells, image_logits.shape[1], target)
        focus = (image_logits.detach().sigmoid() - target).abs().square()
        score_loss = score_loss + (cross_entropy(image_logits, target, reduction="none") * focus * weight).sum()
    return {"score": score_loss / max(assigned, 1.0), "box": _BOX_WEIGHT * box_loss / max(assigned, 1.0)}


def _weight(objects: Boxes, cells: Tensor, classes: int, target: Tensor) -> Tensor:
    """Weight of each cell's class scores, (M, classes): 0 in ignored regions of the class without an object, else 1."""
    weight = torch.ones(len(cells), classes)
    regions = torch.from_numpy(objects.boxes_xyxy[objects.ignored])
    for region, label in zip(inside(cells, regions), objects.labels[objects.ignored], strict=True):
        weight[region, label] = 0.0
    weight[target > 0] = 1.0
    return weight


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, true_boxes: Tensor, labels: Tensor, cells: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor]:
    """The assigned cells (A,), and the object (A,) of each.

    logits (M, classes) and boxes (M, 4) are the network's current answers; true_boxes (G, 4) and labels (G,) are the
    objects. cells (M, 2) and strides (M,) are the centres and strides of the cells in pixels.
    """
    iou, _ = generalised_iou(boxes[None], true_boxes[:, None])  # (G, M)
    centres = (true_boxes[:, :2] + true_boxes[:, 2:]) / 2
    near = ((cells[None] - centres[:, None]).abs() < _RADIUS * strides[None, :, None]).all(-1)  # (G, M)
    scores = logits[:, labels].T  # (M, G) -> (G, M)
    cost = cross_entropy(scores, iou, reduction="none") - 3 * torch.log(iou + 1e-7) + 1e5 * ~near
    count = iou.masked_fill(~near, 0).topk(_MAX_CELLS, dim=1).values.sum(1).long().clamp(min=1)  # (G,) cells an object
    ranked = cost.topk(_MAX_CELLS, dim=1, largest=False)
    candidate_cost = torch.full_like(cost, torch.inf)
    within_count = torch.arange(_MAX_CELLS)[None] < count[:, None]
    candidate_cost.scatter_(1, ranked.indices, torch.where(within_count, ranked.values, torch.inf))
    lowest, owner = candidate_cost.min(0)  # a candidate of several objects goes to the one with the lowest cost
    chosen = torch.nonzero(lowest < 1e4).flatten()
    return chosen, owner[chosen]
