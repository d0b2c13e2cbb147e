"""Masks of objects, packed as COCO's run lengths and unpacked again.

Format: the run-length encoding of pycocotools (Dollár and Lin): columns first, zeros before ones, six bits a character. The packing is
hotcoco's, which our tests hold equal to pycocotools'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from downstream.api import Masks


def pack(drawn: npt.NDArray[Any]) -> Masks:
    """Pack masks bool (N, H, W)."""
    from hotcoco import mask

    codes = [mask.encode(one.astype(np.uint8)) for one in drawn]
    return Masks(tuple(bytes(code["counts"]) for code in codes), (drawn.shape[1], drawn.shape[2]))


def unpack(masks: Masks) -> npt.NDArray[np.bool_]:
    """Masks as bool (N, H, W).

    Raises:
        ValueError: the runs of a mask are damaged.
    """
    from hotcoco import mask

    height, width = masks.image_hw
    planes = [np.asarray(mask.decode({"size": [height, width], "counts": one}), bool) for one in masks.counts]
    return np.stack(planes) if planes else np.zeros((0, height, width), np.bool_)


def why_damaged(counts: Any, image_hw: tuple[int, int]) -> str | None:
    """What is wrong with the packed runs of one mask, in words, or None: they must be whole and cover the image's pixels once."""
    if not isinstance(counts, bytes):
        return f"its runs came as {type(counts).__name__}, expected bytes"
    letters = np.frombuffer(counts, np.uint8).astype(np.int64) - 48  # five bits each, and 32 where more of the number follow
    if letters.size and not (letters.min() >= 0 and letters.max() < 64):
        return "its runs hold bytes that are no digits of packed runs"
    if letters.size and letters[-1] & 32:
        return "its last run is cut off"
    runs: list[int] = []
    value, shift = 0, 0
    for letter in letters.tolist():
        value |= (letter & 31) << shift
        shift += 5
        if not letter & 32:
            value -= (1 << shift) if letter & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if any(run < 0 for run in runs):
        return "one of its runs is negative"
    height, width = image_hw
    covered = sum(runs)
    return None if covered == height * width else f"its runs cover {covered} pixels, expected {height * width}"
