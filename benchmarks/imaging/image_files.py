"""Image files to pixels, with every choice written down.

What a file holds -> what comes out, always uint8 (H, W, 3) RGB:

    grey, 1 bit, palette      the same colours, three equal channels for grey
    alpha, transparency       laid over ``background`` (white), rounded: what a page or viewer shows
    16 bits a sample          v * 255 / 65535, rounded, never the high byte alone
    CMYK, YCbCr               Pillow's plain conversion, no colour profile
    ICC profile, gamma        ignored: the stored numbers are taken as sRGB
    EXIF orientation          applied, unless the caller says the labels refer to the pixels as stored
    several frames or pages   the first
    texts, comments           ignored, however long
    float, 32-bit integers    refused: they have no agreed range
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hsc.api import Image
from hsc.errors import ImageError
from hsc.files.image_file_checks import check_tiles, without_text

MAX_PIXELS = 2**27
"""Larger images are refused before memory is taken: 134 million pixels, 400 MB as RGB."""

MAX_DEEP_BYTES = 3 * MAX_PIXELS
"""16-bit images of more bytes than this once decoded are refused, for they are held whole before they become 8 bits."""

MAX_FILE_BYTES = 2**31
"""Larger files are refused; no image of MAX_PIXELS needs so many bytes."""

SUFFIXES = frozenset(
    {
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jif",
        ".jfif",
        ".webp",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".gif",
    }
)
"""File names that ``read_image`` is meant for, lower case."""

OTHER_SUFFIXES = frozenset(
    {
        ".heic",
        ".heif",
        ".avif",
        ".jxl",
        ".jp2",
        ".j2k",
        ".jpx",
        ".jxr",
        ".bpg",
        ".qoi",
        ".tga",
        ".psd",
        ".exr",
        ".hdr",
        ".svg",
        ".ico",
        ".dng",
    }
    | {".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)
"""Names of images of kinds that are not read."""

_BLOCK_PIXELS = 2**20
"""Pixels that are worked on at once where numbers of more than 8 bits are needed."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
_ORIENTATION_TAG = 0x0112
_BITS_PER_SAMPLE_TAG = 258
_PNG_START = b"\x89PNG\r\n\x1a\n"
_KEYWORD = 80
"""Bytes that the name of a PNG's text takes at most."""
_MAY_TURN = re.compile(rb"exif|xmp|XML:com", re.IGNORECASE)
"""Names of a PNG's texts that may hold a camera's turn."""

Orientation = Literal["apply", "ignore"]


def read_image(
    path: Path | str, *, orientation: Orientation = "apply", background: tuple[int, int, int] = (255, 255, 255)
) -> Image:
    """Read one image file as uint8 (H, W, 3) RGB.

    orientation: "apply" turns the picture as its EXIF tag says; "ignore" keeps the pixels as stored, which is what box
    and mask annotations of most data sets refer to. background: RGB put behind transparent pixels.

    Raises:
        ImageError: the file is missing, empty, cut, damaged, too large, or of a kind that is not read.
    """
    return decode_image(read_plain(path), name=shown(path), orientation=orientation, background=background)


def read_plain(path: Path | str, what: str = "image") -> bytes:
    """The bytes of a file, once it is known to be one: a pipe or a device would be waited for without end. what: for
    messages.

    Raises:
        ImageError: it is missing, no plain file, or too large.
    """
    try:
        check_plain(path, what)
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read the {what} {shown(path)!r}: {error.strerror or error}") from error


def check_plain(path: Path | str, what: str = "image") -> int:
    """The size in bytes of a file. what: for messages.

    Raises:
        ImageError: it is missing, a link that leads nowhere or in a circle, no plain file, or too large.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise ImageError(
            f"cannot read the {what} {shown(path)!r}: {getattr(error, 'strerror', None) or error}"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(
            f"cannot read the {what} {shown(path)!r}: it is {_KINDS.get(stat.S_IFMT(found.st_mode), 'a device')}, "
            f"expected a file"
        )
    if found.st_size > MAX_FILE_BYTES:
        raise ImageError(
            f"{shown(path)!r} has {found.st_size:,} bytes, more than the {MAX_FILE_BYTES:,} that are read; cut it "
            f"into tiles"
        )
    return found.st_size


_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def shown(path: Path | str) -> str:
    """A path as text that can be written anywhere: bytes that are no UTF-8 become ``\\xe9`` and the like.

    >>> shown(os.fsdecode(b"caf\\xe9.png")), shown("café.png")
    ('caf\\\\xe9.png', 'café.png')
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def exif_turn(path: Path | str) -> int:
    """The turn that a file's EXIF tag (or what stands for it in PNG and XMP) asks for: 1 upright, 2 to 8 as EXIF 2.3
    has them.

    Raises:
        ImageError: the file is missing, or damaged before its tags.
    """
    import PIL.Image

    try:
        if not _may_turn(Path(path)):
            return 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(path, formats=_FORMATS) as picture:  # of most formats no more than the head is read
                turn = picture.getexif().get(_ORIENTATION_TAG, 1)
    except (
        Exception
    ) as error:  # Pillow's plug-ins raise OSError, SyntaxError, ValueError, struct.error and more on damaged files
        raise ImageError(f"cannot read the tags of the image {str(path)!r}: {error or type(error).__name__}") from error
    return turn if turn in range(2, 9) else 1


