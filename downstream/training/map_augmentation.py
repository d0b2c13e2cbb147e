"""Augmentation of images with label maps: flip, scale and crop, colour. Never compression, blur or noise.

A head that had seen coding artefacts in training could not measure what they cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from downstream.api import VOID
from hsc.api import Image

_MIDDLE_GREY = 115.0
_SCALES = (0.75, 2.0)  # an image that is shrunk further leaves most of a view empty
_SCALED = 0.7
_COLOURED = 0.8


def map_view(
    image: Image, labels: npt.NDArray[np.uint8], random: np.random.Generator, *, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """One training view: float32 (3, height, width), 0 to 255, and its classes, int64 (height, width).

    Pixels of the view outside of the image are ``VOID``. Three views in ten are not scaled, so that the network learns
    the true texture of pixels.
    """
    scale = float(np.exp(random.uniform(*np.log(_SCALES)))) if random.random() < _SCALED else 1.0
    mirrored = random.random() < 0.5
    # The window is cut out before it is scaled, which costs less than scaling the whole image.
    window_hw = max(1, round(height / scale)), max(1, round(width / scale))
    spare = image.shape[0] - window_hw[0], image.shape[1] - window_hw[1]
    top, left = (int(random.integers(min(0, s), max(0, s) + 1)) for s in spare)
    rows = slice(max(0, top), max(0, top) + min(window_hw[0], image.shape[0]))
    columns = slice(max(0, left), max(0, left) + min(window_hw[1], image.shape[1]))
    part, classes = np.array(image[rows, columns]), np.array(labels[rows, columns])
    size = min(height, max(1, round(part.shape[0] * scale))), min(width, max(1, round(part.shape[1] * scale)))
    y0, x0 = min(round(max(0, -top) * scale), height - size[0]), min(round(max(0, -left) * scale), width - size[1])
    pixels = torch.full((3, height, width), _MIDDLE_GREY)
    truth = torch.full((height, width), VOID, dtype=torch.int64)
    pixels[:, y0 : y0 + size[0], x0 : x0 + size[1]] = _coloured(_resized(part, size), random)
    truth[y0 : y0 + size[0], x0 : x0 + size[1]] = _resized_labels(classes, size)
    return (pixels.flip(2), truth.flip(1)) if mirrored else (pixels, truth)


def _resized(image: Image, size: tuple[int, int]) -> Tensor:
    """uint8 (h, w, 3) resized to float32 (3, *size), with averaging when it shrinks."""
    planes = torch.from_numpy(image).permute(2, 0, 1).float()[None]
    if size == planes.shape[2:]:
        return planes[0]
    return interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=size[0] < planes.shape[2])[0]


def _resized_labels(labels: npt.NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    return interpolate(torch.from_numpy(labels)[None, None].float(), size=size, mode="nearest-exact")[0, 0].long()


def _coloured(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Random exposure, contrast, saturation and light colour, clipped to 0 to 255; two views in ten are unchanged."""
    if random.random() >= _COLOURED:
        return pixels
    gamma, contrast, saturation = (
        np.exp(random.uniform(-0.25, 0.25)),
        random.uniform(0.8, 1.2),
        random.uniform(0.6, 1.4),
    )
    light = torch.from_numpy(random.uniform(0.92, 1.08, (3, 1, 1)).astype(np.float32))
    pixels = (pixels.clamp(0, 255) / 255).pow(float(gamma)) * 255 * light
    grey = pixels.mean(0, keepdim=True)
    mixed = grey + (pixels - grey) * saturation
    return ((mixed - _MIDDLE_GREY) * contrast + _MIDDLE_GREY + random.uniform(-16, 16)).clamp(0, 255)
