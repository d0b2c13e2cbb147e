"""Precautions before Pillow reads an image file: large PNG texts are removed, and TIFFs with absurd tiles refused.

PNG chunks  ──text, profile──> removed     Pillow refuses an image with more than 1 MB of text, which editors write
            ──XMP──> only its orientation, the one part that is read
TIFF tags   ──tile size──> refused if absurd, because a tile is decoded whole however small the image is
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

from hsc.errors import ImageError

_PNG_START = b"\x89PNG\r\n\x1a\n"
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
_KEPT = b"Raw profile type exif\0"
"""Older programs store the camera's orientation in a text of this name."""
_XMP = b"XML:com.adobe.xmp\0"
_MAX_KEPT_BYTES = 1 << 20
_ORIENTATION = re.compile(rb"""tiff:Orientation(?:=["']|>)([1-8])""")
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_MAX_TILE_PIXELS = 1 << 24
"""Pixels that a tile may always have, however small the image is."""


def without_text(data: bytes) -> bytes:
    """A PNG's bytes without its texts and colour profile, which do not affect pixels; other files' bytes unchanged.

    The camera's orientation is kept, wherever a program wrote it.
    """
    if not data.startswith(_PNG_START):
        return data
    kept, start = [_PNG_START], len(_PNG_START)
    for kind, end in _chunks(data):
        if kind not in _TEXT:
            kept.append(data[start:end])
        elif (chunk := _orientation_chunk(kind, data[start + 8 : end - 4])) is not None:
            kept.append(chunk)
        start = end
    return b"".join([*kept, data[start:]])


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The kind and the end of each whole chunk of a PNG (PNG 3rd edition, 5.3)."""
    start = len(_PNG_START)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], end
        start = end


def _orientation_chunk(kind: bytes, content: bytes) -> bytes | None:
    """The chunk that replaces a text which may hold the camera's orientation; None for other texts."""
    if content.startswith(_KEPT) and len(_unpacked(kind, content)) <= _MAX_KEPT_BYTES:
        return _chunk(kind, content)
    if kind == b"iTXt" and content.startswith(_XMP) and (match := _ORIENTATION.search(_unpacked(kind, content))):
        return _chunk(b"iTXt", _XMP + b"\0\0\0\0" + b'tiff:Orientation="' + match[1] + b'"')
    return None


def _unpacked(kind: bytes, content: bytes) -> bytes:
    """A text chunk's text, up to a limit; empty if it is damaged."""
    _, _, rest = content.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    elif packed:
        rest = rest[1:]
    try:
        return zlib.decompressobj().decompress(rest, 16 * _MAX_KEPT_BYTES) if packed else rest
    except zlib.error:
        return b""


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def check_tiles(picture: Any, name: str) -> None:
    """Refuse a TIFF with tiles far larger than its image, before memory is allocated for one.

    picture: opened by Pillow. name: for messages.

    Raises:
        ImageError: a tile has more pixels than the image and more than 2^24.
    """
    tags = getattr(picture, "tag_v2", {}) if picture.format == "TIFF" else {}
    width, length = (tags.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH))
    if (
        isinstance(width, int)
        and isinstance(length, int)
        and width * length > max(_MAX_TILE_PIXELS, picture.width * picture.height)
    ):
        raise ImageError(
            f"{name!r} is a TIFF of {picture.width}x{picture.height} pixels in tiles of {width}x{length}, expected "
            f"tiles no larger than the image or {_MAX_TILE_PIXELS:,} pixels; it is damaged, or needs to be written "
            f"again in strips"
        )
