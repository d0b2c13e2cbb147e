"""The views that are encoded for training: images flipped, scaled and cropped before coding, otherwise unchanged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from downstream.training.box_augmentation import boxes_within
from downstream.training.shards import Boxes
from hsc.api import Image

_SCALES = (0.75, 1.5)
_SCALED = 0.5


class View(NamedTuple):
    """A view and its labels.

    image: uint8 (H, W, 3). boxes: the objects in it. labels: its label map, uint8 (H, W). Either is None if the data
    set has no such labels.
    """

    image: Image
    boxes: Boxes | None
    labels: npt.NDArray[np.uint8] | None


def coded_view(view: View, random: np.random.Generator, *, height: int, width: int) -> View:
    """A random view of (height, width). The image fills it; smaller images are enlarged until they do."""
    own = view.image.shape[:2]
    scale = float(np.exp(random.uniform(*np.log(_SCALES)))) if random.random() < _SCALED else 1.0
    scale = max(scale, height / own[0], width / own[1])
    size = max(height, round(own[0] * scale)), max(width, round(own[1] * scale))
    top, left = (int(random.integers(0, s - w + 1)) for s, w in zip(size, (height, width), strict=True))
    window = slice(top, top + height), slice(left, left + width)
    image = np.ascontiguousarray(_resized(view.image, size)[window])
    labels = None if view.labels is None else np.ascontiguousarray(_resized_labels(view.labels, size)[window])
    boxes = (
        None
        if view.boxes is None
        else _moved(view.boxes, np.array([size[1] / own[1], size[0] / own[0]] * 2, np.float32), (top, left))
    )
    cropped = View(image, None if boxes is None else boxes_within(boxes, height, width), labels)
    return _mirrored(cropped) if random.random() < 0.5 else cropped


def _resized(image: Image, size: tuple[int, int]) -> Image:
    if size == image.shape[:2]:
        return image
    planes = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()  # (H, W, 3) -> (1, 3, H, W)
    resized = interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=size[0] < image.shape[0])
    pixels: Image = resized[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels


def _resized_labels(labels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    planes = torch.from_numpy(np.array(labels))[None, None].float()
    resized: npt.NDArray[np.uint8] = interpolate(planes, size=size, mode="nearest-exact")[0, 0].to(torch.uint8).numpy()
    return resized


def _moved(boxes: Boxes, scale: npt.NDArray[np.float32], corner: tuple[int, int]) -> Boxes:
    top, left = corner
    moved = boxes.boxes_xyxy * scale - np.array([left, top, left, top], np.float32)
    return Boxes(moved.astype(np.float32), boxes.labels, boxes.ignored)


def _mirrored(view: View) -> View:
    boxes = view.boxes
    if boxes is not None:
        xyxy = boxes.boxes_xyxy.copy()
        xyxy[:, [0, 2]] = view.image.shape[1] - xyxy[:, [2, 0]]
        boxes = Boxes(xyxy, boxes.labels, boxes.ignored)
    labels = None if view.labels is None else np.ascontiguousarray(view.labels[:, ::-1])
    return View(np.ascontiguousarray(view.image[:, ::-1]), boxes, labels)
