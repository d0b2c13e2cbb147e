"""The letters that a figure's PDF shows."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

_STREAM = re.compile(rb"FlateDecode.*?stream\r?\n(.*?)endstream", re.DOTALL)
_TEXT = re.compile(rb"BT\n(.*?)\nET", re.DOTALL)
_LETTERS = re.compile(rb"\(((?:[^()\\]|\\.)*)\)", re.DOTALL)


def pdf_lines(path: Path) -> list[str]:
    """Each text of a figure that matplotlib wrote, kerning taken out; letters beyond Latin-1 are not told apart."""
    streams = [zlib.decompress(packed) for packed in _STREAM.findall(path.read_bytes())]
    texts = [b"".join(_LETTERS.findall(text)) for stream in streams for text in _TEXT.findall(stream)]
    return [re.sub(rb"\\(.)", rb"\1", text).replace(b"\0", b"").decode("latin-1") for text in texts]


def pdf_inches(path: Path) -> tuple[float, float]:
    """Width and height of a figure's page."""
    box = re.search(rb"/MediaBox \[([^\]]+)\]", path.read_bytes())
    assert box
    _, _, width, height = map(float, box[1].split())
    return width / 72, height / 72
