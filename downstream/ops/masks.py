"""Object masks as COCO's run lengths: packing, unpacking and checks.

Format: the run-length encoding of pycocotools (Dollár and Lin): columns first, zeros before ones, six bits a character.
The packing is hotcoco's, which our tests hold equal to pycocotools'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from downstream.api import Masks


def pack(planes: npt.NDArray[Any]) -> Masks:
    """Pack the masks of N objects, bool (N, H, W)."""
    from hotcoco import mask

    codes = [mask.encode(plane.astype(np.uint8)) for plane in planes]
    return Masks(tuple(bytes(code["counts"]) for code in codes), (planes.shape[1], planes.shape[2]))


def covered_pixels(counts: bytes) -> int:
    """The number of pixels, zeros and ones, that packed runs cover; decoders silently fill up runs that are too short.

    Raises:
        ValueError: the runs end within a number, hold an invalid character, or a run has a negative length.

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
        raise ValueError(f"the runs {counts[-40:]!r} end within a number, or a run has a negative length")
    return sum(lengths)


def unpack(masks: Masks) -> npt.NDArray[np.bool_]:
    """Unpack the masks of N objects to bool (N, H, W).

    Raises:
        ValueError: the runs of a mask are damaged, or do not cover the image.
    """
    from hotcoco import mask

    height, width = masks.image_hw
    if wrong := [counts for counts in masks.counts if covered_pixels(counts) != height * width]:
        raise ValueError(
            f"the runs {wrong[0][:40]!r} cover {covered_pixels(wrong[0])} pixels, expected {height} x {width}"
        )
    planes = [np.asarray(mask.decode({"size": [height, width], "counts": counts}), bool) for counts in masks.counts]
    return np.stack(planes) if planes else np.zeros((0, height, width), np.bool_)


def why_damaged(counts: Any, image_hw: tuple[int, int]) -> str | None:
    """One sentence on what is wrong with the packed runs of one mask; None if they cover the image's pixels once."""
    if not isinstance(counts, bytes):
        return f"its runs came as {type(counts).__name__}, expected bytes"
    try:
        covered = covered_pixels(counts)
    except ValueError as error:
        return str(error)
    height, width = image_hw
    return None if covered == height * width else f"its runs cover {covered} pixels, expected {height * width}"
