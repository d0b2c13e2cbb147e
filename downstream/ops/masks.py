"""Masks of objects, packed as COCO's run lengths and unpacked again.

Format: the run-length encoding of pycocotools (Dollár and Lin): columns first, zeros before ones, six bits a character.
The packing is hotcoco's, which our tests hold equal to pycocotools'.
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


def covered_pixels(counts: bytes) -> int:
    """How many pixels packed runs cover in all, of zeros and ones; decoders fill up in silence what they lack.

    Raises:
        ValueError: they end within a number, hold a character that stands for none, or a run of less than no pixel.

    >>> covered_pixels(b"121O060M1")
    20
    """
    lengths: list[int] = []
    value, shift = 0, 0
    for character in counts:
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError(f"the runs {counts[:40]!r} hold the character {chr(character)!r}, expected '0' to 'o'")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value, shift = 0, 0
    if shift or any(length < 0 for length in lengths):
        raise ValueError(f"the runs {counts[-40:]!r} end within a number, or a run is of less than no pixel")
    return sum(lengths)


def unpack(masks: Masks) -> npt.NDArray[np.bool_]:
    """Masks as bool (N, H, W).

    Raises:
        ValueError: the runs of a mask are damaged, or do not cover the image.
    """
    from hotcoco import mask

    height, width = masks.image_hw
    if uncovered := [one for one in masks.counts if covered_pixels(one) != height * width]:
        raise ValueError(
            f"the runs {uncovered[0][:40]!r} cover {covered_pixels(uncovered[0])} pixels, expected {height} x {width}"
        )
    planes = [np.asarray(mask.decode({"size": [height, width], "counts": one}), bool) for one in masks.counts]
    return np.stack(planes) if planes else np.zeros((0, height, width), np.bool_)


def why_damaged(counts: Any, image_hw: tuple[int, int]) -> str | None:
    """What is wrong with the packed runs of one mask, in words, or None: they must be whole and cover the image's
    pixels once.
    """
    if not isinstance(counts, bytes):
        return f"its runs came as {type(counts).__name__}, expected bytes"
    letters = (
        np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    )  # five bits each, and 32 where more of the number follow
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
