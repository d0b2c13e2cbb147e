"""The result of rendering: an image, its label map, its instances, and the visible part of each object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Objects(NamedTuple):
    """The visible parts of the objects with at least one pixel, in order of instance number.

    boxes_xyxy: float32 (N,4). classes: int64 (N,). areas: int64 (N,) pixels. visible: float32 (N,), the share of the
    outline that is not hidden. iscrowd: bool (N,).
    """

    boxes_xyxy: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    areas: npt.NDArray[np.int64]
    visible: npt.NDArray[np.float32]
    iscrowd: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Frame:
    """One rendered image with its exact labels.

    image: uint8 (H,W,3). semantic: uint8 (H,W), index into the eleven classes, 255 void. instances: int32 (H,W), 0 for
    none, else the object's number i + 1 where i is its row in the arrays of ``objects``.
    """

    image: npt.NDArray[np.uint8]
    semantic: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32]
    objects: Objects

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float32]:
        """float32 (N,4): left, top, right, bottom of the visible pixels."""
        return self.objects.boxes_xyxy

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """int64 (N,): 0 car, 1 bus, 2 pedestrian, 3 bicyclist, 4 sign."""
        return self.objects.classes

    @property
    def iscrowd(self) -> npt.NDArray[np.bool_]:
        """bool (N,): True for objects that are too small or too hidden to be scored."""
        return self.objects.iscrowd
