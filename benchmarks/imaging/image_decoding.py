"""The bytes of an image file to uint8 RGB; ``benchmarks/imaging/image_files.py`` lists what comes out of each kind."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.imaging.exif_orientation import Orientation, orientation_of, upright
from benchmarks.imaging.image_arrays import MAX_PIXELS, check_size
from hsc.api import Image
from hsc.errors import ImageError
from hsc.files.image_file_checks import check_tiles, without_text

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
"""Pillow's names of the formats that are read."""

WHITE = (255, 255, 255)
"""The default background behind transparent pixels, RGB."""

MAX_DEEP_BYTES = 3 * MAX_PIXELS
"""16-bit images that decode to more bytes are refused, because they are held whole before conversion to 8 bits."""

_BLOCK_PIXELS = 2**20
"""Pixels converted at once where numbers of more than 8 bits are needed."""

_BITS_PER_SAMPLE_TAG = 258


def decode_image(
    data: bytes,
    *,
    name: str = "image",
    orientation: Orientation = "apply",
    background: tuple[int, int, int] = WHITE,
) -> Image:
    """Decode an image file's bytes to uint8 (H, W, 3) RGB. name: for messages; the rest as for ``read_image``.

    Raises:
        ImageError: as ``read_image``.
    """
    import PIL.Image

    data = without_text(data)
    if not data:
        raise ImageError(f"{name!r} is an empty file; expected an image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, and of sizes, which check_size judges
            with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                check_size(picture.size[1], picture.size[0], name)
                check_tiles(picture, name)
                _check_deep(data, name)
                turn = orientation_of(picture) if orientation == "apply" else 1
                pixels = _flatten(_samples(picture, data, name), background)
    except ImageError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise ImageError(
            f"{name!r} is not an image of a kind that is read ({', '.join(FORMATS)}); convert it to PNG"
        ) from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more on damage
        raise ImageError(
            f"{name!r} cannot be decoded: {error or type(error).__name__}; it is cut or damaged"
        ) from error
    return np.ascontiguousarray(upright(pixels, turn))


def _samples(picture: Any, data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Samples of an opened Pillow picture: uint8 (H, W, 3) or, with alpha, (H, W, 4)."""
    if picture.format == "PNG" and _is_deep_png(data):
        return _deep_png(data)
    if (
        picture.format == "TIFF"
        and max(picture.tag_v2.get(_BITS_PER_SAMPLE_TAG, (8,))) > 8
        and len(picture.getbands()) > 1
    ):
        raise ImageError(
            f"{name!r} is a colour TIFF of more than 8 bits a sample, which is not read; convert it to 16-bit PNG"
        )
    picture.load()
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM"):
        grey = _to_8_bits(np.asarray(picture)[:, :, None])
        return np.repeat(grey, 3, axis=2)
    if picture.mode in ("I", "F"):
        raise ImageError(
            f"{name!r} holds {picture.mode} samples (32 bits), which have no agreed range; scale it to 8 or 16 bits"
        )
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def _is_deep_png(data: bytes) -> bool:
    """Whether a file is a PNG of 16 bits a sample (PNG 3rd edition, 11.2.1)."""
    return len(data) >= 26 and data[12:16] == b"IHDR" and data[24] == 16


def _check_deep(data: bytes, name: str) -> None:
    """Refuse a 16-bit PNG that decodes to more than MAX_DEEP_BYTES; other files pass."""
    if not _is_deep_png(data):
        return
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    samples = {0: 1, 2: 3, 4: 2}.get(data[25], 4)
    decoded_bytes = 2 * height * width * samples
    if decoded_bytes > MAX_DEEP_BYTES:
        raise ImageError(
            f"{name!r} is {width}x{height} pixels of 16 bits a sample, {decoded_bytes:,} bytes once decoded, "
            f"more than the {MAX_DEEP_BYTES:,} that are read; cut it into tiles, or convert it to 8 bits"
        )


def _deep_png(data: bytes) -> npt.NDArray[np.uint8]:
    """A 16-bit PNG's samples in 8 bits. Pillow would keep only the high byte of colour, which darkens."""
    import imagecodecs

    deep = np.asarray(imagecodecs.png_decode(data))
    samples = _to_8_bits(deep[:, :, None] if deep.ndim == 2 else deep)
    grey, alpha = samples.shape[2] <= 2, samples.shape[2] in (2, 4)
    if not grey:
        return samples
    colour = np.repeat(samples[:, :, :1], 3, axis=2)
    return np.concatenate([colour, samples[:, :, -1:]], axis=2) if alpha else colour


def _blocks(height: int, width: int) -> Iterator[slice]:
    """Slices of rows, each of about ``_BLOCK_PIXELS``."""
    rows = max(1, _BLOCK_PIXELS // max(width, 1))
    return (slice(start, start + rows) for start in range(0, height, rows))


def _to_8_bits(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(H, W, C) of 0 to 65535, in any integer type, to 0 to 255, rounded."""
    scaled = np.empty(samples.shape, np.uint8)
    for rows in _blocks(*samples.shape[:2]):
        scaled[rows] = (np.clip(samples[rows].astype(np.int32), 0, 65535) * 255 + 32767) // 65535
    return scaled


def _flatten(samples: npt.NDArray[np.uint8], background: tuple[int, int, int]) -> Image:
    """(H, W, 4) laid over the background in integers, rounded; (H, W, 3) is returned as it is."""
    if samples.shape[2] == 3:
        return samples
    flat, behind = np.empty((*samples.shape[:2], 3), np.uint8), np.asarray(background, np.uint32)
    for rows in _blocks(*samples.shape[:2]):
        colour, alpha = samples[rows, :, :3].astype(np.uint32), samples[rows, :, 3:].astype(np.uint32)
        flat[rows] = (colour * alpha + behind * (255 - alpha) + 127) // 255
    return flat
