"""What the pixels are: sha256 of a few frames, pinned beside the code and checked where images are rendered.

Data made of code has no file to hash. The pins stand for it: if a compiler, a library or an edit changes a pixel, the
data set refuses to work rather than quietly become another one.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hsc.errors import DataError

if TYPE_CHECKING:
    from benchmarks.datasets.roadscenes.frame import Frame

VERSION = 1
FILE = Path(__file__).with_name("pins.json")
PROBE = "2/0/96x64"


@cache
def pinned() -> dict[str, str]:
    """``seed/index/WxH`` to sha256, as written in ``pins.json``."""
    return dict(json.loads(FILE.read_text())["frames"]) if FILE.exists() else {}


@cache
def digest() -> str:
    """One hash for the renderer's version and all pins."""
    return hashlib.sha256(json.dumps([VERSION, sorted(pinned().items())]).encode()).hexdigest()[:16]


def fingerprint(frame: Frame) -> str:
    """sha256 of a frame's image, label map and instances."""
    parts = (frame.image.tobytes(), frame.semantic.tobytes(), frame.instances.astype("<i4").tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def measured(key: str) -> str:
    """Render the frame a key names and hash it."""
    from benchmarks.datasets.roadscenes.renderer import render

    seed, index, size = key.split("/")
    width, height = size.split("x")
    return fingerprint(render(int(seed), int(index), (int(width), int(height))))


def compare(key: str, want: str) -> None:
    """Render the frame a key names and compare it with a hash.

    Raises:
        DataError: the pixels differ.
    """
    if measured(key) != want:
        raise DataError(
            f"roadscenes renders other pixels here than those pinned for {key} (renderer version {VERSION}), so "
            f"results would not compare; "
            "clear numba's cache (the __pycache__ folders beside the renderer, or NUMBA_CACHE_DIR) and try again; "
            "if it persists, report the machine and the versions of numba and numpy"
        )


@cache
def check() -> None:
    """Compare one small frame with its pin; once a process. Raises as ``compare`` does."""
    if PROBE in pinned():
        compare(PROBE, pinned()[PROBE])


def write(keys: list[str]) -> None:
    """Pin these frames: for whoever changes the renderer on purpose, and VERSION with it."""
    FILE.write_text(json.dumps({"version": VERSION, "frames": {key: measured(key) for key in keys}}, indent=1) + "\n")
