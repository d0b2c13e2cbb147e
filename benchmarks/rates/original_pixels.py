"""Bits over the pixels of the picture as its file has it: the rate of every table here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.api import RATES


@RATES.register("original_pixels")
@dataclass(frozen=True)
class OriginalPixels:
    """The picture's own pixels, which ``bpp`` is counted in whether it is asked for or not."""

    metric: ClassVar[str] = "bpp"

    def pixels(self, height: int, width: int) -> int:
        """The number of pixels of a picture of this size."""
        return height * width
