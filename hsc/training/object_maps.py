"""Objects as maps: what a teacher that finds objects is trained on, and how far two images' maps are apart.

    boxes, classes ──> (B, classes + 5, h/4, w/4): a bell around each object's middle in its class's map; the distances
    from it to the box's
                       four sides, in samples; 1 at the middle

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
_SHARP = 0.12  # a bell's deviation, in parts of the square root of the box
_SIDES_COUNT = 0.1


def object_maps(
    boxes_xyxy: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], size_hw: tuple[int, int], classes: int
) -> npt.NDArray[np.float32]:
    """The maps of one crop: boxes in its pixels, (m, 4), and their classes (m,); objects whose middle lies outside are
    left out.
    """
    height, width = size_hw[0] // STRIDE, size_hw[1] // STRIDE
    maps = np.zeros((classes + SIDES + 1, height, width), np.float32)
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    area = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    for i in np.argsort(-area):  # where middles fall together the smaller object stays
        x0, y0, x1, y1 = boxes_xyxy[i] / STRIDE
        x, y = (x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5
        column, row = round(float(x)), round(float(y))
        if not (0 <= column < width and 0 <= row < height):
            continue
        deviation = max(0.7, _SHARP * float((x1 - x0) * (y1 - y0)) ** 0.5)
        bell = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * deviation**2))
        np.maximum(maps[labels[i]], bell, out=maps[labels[i]])
        maps[classes : classes + SIDES, row, column] = x - x0 + 0.5, y - y0 + 0.5, x1 - x - 0.5, y1 - y - 0.5
        maps[-1, row, column] = 1
    return maps


def object_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """What a teacher misses: found (B, classes + 4, h, w), logits and logarithms of distances; wanted, of
    ``object_maps``. A number.

    Focal loss of the bells, and the absolute error of the logarithms at the middles.
    """
    classes = found.shape[1] - SIDES
    logits, bells, middles = found[:, :classes], wanted[:, :classes], wanted[:, -1:]
    chance = torch.sigmoid(logits)
    at_middle = (bells > 0.999).float()
    hit = functional.logsigmoid(logits) * (1 - chance).square() * at_middle
    calm = functional.logsigmoid(-logits) * chance.square() * (1 - bells) ** 4 * (1 - at_middle)
    count = middles.sum().clamp(min=1)
    sides = (found[:, classes:] - wanted[:, classes:-1].clamp(min=0.25).log()).abs() * middles
    return -(hit + calm).sum() / count + _SIDES_COUNT * sides.sum() / count


def seen_apart(made: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """How differently a teacher finds objects in two images: maps (B, classes + 4, h, w) of both, weight (B, 1, h, w)
    -> (B,).

    Divergence of each class's yes or no, and the sides' logarithms where the true image shows something.
    """
    classes = made.shape[1] - SIDES
    chance = torch.sigmoid(true[:, :classes])
    cross = functional.binary_cross_entropy_with_logits(made[:, :classes], chance, reduction="none")
    own = functional.binary_cross_entropy_with_logits(true[:, :classes], chance, reduction="none")
    there = chance.amax(1, keepdim=True)
    sides = (made[:, classes:] - true[:, classes:]).abs().mean(1, keepdim=True) * there
    return (weight * ((cross - own).sum(1, keepdim=True) + sides)).mean((1, 2, 3))
