"""JPEG XL (ISO/IEC 18181) by libjxl, through imagecodecs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks.api import CODECS
from benchmarks.imaging.image_arrays import MAX_PIXELS, check_size, require_image
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ImageError

_SIGNATURE = b"\xff\x0a"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIZE_BITS = (9, 13, 18, 30)
_BLOCK = 8
_MAX_PADDED_PIXELS = MAX_PIXELS + (1 << 23)
"""Limit of the pixels in whole blocks, in which libjxl works: an image of 1 x 2^27 pixels has eight times as many."""


@CODECS.register("jpegxl")
@dataclass(frozen=True)
class JpegXl:
    """A bare lossy JPEG XL codestream in XYB, one thread.

    distance: the target Butteraugli distance, 25 (small) to 0.1; 1 is meant to look lossless. effort: 1 (fast) to 9.
    """

    distance: float = 1.0
    effort: int = 7

    rate_field: ClassVar[str] = "distance"
    ladder: ClassVar[tuple[Any, ...]] = (15.0, 10.0, 6.0, 4.0, 2.5, 1.5)
    rate_range: ClassVar[tuple[float, float]] = (25.0, 0.1)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it runs only libraries that are installed with it."""
        return None

    def __post_init__(self) -> None:
        if not 0.1 <= self.distance <= 25:
            raise ValueError(f"distance is {self.distance}, expected 0.1 to 25")
        if not 1 <= self.effort <= 9:
            raise ValueError(f"effort is {self.effort}, expected 1 to 9")

    def encode(self, image: Image) -> bytes:
        import imagecodecs

        pixels = np.ascontiguousarray(require_image(image))
        if reason := _why_too_large(pixels.shape[0], pixels.shape[1]):
            raise CodecError(f"the image is {reason}; cut it into tiles")
        try:
            data = imagecodecs.jpegxl_encode(
                pixels, distance=self.distance, effort=self.effort, usecontainer=False, numthreads=1
            )
        except Exception as error:  # imagecodecs raises its own RuntimeError, ValueError, MemoryError
            raise CodecError(
                f"libjxl failed on a {pixels.shape[1]}x{pixels.shape[0]} image: {error or type(error).__name__}"
            ) from error
        return bytes(data)

    def decode(self, data: bytes) -> Image:
        import imagecodecs

        height, width = _stated_size(data)
        try:
            # index=0: of an animation only the first frame is decoded
            image = imagecodecs.jpegxl_decode(data, index=0, keeporientation=True, numthreads=1)
        except Exception as error:  # as in ``encode``
            raise BitstreamError(
                f"not a valid JPEG XL codestream of {len(data)} bytes: {error or type(error).__name__}"
            ) from error
        if image.dtype != np.uint8 or image.shape != (height, width, 3):
            raise BitstreamError(
                f"the codestream states {width}x{height} RGB in 8 bits but holds {image.dtype} {image.shape}; "
                f"it is damaged"
            )
        return np.ascontiguousarray(image)

    def available(self) -> str | None:
        try:
            import imagecodecs
        except ImportError:
            return "the package imagecodecs is missing; pip install imagecodecs"
        if not imagecodecs.JPEGXL.available:
            return "this imagecodecs was built without libjxl; pip install --force-reinstall imagecodecs"
        return None

    def provenance(self) -> Mapping[str, str]:
        import imagecodecs

        return {
            "code": "jpegxl-1",
            "imagecodecs": imagecodecs.__version__,
            "libjxl": imagecodecs.jpegxl_version().removeprefix("libjxl "),
        }


def _stated_size(data: bytes) -> tuple[int, int]:
    """(H, W) in a bare codestream's SizeHeader (ISO/IEC 18181-1, annex D), read before memory is allocated.

    Raises:
        BitstreamError: empty, no codestream, or of a size that is refused.
    """
    if data[:2] != _SIGNATURE or len(data) < 12:
        raise BitstreamError(
            f"not a JPEG XL codestream: {len(data)} bytes that begin {data[:2].hex() or 'nowhere'}, "
            f"expected {_SIGNATURE.hex()}"
        )
    bits = int.from_bytes(data[2:12], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if small else take(_SIZE_BITS[take(2)]) + 1

    height = side()
    ratio = take(3)
    width = side() if ratio == 0 else height * _RATIOS[ratio][0] // _RATIOS[ratio][1]
    try:
        check_size(height, width, "the codestream")
    except ImageError as error:
        raise BitstreamError(str(error)) from error
    if reason := _why_too_large(height, width):
        raise BitstreamError(f"the codestream says it is {reason}; it is damaged")
    return height, width


def _why_too_large(height: int, width: int) -> str | None:
    """None if the decoder's own planes stay within bounds, else the size and the limit, as part of a sentence."""
    padded = -(-height // _BLOCK) * -(-width // _BLOCK) * _BLOCK**2
    if padded <= _MAX_PADDED_PIXELS:
        return None
    return (
        f"{width}x{height} pixels, {padded:,} in whole blocks of {_BLOCK}x{_BLOCK}, "
        f"expected at most {_MAX_PADDED_PIXELS:,}"
    )
