"""What training does to an image: flip, scale and crop, mild colour. No compression, blur or noise, ever.

A head that had seen coding artefacts in training would not tell what they cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from downstream.training.shards import Boxes
from hsc.api import Image

Floats = npt.NDArray[np.float32]

_MIDDLE_GREY = 115.0
_SMALLEST_SIDE = 2.0
_SMALLEST_SHARE = 0.3


def augmented(
    image: Image, boxes: Boxes, random: np.random.Generator, *, height: int, width: int
) -> tuple[Tensor, Boxes]:
    """One training view of an image: float32 (3, height, width), 0 to 255, and the boxes in it.

    Half of the views keep the pixels as they are (flip and crop alone), so that the network knows their true texture.
    """
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()  # (H, W, 3) -> (3, H, W)
    xyxy = boxes.boxes_xyxy.copy()
    if random.random() < 0.5:
        pixels = pixels.flip(2)
        xyxy[:, [0, 2]] = pixels.shape[2] - xyxy[:, [2, 0]]
    if random.random() < 0.5:
        pixels, xyxy = _scaled(pixels, xyxy, float(random.uniform(0.7, 1.5)))
    pixels, kept = _cropped(pixels, Boxes(xyxy, boxes.labels, boxes.ignored), random, height, width)
    return _coloured(pixels, random), kept


def _scaled(pixels: Tensor, xyxy: Floats, scale: float) -> tuple[Tensor, Floats]:
    height, width = pixels.shape[1:]
    size = (round(height * scale), round(width * scale))
    resized = interpolate(pixels[None], size=size, mode="bilinear", align_corners=False, antialias=scale < 1)[0]
    return resized, xyxy * np.array([size[1] / width, size[0] / height] * 2, np.float32)


def _cropped(
    pixels: Tensor, boxes: Boxes, random: np.random.Generator, height: int, width: int
) -> tuple[Tensor, Boxes]:
    """A window of (height, width) somewhere on the image, or the image somewhere on the window where it is smaller."""
    spare = (pixels.shape[1] - height, pixels.shape[2] - width)
    top, left = (int(random.integers(min(0, s), max(0, s) + 1)) for s in spare)
    window = pixels.new_full((3, height, width), _MIDDLE_GREY)
    y0, x0 = max(0, -top), max(0, -left)
    part = pixels[:, max(0, top) : top + height, max(0, left) : left + width]
    window[:, y0 : y0 + part.shape[1], x0 : x0 + part.shape[2]] = part
    moved = boxes.boxes_xyxy - np.array([left, top, left, top], np.float32)
    return window, boxes_within(Boxes(moved, boxes.labels, boxes.ignored), height, width)


def boxes_within(boxes: Boxes, height: int, width: int) -> Boxes:
    """What of boxes lies in a window at 0, 0; those that are mostly cut off are neither asked for nor held against a
    network.
    """
    clipped = np.clip(boxes.boxes_xyxy, 0, np.array([width, height] * 2, np.float32))
    share = _areas(clipped) / np.maximum(_areas(boxes.boxes_xyxy), 1e-6)
    stays = np.all(clipped[:, 2:] - clipped[:, :2] >= _SMALLEST_SIDE, axis=1)
    ignored = boxes.ignored | (share < _SMALLEST_SHARE)
    return Boxes(clipped[stays], boxes.labels[stays], ignored[stays])


def _areas(xyxy: Floats) -> Floats:
    areas: Floats = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1, dtype=np.float32)
    return areas


def _coloured(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Mild contrast, brightness and saturation, clipped to 0..255."""
    contrast, saturation = random.uniform(0.85, 1.15), random.uniform(0.8, 1.2)
    brightness = random.uniform(-16, 16)
    grey = pixels.mean(0, keepdim=True)
    mixed = grey + (pixels - grey) * saturation
    return ((mixed - _MIDDLE_GREY) * contrast + _MIDDLE_GREY + brightness).clamp(0, 255)
