"""Bits over the pixels of a detector's input, which most pictures are enlarged to.

Used by TransTIC (Chen et al., ICCV 2023) and Adapt-ICMH (Li et al., ECCV 2024), whose figures it converts from. Small
pictures have several times as many pixels there, so the same file has a fraction of its rate over the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.api import RATES
from downstream.ops.shortest_side import check_sides, resized_hw


@RATES.register("enlarged")
@dataclass(frozen=True)
class Enlarged:
    """The pixels of a picture after the resize of Faster and Mask R-CNN.

    short: the length that the shorter side is brought to, in pixels. most: the most that the longer side may then have;
    a longer one decides the scale in its place.
    """

    short: int = 800
    most: int = 1333

    metric: ClassVar[str] = "bpp_enlarged"

    def __post_init__(self) -> None:
        check_sides(self.short, self.most)

    def pixels(self, height: int, width: int) -> int:
        """The number of pixels of a picture of this size after the resize."""
        new_height, new_width = resized_hw(height, width, self.short, self.most)
        return new_height * new_width
