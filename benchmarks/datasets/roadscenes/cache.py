"""A cache of rendered frames: some in memory, those of small splits also on disk.

The folder is ``$HSC_CACHE/roadscenes`` or ``~/.cache/hsc/roadscenes``; an empty ``HSC_CACHE`` keeps nothing on disk.
Files are written under another name and moved into place. Their folder is named by the hash of the pinned pixels, so a
changed renderer never reads old pixels. Frames that another user put into a shared folder are not read.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.datasets.roadscenes import pixel_hashes
from benchmarks.datasets.roadscenes.frame import Frame, Objects
from downstream.packed_arrays import unpack
from hsc.errors import DataError
from hsc.weights.download import is_ours


def folder() -> Path | None:
    """The folder of cached frames, None if the disk is not to be used."""
    root = os.environ.get("HSC_CACHE")
    if root == "":
        return None
    return (Path(root) if root else Path.home() / ".cache" / "hsc") / "roadscenes" / pixel_hashes.digest()


@lru_cache(maxsize=160)
def cached_frame(seed: int, index: int, size: tuple[int, int], *, on_disk: bool) -> Frame:
    """The frame of (seed, index) at size (width, height).

    Raises:
        DataError: this machine renders other pixels than the pinned ones.
    """
    frames_folder = folder() if on_disk else None
    path = frames_folder / f"{seed}-{index:05d}-{size[0]}x{size[1]}.npz" if frames_folder else None
    if path is not None and is_ours(path):
        frame = _read(path)
        if frame is not None:
            return frame
    from benchmarks.datasets.roadscenes.renderer import render

    pixel_hashes.check()
    frame = render(seed, index, size)
    if path is not None:
        _write(path, frame)
    return _frozen(frame)


def _frozen(frame: Frame) -> Frame:
    """The frame with read-only arrays, because all callers share it."""
    for array in (frame.image, frame.semantic, frame.instances, *frame.objects):
        array.flags.writeable = False
    return frame


def _read(path: Path) -> Frame | None:
    """A cached frame, None if the file is damaged, so that it is rendered again."""
    try:
        arrays = unpack(path.read_bytes())
        objects = Objects(*(arrays[name] for name in Objects._fields))
        return _frozen(Frame(arrays["image"], arrays["semantic"], arrays["instances"].astype(np.int32), objects))
    except (OSError, ValueError, KeyError, DataError):
        return None


def _write(path: Path, frame: Frame) -> None:
    """Write a frame to the cache; a failure, as on a full or read-only disk, only costs time."""
    arrays = {
        "image": frame.image,
        "semantic": frame.semantic,
        "instances": frame.instances.astype(np.uint16),
        **frame.objects._asdict(),
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as target:
                np.savez(target, **arrays)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
