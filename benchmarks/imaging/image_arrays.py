"""Images in memory: the check of their type, the limit of their size, and the hash of their pixels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from hsc.api import Image
from hsc.errors import ImageError

MAX_PIXELS = 2**27
"""Larger images are refused before memory is allocated: 134 million pixels, 400 MB as RGB."""


def require_image(image: Any) -> Image:
    """The argument itself, once it is known to be an ``Image``.

    Raises:
        ImageError: it is not uint8 (H, W, 3) with at least one pixel, or has more than MAX_PIXELS.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        came = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"an image came as {came}, expected uint8 (H, W, 3) RGB")
    check_size(image.shape[0], image.shape[1], "the image")
    return image


def check_size(height: int, width: int, name: str) -> None:
    """Refuse sizes that are empty or too large, before anything is allocated for them. name: for messages.

    Raises:
        ImageError: no pixels, or more than MAX_PIXELS.
    """
    if height < 1 or width < 1:
        raise ImageError(f"{name!r} says it is {width}x{height} pixels; expected at least 1x1")
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"{name!r} says it is {width}x{height} pixels, more than the {MAX_PIXELS:,} that are read; "
            f"cut it into tiles"
        )


def pixels_sha256(image: Image) -> str:
    """The sha256 of an image's shape and pixels, in hex; it does not depend on the file format."""
    digest = hashlib.sha256(f"{image.shape[0]} {image.shape[1]} rgb8\n".encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