def _may_turn(path: Path) -> bool:
    """Whether a file can have such a tag; False is for PNGs without one, which Pillow would decode whole to look (PNG
    3rd edition, 5.3).
    """
    with path.open("rb") as file:
        if file.read(8) != _PNG_START:
            return True
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"eXIf":
                return True
            start = file.read(min(length, _KEYWORD)) if kind in (b"tEXt", b"zTXt", b"iTXt") else b""
            if _MAY_TURN.search(start):
                return True
            file.seek(length - len(start) + 4, os.SEEK_CUR)
    return False


def turned(paths: Iterable[Path]) -> list[Path]:
    """Those of the files whose EXIF tag asks for a turn. Raises as ``exif_turn``."""
    return [path for path in paths if exif_turn(path) != 1]


def decode_image(
    data: bytes,
    *,
    name: str = "image",
    orientation: Orientation = "apply",
    background: tuple[int, int, int] = (255, 255, 255),
) -> Image:
    """The same from a file's bytes; ``name`` is for messages.

    Raises:
        ImageError: as ``read_image``.
    """
    import PIL.Image

    data = without_text(data)
    if not data:
        raise ImageError(f"{name!r} is an empty file; expected an image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that MAX_PIXELS judges below
            with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                check_size(picture.size[1], picture.size[0], name)
                check_tiles(picture, name)
                _check_deep(data, name)
                turn = picture.getexif().get(_ORIENTATION_TAG, 1) if orientation == "apply" else 1
                pixels = _flatten(_samples(picture, data, name), background)
    except ImageError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise ImageError(
            f"{name!r} is not an image of a kind that is read ({', '.join(_FORMATS)}); convert it to PNG"
        ) from error
    except (
        Exception
    ) as error:  # Pillow's plug-ins raise OSError, SyntaxError, ValueError, struct.error and more on damaged files
        raise ImageError(
            f"{name!r} cannot be decoded: {error or type(error).__name__}; it is cut or damaged"
        ) from error
    return np.ascontiguousarray(_turn(pixels, turn))


def pixels_sha256(image: Image) -> str:
    """Fingerprint of an image's shape and pixels, in hex; independent of the file it came from."""
    digest = hashlib.sha256(f"{image.shape[0]} {image.shape[1]} rgb8\n".encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


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
    """Refuse sizes that are empty or too large, before anything is allocated for them.

    Raises:
        ImageError: no pixels, or more than MAX_PIXELS.
    """
    if height < 1 or width < 1:
        raise ImageError(f"{name!r} says it is {width}x{height} pixels; expected at least 1x1")
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"{name!r} says it is {width}x{height} pixels, more than the {MAX_PIXELS:,} that are read; cut it into "
            f"tiles"
        )


def _samples(picture: Any, data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3) or, with alpha, (H, W, 4) of an opened Pillow picture."""
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
    if not _is_deep_png(data):
        return
    width, height, samples = (
        int.from_bytes(data[16:20], "big"),
        int.from_bytes(data[20:24], "big"),
        {0: 1, 2: 3, 4: 2}.get(data[25], 4),
    )
    decoded_bytes = 2 * height * width * samples
    if decoded_bytes > MAX_DEEP_BYTES:
        raise ImageError(
            f"{name!r} is {width}x{height} pixels of 16 bits a sample, {decoded_bytes:,} bytes once decoded, more "
            f"than the "
            f"{MAX_DEEP_BYTES:,} that are read; cut it into tiles, or convert it to 8 bits"
        )


def _deep_png(data: bytes) -> npt.NDArray[np.uint8]:
    """A 16-bit PNG's samples in 8 bits. Pillow would keep the high byte of colour, which darkens."""
    import imagecodecs

    deep = np.asarray(imagecodecs.png_decode(data))
    samples = _to_8_bits(deep[:, :, None] if deep.ndim == 2 else deep)
    grey, alpha = samples.shape[2] <= 2, samples.shape[2] in (2, 4)
    if not grey:
        return samples
    colour = np.repeat(samples[:, :, :1], 3, axis=2)
    return np.concatenate([colour, samples[:, :, -1:]], axis=2) if alpha else colour


def _blocks(height: int, width: int) -> Iterator[slice]:
    """Rows of an image, as many at a time as are worked on at once."""
    rows = max(1, _BLOCK_PIXELS // max(width, 1))
    return (slice(start, start + rows) for start in range(0, height, rows))


def _to_8_bits(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(H, W, C) of 0 to 65535, in any integers, to 0 to 255, rounded."""
    made = np.empty(samples.shape, np.uint8)
    for rows in _blocks(*samples.shape[:2]):
        made[rows] = (np.clip(samples[rows].astype(np.int32), 0, 65535) * 255 + 32767) // 65535
    return made


def _flatten(samples: npt.NDArray[np.uint8], background: tuple[int, int, int]) -> Image:
    """Lay (H, W, 4) over the background in integers, rounded; (H, W, 3) comes back as it is."""
    if samples.shape[2] == 3:
        return samples
    made, behind = np.empty((*samples.shape[:2], 3), np.uint8), np.asarray(background, np.uint32)
    for rows in _blocks(*samples.shape[:2]):
        colour, alpha = samples[rows, :, :3].astype(np.uint32), samples[rows, :, 3:].astype(np.uint32)
        made[rows] = (colour * alpha + behind * (255 - alpha) + 127) // 255
    return made


def _turn(pixels: Image, orientation: int) -> Image:
    """Undo the camera's turn: EXIF 2.3, tag 0x0112, values 1 (upright) to 8; anything else counts as upright."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
