"""Augmentation of images with boxes: flip, scale and crop, mild colour. Never compression, blur or noise.

A head that had seen coding artefacts in training could not measure what they cost.
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
_MIN_SIDE = 2.0
_MIN_SHARE = 0.3


def augmented(
    image: Image, boxes: Boxes, random: np.random.Generator, *, height: int, width: int
) -> tuple[Tensor, Boxes]:
    """One training view of an image: float32 (3, height, width), 0 to 255, and the boxes in it.

    Half of the views are not scaled, so that the network learns the true texture of pixels.
    """
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()  # (H, W, 3) -> (3, H, W)
    xyxy = boxes.boxes_xyxy.copy()
    if random.random() < 0.5:
        pixels = pixels.flip(2)
        xyxy[:, [0, 2]] = pixels.shape[2] - xyxy[:, [2, 0]]
    if random.random() < 0.5:
        pixels, xyxy = _scaled(pixels, xyxy, float(random.uniform(0.7, 1.5)))
    pixels, kept = _cropped(pixels, Boxes(xyxy, boxes.labels, boxes.ignored), random, height, width)
    return coloured(pixels, random), kept


def _scaled(pixels: Tensor, xyxy: Floats, scale: float) -> tuple[Tensor, Floats]:
    height, width = pixels.shape[1:]
    size = (round(height * scale), round(width * scale))
    resized = interpolate(pixels[None], size=size, mode="bilinear", align_corners=False, antialias=scale < 1)[0]
    return resized, xyxy * np.array([size[1] / width, size[0] / height] * 2, np.float32)


def _cropped(
    pixels: Tensor, boxes: Boxes, random: np.random.Generator, height: int, width: int
) -> tuple[Tensor, Boxes]:
    """A window of (height, width) at a random place in the image; a smaller image at a random place in the window."""
    spare = (pixels.shape[1] - height, pixels.shape[2] - width)
    top, left = (int(random.integers(min(0, s), max(0, s) + 1)) for s in spare)
    window = pixels.new_full((3, height, width), _MIDDLE_GREY)
    y0, x0 = max(0, -top), max(0, -left)
    part = pixels[:, max(0, top) : top + height, max(0, left) : left + width]
    window[:, y0 : y0 + part.shape[1], x0 : x0 + part.shape[2]] = part
    moved = boxes.boxes_xyxy - np.array([left, top, left, top], np.float32)
    return window, boxes_within(Boxes(moved, boxes.labels, boxes.ignored), height, width)


def boxes_within(boxes: Boxes, height: int, width: int) -> Boxes:
    """The boxes clipped to a window at 0, 0. Boxes that are mostly cut off are ignored, tiny ones left out."""
    clipped = np.clip(boxes.boxes_xyxy, 0, np.array([width, height] * 2, np.float32))
    share = _areas(clipped) / np.maximum(_areas(boxes.boxes_xyxy), 1e-6)
    visible = np.all(clipped[:, 2:] - clipped[:, :2] >= _MIN_SIDE, axis=1)
    ignored = boxes.ignored | (share < _MIN_SHARE)
    return Boxes(clipped[visible], boxes.labels[visible], ignored[visible])


def _areas(xyxy: Floats) -> Floats:
    areas: Floats = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1, dtype=np.float32)
    return areas


def coloured(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Mild random contrast, brightness and saturation, clipped to 0 to 255."""
    contrast, saturation = random.uniform(0.85, 1.15), random.uniform(0.8, 1.2)
    brightness = random.uniform(-16, 16)
    grey = pixels.mean(0, keepdim=True)
    mixed = grey + (pixels - grey) * saturation
    return ((mixed - _MIDDLE_GREY) * contrast + _MIDDLE_GREY + brightness).clamp(0, 255)
