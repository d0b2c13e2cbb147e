"""An image of a run: its place in the data set, its id, and the facts about its pixels that are kept."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.api import Region


@dataclass(frozen=True)
class Pixels:
    """The facts about an image's pixels that the store keeps.

    sha256: of the pixels, 64 hex digits. image_hw: height and width in pixels. source_bytes: size of the file that the
    image came from, None if there is no file.
    """

    sha256: str
    image_hw: tuple[int, int]
    source_bytes: int | None


@dataclass(frozen=True)
class IndexedImage:
    """One image of a run. index: its place in the data set. image_id: its name there. regions: the parts of it that
    are classified one by one, None where images are taken whole.
    """

    index: int
    image_id: str
    pixels: Pixels
    regions: tuple[Region, ...] | None = None
