"""Bits over the pixels of a square crop, the input of classifiers on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.api import RATES
from downstream.ops.shortest_side import LONGEST_SIDE


@RATES.register("centre_crop")
@dataclass(frozen=True)
class CentreCrop:
    """The pixels of a square of one size, whatever the size of the picture.

    It is the source's own rate only where the data set gives the crops themselves, so that a codec codes nothing else;
    there it equals ``bpp``. side: of the square, in pixels.
    """

    side: int = 256

    metric: ClassVar[str] = "bpp_centre_crop"

    def __post_init__(self) -> None:
        if not 1 <= self.side <= LONGEST_SIDE:
            raise ValueError(f"side came as {self.side}, expected 1 to {LONGEST_SIDE:,} pixels")

    def pixels(self, height: int, width: int) -> int:
        """The number of pixels of the crop; the picture's size does not matter."""
        return self.side * self.side
