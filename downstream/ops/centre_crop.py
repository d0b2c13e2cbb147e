"""The input of ImageNet classifiers: the shorter side scaled, then the middle of the image."""

from __future__ import annotations

import numpy as np

from hsc.api import Image


def centre_crop(image: Image, resize: int, crop: int) -> Image:
    """The middle of an image as uint8 (crop, crop, 3), as torchvision's classifiers are scored on.

    The shorter side is scaled to ``resize`` pixels by Pillow's bilinear filter, which averages where it shrinks, and
    the longer side in proportion, rounded down. resize: at least ``crop``, or 0 for 8/7 of it. crop: in pixels.
    """
    from PIL import Image as Pictures

    height, width = image.shape[:2]
    shorter = min(height, width)
    resize = resize or round(crop * 8 / 7)
    size = resize * width // shorter, resize * height // shorter
    picture = Pictures.fromarray(np.array(image))
    if picture.size != size:
        picture = picture.resize(size, Pictures.Resampling.BILINEAR)
    left, top = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
    return np.asarray(picture.crop((left, top, left + crop, top + crop)))


def why_not_sizes(resize: int, crop: int) -> str:
    """Why ``centre_crop`` cannot have these sizes, in words; empty if it can. 0 stands for a size that is found out."""
    if resize < 0 or crop < 0 or (resize and crop and resize < crop):
        return (
            f"resize {resize} and crop {crop}: expected pixels, with resize no smaller than crop, or 0 for the model's"
        )
    return ""
