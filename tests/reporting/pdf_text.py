"""The letters that a figure's PDF shows."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

_STREAM = re.compile(rb"FlateDecode.*?stream\r?\n(.*?)endstream", re.DOTALL)
_LETTERS = re.compile(rb"\(((?:[^()\\]|\\.)*)\)")


def pdf_lines(path: Path) -> list[str]:
    """Each text of a figure that matplotlib wrote with letters of one byte, kerning taken out."""
    streams = [zlib.decompress(packed) for packed in _STREAM.findall(path.read_bytes())]
    lines = [line for stream in streams for line in stream.split(b"\n") if re.search(rb"T[jJ]$", line)]
    return [re.sub(rb"\\(.)", rb"\1", b"".join(_LETTERS.findall(line))).decode("latin-1") for line in lines]


def pdf_inches(path: Path) -> tuple[float, float]:
    """Width and height of a figure's page."""
    box = re.search(rb"/MediaBox \[([^\]]+)\]", path.read_bytes())
    assert box
    _, _, width, height = map(float, box[1].split())
    return width / 72, height / 72
