"""Images of many sizes for what takes one size at a time."""

from __future__ import annotations

from collections.abc import Sequence

from hsc.api import Image


def same_sizes(images: Sequence[Image]) -> list[list[int]]:
    """The places of the images of each size, in the order the sizes come."""
    found: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        found.setdefault(image.shape, []).append(i)
    return list(found.values())
