"""From many overlapping candidate boxes to a head's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from downstream.api import Detections
from downstream.ops.finite import require_finite

if TYPE_CHECKING:
    from torch import Tensor


def best_boxes(
    boxes_xyxy: npt.NDArray[Any],
    scores: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    *,
    score_threshold: float,
    iou: float,
    max_detections: int,
) -> Detections:
    """Greedy non-maximum suppression within each class; the best ``max_detections`` of all classes, best first.

    boxes_xyxy (N, 4) pixels, scores (N,), labels (N,). Of two boxes of a class that overlap by more than ``iou`` the
    lower score goes. iou 1 keeps all. Boxes that have no area are left out.

    Raises:
        HeadError: a score is not finite, or a box that reaches the threshold.
    """
    import torch
    from torchvision.ops import nms

    require_finite(scores, "scores")
    good = scores >= score_threshold
    require_finite(boxes_xyxy[good], "box coordinates")
    good[good] = (boxes_xyxy[good, 2:] > boxes_xyxy[good, :2]).all(1)
    order = np.argsort(-scores[good], kind="stable")
    boxes = boxes_xyxy[good][order].astype(np.float32)
    best, classes = scores[good][order].astype(np.float32), labels[good][order].astype(np.int64)
    if iou < 1:
        kept = [np.zeros(0, np.int64)]
        for label in np.unique(classes):
            members = np.flatnonzero(classes == label)
            kept.append(members[nms(torch.from_numpy(boxes[members]), torch.from_numpy(best[members]), iou).numpy()])
        chosen = np.sort(np.concatenate(kept))
    else:
        chosen = np.arange(len(best))
    chosen = chosen[:max_detections]
    return Detections(boxes[chosen], best[chosen], classes[chosen])


def best_of_cells(boxes: Tensor, scores: Tensor, most: int, **limits: Any) -> Detections:
    """``best_boxes`` of a dense detector's cells, of which only the ``most`` best pairs of cell and class are looked
    at.

    boxes (M, 4) pixels, scores (M, classes), both of one image. limits: as those of ``best_boxes``.
    """
    values, flat = scores.flatten().topk(min(most, scores.numel()))  # (M, classes) -> (M * classes,)
    cells, labels = np.divmod(flat.numpy(), scores.shape[1])
    return best_boxes(boxes.numpy()[cells], values.numpy(), labels, **limits)
