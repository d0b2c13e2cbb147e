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

import os
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path

from benchmarks.imaging.exif_orientation import Orientation, may_hold_orientation, orientation_of
from benchmarks.imaging.image_decoding import FORMATS, WHITE, decode_image
from hsc.api import Image
from hsc.errors import ImageError

MAX_FILE_BYTES = 2**31
"""Larger files are refused; no image within the pixel limit needs so many bytes."""

# fmt: off
SUFFIXES = frozenset((
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".gif",
))
"""Suffixes of the files that ``read_image`` is meant for, lower case."""

OTHER_SUFFIXES = frozenset((
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".jxr", ".bpg", ".qoi", ".tga", ".psd", ".exr", ".hdr",
    ".svg", ".ico", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2",
))
"""Suffixes of images of kinds that are not read."""
# fmt: on

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def read_image(
    path: Path | str, *, orientation: Orientation = "apply", background: tuple[int, int, int] = WHITE
) -> Image:
    """Read one image file as uint8 (H, W, 3) RGB.

    orientation: "apply" turns the picture as its EXIF tag says; "ignore" keeps the pixels as stored, which is what box
    and mask annotations of most data sets refer to. background: RGB put behind transparent pixels.

    Raises:
        ImageError: the file is missing, empty, cut, damaged, too large, or of a kind that is not read.
    """
    return decode_image(read_plain(path), name=shown(path), orientation=orientation, background=background)


def read_plain(path: Path | str, noun: str = "image") -> bytes:
    """The bytes of a file, once it is known to be a regular one: reading a pipe or a device might never end.

    noun: the file's, for messages.

    Raises:
        ImageError: it is missing, no regular file, or too large.
    """
    try:
        check_plain(path, noun)
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read the {noun} {shown(path)!r}: {error.strerror or error}") from error


def check_plain(path: Path | str, noun: str = "image") -> int:
    """The size of a regular file in bytes. noun: the file's, for messages.

    Raises:
        ImageError: it is missing, a link that leads nowhere or in a circle, no regular file, or too large.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise ImageError(f"cannot read the {noun} {shown(path)!r}: {error.strerror or error}") from error
    except ValueError as error:  # a path that holds a zero byte
        raise ImageError(f"cannot read the {noun} {shown(path)!r}: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise ImageError(f"cannot read the {noun} {shown(path)!r}: it is {kind}, expected a file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(
            f"{shown(path)!r} has {status.st_size:,} bytes, more than the {MAX_FILE_BYTES:,} that are read; "
            f"cut it into tiles"
        )
    return status.st_size


def exif_turn(path: Path | str) -> int:
    """A file's orientation, 1 to 8, from its EXIF tag or the equivalents in PNG and XMP; 1 if it has none.

    Raises:
        ImageError: the file is missing, or damaged before its tags.
    """
    import PIL.Image

    try:
        if not may_hold_orientation(Path(path)):
            return 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(path, formats=FORMATS) as picture:  # reads only the head of most formats
                return orientation_of(picture)
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more on damage
        raise ImageError(f"cannot read the tags of the image {str(path)!r}: {error or type(error).__name__}") from error


def turned(paths: Iterable[Path]) -> list[Path]:
    """The files whose orientation is not upright. Raises as ``exif_turn``."""
    return [path for path in paths if exif_turn(path) != 1]


def shown(path: Path | str) -> str:
    """A path as text that can be written anywhere: bytes that are not UTF-8 become ``\\xe9`` and the like.

    >>> shown(os.fsdecode(b"caf\\xe9.png")), shown("café.png")
    ('caf\\\\xe9.png', 'café.png')
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
