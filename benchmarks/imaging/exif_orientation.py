"""The EXIF orientation: whether a file can hold one, what an opened picture states, and how it turns pixels.

Values are those of EXIF 2.3, tag 0x0112: 1 is upright, 2 to 8 are the seven turns and mirrorings.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from hsc.api import Image

Orientation = Literal["apply", "ignore"]

_TAG = 0x0112
_PNG_START = b"\x89PNG\r\n\x1a\n"
_KEYWORD_BYTES = 80
"""The name of a PNG's text chunk takes at most this."""
_MAY_HOLD_TAG = re.compile(rb"exif|xmp|XML:com", re.IGNORECASE)
"""Names of PNG text chunks that may hold an orientation."""


def orientation_of(picture: Any) -> int:
    """The orientation, 1 to 8, that an opened Pillow picture states; 1 where its tag is missing or undefined."""
    tag = picture.getexif().get(_TAG, 1)
    return tag if tag in range(2, 9) else 1


def upright(pixels: Image, orientation: int) -> Image:
    """Pixels (H, W, C) turned as an orientation of 1 to 8 asks; a view of the input."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def may_hold_orientation(path: Path) -> bool:
    """Whether a file can hold an orientation.

    It is False only for PNGs without one, which Pillow would decode whole to find out (PNG 3rd edition, 5.3).
    """
    with path.open("rb") as file:
        if file.read(8) != _PNG_START:
            return True
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"eXIf":
                return True
            keyword = file.read(min(length, _KEYWORD_BYTES)) if kind in (b"tEXt", b"zTXt", b"iTXt") else b""
            if _MAY_HOLD_TAG.search(keyword):
                return True
            file.seek(length - len(keyword) + 4, os.SEEK_CUR)
    return False
