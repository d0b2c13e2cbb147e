"""Checks of a codec's answers: streams, decoded images, decoded latents. An answer that passes can be measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hsc.api import Image, Latents
from hsc.errors import CodecError


def checked_stream(data: Any) -> bytes:
    """The stream that a codec encoded.

    Raises:
        CodecError: it is not ``bytes``, or empty.
    """
    if type(data) is not bytes:
        raise CodecError(f"encode gave {type(data).__name__}, expected bytes")
    if not data:
        raise CodecError("encode gave no bytes at all, expected a stream that decode can read")
    return data


def checked_image(image: Any, image_hw: tuple[int, int]) -> Image:
    """A copy of the image that a codec decoded: uint8 (H, W, 3), memory of its own, not to be written to.

    Raises:
        CodecError: it is no uint8 image of this height and width.
    """
    expected = (*image_hw, 3)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != expected:
        came = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise CodecError(f"decode gave {came}, expected uint8 {expected}")
    own = np.array(image, dtype=np.uint8, order="C", subok=False)
    own.setflags(write=False)
    return own


def checked_latents(latents: Any, image_hw: tuple[int, int], shapes: Mapping[str, tuple[int | None, ...]]) -> Latents:
    """The latents that a codec decoded, not to be written to.

    shapes: of the maps that a head reads, by name; None for axes that follow the image's size.

    Raises:
        CodecError: a map is missing, or is no finite float32 array of its shape, or the image's size is another.
    """
    if not isinstance(latents, Latents):
        raise CodecError(f"decode_latents gave {type(latents).__name__}, expected Latents")
    if tuple(latents.image_hw) != image_hw:
        raise CodecError(f"decode_latents gave an image size of {latents.image_hw}, expected {image_hw}")
    maps = {name: _checked_map(name, latents.maps.get(name), shape) for name, shape in shapes.items()}
    return Latents({**latents.maps, **maps}, image_hw)


def _checked_map(name: str, values: Any, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        came = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise CodecError(f"the latent {name} came as {came}, expected float32")
    if len(values.shape) != len(shape) or any(
        want not in (None, side) for want, side in zip(shape, values.shape, strict=True)
    ):
        raise CodecError(f"the latent {name} came as {values.shape}, expected {shape} (None: any)")
    if not np.isfinite(values).all():
        raise CodecError(f"the latent {name} holds values that are not finite")
    own = np.array(values)
    own.setflags(write=False)
    return own
