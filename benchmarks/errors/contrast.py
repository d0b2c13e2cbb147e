"""The contrast of an object with what is around it: Michelson's (1927), of the mean luma of the box and of a frame.

    contrast = |L_box - L_frame| / (L_box + L_frame)         0 to 1; luma Y' of BT.601, on the original image

The frame reaches out from the box by half its width and height on each side, as far as the image does.
"""

from __future__ import annotations

import numpy as np

from benchmarks.metrics._coco_matching import Floats, Ints
from hsc.api import Image


def box_contrasts(image: Image, boxes: Floats) -> Floats:
    """The contrast of each box on an image: float64 (N,).

    image: uint8 (H, W, 3). boxes: float64 (N, 4), left, top, width, height in pixels; 0 for a box outside the image,
    and for one that leaves no frame.
    """
    height, width = image.shape[:2]
    luma = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = luma.cumsum(0).cumsum(1)
    low, size = boxes[:, :2], boxes[:, 2:]
    inner = _edges(low, low + size, width, height)
    outer = _edges(low - size / 2, low + 1.5 * size, width, height)
    (light, pixels), (light_out, pixels_out) = _summed(sums, inner), _summed(sums, outer)
    frame = pixels_out - pixels
    whole = (pixels > 0) & (frame > 0)
    own = light / np.where(whole, pixels, 1)
    around = (light_out - light) / np.where(whole, frame, 1)
    both = own + around
    contrast = np.divide(np.abs(own - around), both, out=np.zeros(len(boxes)), where=whole & (both > 1e-9))
    return np.clip(contrast, 0, 1)


def _edges(low: Floats, high: Floats, width: int, height: int) -> Ints:
    """Left, top, right, bottom in whole pixels within the image: int64 (N, 4)."""
    limits = np.array([width, height, width, height], np.float64)
    edges = np.concatenate([np.floor(low), np.ceil(high)], 1)
    return np.asarray(np.clip(edges, 0, limits), np.int64)


def _summed(sums: Floats, edges: Ints) -> tuple[Floats, Floats]:
    """The light and the number of pixels within edges, by sums of all pixels above and to the left."""
    left, top, right, bottom = edges.T
    light = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return light, ((right - left) * (bottom - top)).astype(np.float64)
