"""The sha256 of a few frames, pinned beside the code and checked before images are rendered.

Rendered data has no file to hash, so these hashes stand for it: if a compiler, a library or an edit changes a pixel,
the data set refuses to work instead of silently becoming another one.
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
FILE = Path(__file__).with_name("pixel_hashes.json")
PROBE = "2/0/96x64"


@cache
def pinned() -> dict[str, str]:
    """``seed/index/WxH`` to sha256, as written in ``pixel_hashes.json``."""
    return dict(json.loads(FILE.read_text())["frames"]) if FILE.exists() else {}


@cache
def digest() -> str:
    """One hash of the renderer's version and all pinned hashes."""
    return hashlib.sha256(json.dumps([VERSION, sorted(pinned().items())]).encode()).hexdigest()[:16]


def fingerprint(frame: Frame) -> str:
    """sha256 of a frame's image, label map and instances."""
    parts = (frame.image.tobytes(), frame.semantic.tobytes(), frame.instances.astype("<i4").tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def measured(key: str) -> str:
    """The hash of the frame that a key names, rendered here."""
    from benchmarks.datasets.roadscenes.renderer import render

    seed, index, size = key.split("/")
    width, height = size.split("x")
    return fingerprint(render(int(seed), int(index), (int(width), int(height))))


def compare(key: str, expected: str) -> None:
    """Render the frame that a key names and compare it with a hash.

    Raises:
        DataError: the pixels differ.
    """
    if measured(key) != expected:
        raise DataError(
            f"roadscenes renders other pixels here than those pinned for {key} (renderer version {VERSION}), "
            f"so results would not compare; clear numba's cache (the __pycache__ folders beside the renderer, or "
            f"NUMBA_CACHE_DIR) and try again; if it persists, report the machine and the versions of numba and numpy"
        )


@cache
def check() -> None:
    """Compare one small frame with its pinned hash, once a process. Raises as ``compare`` does."""
    if PROBE in pinned():
        compare(PROBE, pinned()[PROBE])


def write(keys: list[str]) -> None:
    """Pin these frames, after an intended change of the renderer and of VERSION."""
    FILE.write_text(json.dumps({"version": VERSION, "frames": {key: measured(key) for key in keys}}, indent=1) + "\n")
