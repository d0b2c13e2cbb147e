"""Letterboxing: images of any size fitted into a detector's fixed input, and boxes mapped back onto the image.

image --resize_bilinear--> fitted --paste--> canvas --detector--> boxes --Placement.back--> boxes on the image
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hsc.api import Image

PAD_VALUE = 114
"""The grey around the image that YOLOX and the Ultralytics models were trained with."""


class Placement(NamedTuple):
    """The place of an image on its canvas: canvas = image * scale + (left, top), in pixels."""

    scale: float
    left: float
    top: float

    def back(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map boxes (N, 4) on the canvas to boxes on the image, both in pixels."""
        shift = np.array([self.left, self.top, self.left, self.top], np.float32)
        return (boxes_xyxy - shift) / np.float32(self.scale)


def resize_bilinear(image: Image, height: int, width: int, *, smooth: bool = False) -> Image:
    """Bilinear resize to uint8 (height, width, 3), with half-pixel centres and repeated edges.

    smooth: when shrinking, average over the area of a new pixel, as Pillow does. Without it, this samples as OpenCV's
    INTER_LINEAR does, which the YOLO families are trained with; OpenCV computes in fixed point, so single values may
    differ by 1.
    """
    if image.shape[:2] == (height, width):
        return image
    import torch
    from torch.nn.functional import interpolate

    # A copy, because torch warns about read-only arrays such as those from Pillow.
    planes = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()  # (H, W, 3) -> (1, 3, H, W)
    resized = interpolate(planes, size=(height, width), mode="bilinear", align_corners=False, antialias=smooth)
    array: Image = resized[0].permute(1, 2, 0).round().to(torch.uint8).numpy()  # (1, 3, h, w) -> (h, w, 3)
    return array


def letterbox(image: Image, height: int, width: int, *, centred: bool, smooth: bool = False) -> tuple[Image, Placement]:
    """Scale an image to fit into (height, width) at its own aspect ratio; the rest of the canvas is grey.

    centred: as Ultralytics does it (sizes rounded, image in the middle); otherwise as YOLOX does it (sizes rounded
    down, image at the top left). smooth: as in ``resize_bilinear``.
    """
    image_height, image_width = image.shape[:2]
    scale = min(height / image_height, width / image_width)
    fit = round if centred else int
    fitted_height, fitted_width = max(1, fit(image_height * scale)), max(1, fit(image_width * scale))
    # The 0.1 rounds halves as Ultralytics does: the smaller margin comes first.
    top = round((height - fitted_height) / 2 - 0.1) if centred else 0
    left = round((width - fitted_width) / 2 - 0.1) if centred else 0
    canvas = np.full((height, width, 3), PAD_VALUE, np.uint8)
    canvas[top : top + fitted_height, left : left + fitted_width] = resize_bilinear(
        image, fitted_height, fitted_width, smooth=smooth
    )
    return canvas, Placement(scale, float(left), float(top))
