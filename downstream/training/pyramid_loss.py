"""What the pyramid learns: each object takes the few cells that already see it best.

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
_MOST_CELLS = 10
_BOX_WEIGHT = 2.0


def pyramid_loss(raw: tuple[Tensor, ...], truth: list[Boxes]) -> dict[str, Tensor]:
    """Loss parts, each a scalar: "score" and "box", divided by the number of assigned cells."""
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
    for one_logits, one_boxes, one in zip(logits, boxes, truth, strict=True):
        known = torch.from_numpy(one.boxes_xyxy[~one.ignored])
        labels = torch.from_numpy(one.labels[~one.ignored])
        target = torch.zeros_like(one_logits)
        if len(known):
            which, owner = assign(one_logits.detach(), one_boxes.detach(), known, labels, cells, strides)
            iou, giou = generalised_iou(one_boxes[which], known[owner])
            target[which, labels[owner]] = iou.detach()
            box_loss = box_loss + (1 - giou).sum()
            assigned += len(which)
        weight = _counted(one, cells, one_logits.shape[1], target)
        focus = (one_logits.detach().sigmoid() - target).abs().square()
        score_loss = score_loss + (cross_entropy(one_logits, target, reduction="none") * focus * weight).sum()
    return {"score": score_loss / max(assigned, 1.0), "box": _BOX_WEIGHT * box_loss / max(assigned, 1.0)}


def _counted(one: Boxes, cells: Tensor, classes: int, target: Tensor) -> Tensor:
    """1 where a cell's class score is learnt, 0 in ignored regions of that class that no object took; (M, classes)."""
    weight = torch.ones(len(cells), classes)
    regions = torch.from_numpy(one.boxes_xyxy[one.ignored])
    for region, label in zip(inside(cells, regions), one.labels[one.ignored], strict=True):
        weight[region, label] = 0.0
    weight[target > 0] = 1.0
    return weight


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, known: Tensor, labels: Tensor, cells: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor]:
    """Cells (A,) and the object (A,) each is to answer for.

    logits (M, classes) and boxes (M, 4) are what the network says now; known (G, 4) and labels (G,) what is there.
    """
    iou, _ = generalised_iou(boxes[None], known[:, None])  # (G, M)
    middles = (known[:, :2] + known[:, 2:]) / 2
    near = ((cells[None] - middles[:, None]).abs() < _RADIUS * strides[None, :, None]).all(-1)  # (G, M)
    scores = logits[:, labels].T  # (M, G) -> (G, M)
    cost = cross_entropy(scores, iou, reduction="none") - 3 * torch.log(iou + 1e-7) + 1e5 * ~near
    best = (
        iou.masked_fill(~near, 0).topk(_MOST_CELLS, dim=1).values.sum(1).long().clamp(min=1)
    )  # (G,) cells each object gets
    ranked = cost.topk(_MOST_CELLS, dim=1, largest=False)
    chosen = torch.full_like(cost, torch.inf)
    taken = torch.arange(_MOST_CELLS)[None] < best[:, None]
    chosen.scatter_(1, ranked.indices, torch.where(taken, ranked.values, torch.inf))
    lowest, owner = chosen.min(0)  # a cell that several objects want goes to the cheapest
    which = torch.nonzero(lowest < 1e4).flatten()
    return which, owner[which]
