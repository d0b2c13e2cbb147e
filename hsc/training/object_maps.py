"""Object maps: the targets of a teacher that finds objects, its loss, and the divergence between two images' maps.

    boxes, classes ──> (B, classes + 5, h/4, w/4): a bell around each object's centre in the map of its class; four maps
                       of the distances from the centre to the box's sides, in samples; one map that is 1 at centres

Source: Zhou et al. 2019, "Objects as Points", section 3, with the sides' distances of Tian et al. 2019, "FCOS".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

STRIDE = 4
SIDES = 4
_BELL_WIDTH = 0.12  # a bell's deviation, as a fraction of the square root of the box's area
_SIDES_WEIGHT = 0.1


def object_maps(
    boxes_xyxy: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], size_hw: tuple[int, int], classes: int
) -> npt.NDArray[np.float32]:
    """The maps of one crop, (classes + 5, h/4, w/4).

    boxes_xyxy: (m, 4), in the crop's pixels. labels: their classes, (m,). Objects with a centre outside are left out.
    """
    height, width = size_hw[0] // STRIDE, size_hw[1] // STRIDE
    maps = np.zeros((classes + SIDES + 1, height, width), np.float32)
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    area = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    for i in np.argsort(-area):  # where centres coincide, the smaller object is kept
        x0, y0, x1, y1 = boxes_xyxy[i] / STRIDE
        x, y = (x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5
        column, row = round(float(x)), round(float(y))
        if not (0 <= column < width and 0 <= row < height):
            continue
        deviation = max(0.7, _BELL_WIDTH * float((x1 - x0) * (y1 - y0)) ** 0.5)
        bell = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * deviation**2))
        np.maximum(maps[labels[i]], bell, out=maps[labels[i]])
        maps[classes : classes + SIDES, row, column] = x - x0 + 0.5, y - y0 + 0.5, x1 - x - 0.5, y1 - y - 0.5
        maps[-1, row, column] = 1
    return maps


def object_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """The loss of a teacher's object maps, a scalar: focal loss of the bells, and absolute error of the sides.

    predicted: (B, classes + 4, h, w), logits and logarithms of distances. target: of ``object_maps``. The error of the
    sides is that of the logarithms, at the centres.
    """
    classes = predicted.shape[1] - SIDES
    logits, bells, centres = predicted[:, :classes], target[:, :classes], target[:, -1:]
    probability = torch.sigmoid(logits)
    at_centre = (bells > 0.999).float()
    positive = functional.logsigmoid(logits) * (1 - probability).square() * at_centre
    negative = functional.logsigmoid(-logits) * probability.square() * (1 - bells) ** 4 * (1 - at_centre)
    count = centres.sum().clamp(min=1)
    sides = (predicted[:, classes:] - target[:, classes:-1].clamp(min=0.25).log()).abs() * centres
    return -(positive + negative).sum() / count + _SIDES_WEIGHT * sides.sum() / count


def object_divergence(decoded: Tensor, original: Tensor, weight: Tensor) -> Tensor:
    """The divergence of a teacher's object maps of two images, (B,).

    decoded, original: (B, classes + 4, h, w). weight: (B, 1, h, w). It is the divergence of each class's probability,
    plus the difference of the sides' logarithms where the original has an object.
    """
    classes = decoded.shape[1] - SIDES
    probability = torch.sigmoid(original[:, :classes])
    cross_entropy = functional.binary_cross_entropy_with_logits(decoded[:, :classes], probability, reduction="none")
    entropy = functional.binary_cross_entropy_with_logits(original[:, :classes], probability, reduction="none")
    presence = probability.amax(1, keepdim=True)
    sides = (decoded[:, classes:] - original[:, classes:]).abs().mean(1, keepdim=True) * presence
    return (weight * ((cross_entropy - entropy).sum(1, keepdim=True) + sides)).mean((1, 2, 3))
