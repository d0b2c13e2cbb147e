"""Non-maximum suppression: a head's detections from many overlapping candidate boxes."""

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

    boxes_xyxy: (N, 4), pixels. scores, labels: (N,). iou: of two boxes of a class that overlap by more than this, the
    one with the lower score is dropped; 1 keeps all. Boxes without area are left out.

    Raises:
        HeadError: a score is not finite, or a coordinate of a box whose score reaches the threshold.
    """
    import torch
    from torchvision.ops import nms

    require_finite(scores, "scores")
    candidates = scores >= score_threshold
    require_finite(boxes_xyxy[candidates], "box coordinates")
    candidates[candidates] = (boxes_xyxy[candidates, 2:] > boxes_xyxy[candidates, :2]).all(1)
    order = np.argsort(-scores[candidates], kind="stable")
    boxes = boxes_xyxy[candidates][order].astype(np.float32)
    best, classes = scores[candidates][order].astype(np.float32), labels[candidates][order].astype(np.int64)
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


def best_of_cells(boxes: Tensor, scores: Tensor, max_candidates: int, **limits: Any) -> Detections:
    """``best_boxes`` among the ``max_candidates`` best pairs of cell and class of a dense detector.

    boxes: (M, 4), pixels. scores: (M, classes). Both are of one image. limits: the keyword arguments of ``best_boxes``.
    """
    values, flat = scores.flatten().topk(min(max_candidates, scores.numel()))  # (M, classes) -> (M * classes,)
    cells, labels = np.divmod(flat.numpy(), scores.shape[1])
    return best_boxes(boxes.numpy()[cells], values.numpy(), labels, **limits)
