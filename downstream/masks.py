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
