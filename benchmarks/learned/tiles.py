"""Synthesis in tiles, so that the memory of decoding does not grow with the image.

A tile is computed with a margin as wide as the transform reaches, and its centre is kept. Maps up to ``TILE`` samples a
side are one tile, which is CompressAI's own computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

TILE = 64
"""Samples of y along a tile's side: 1024 pixels."""

MARGIN = 12
"""Samples of y beyond a tile; no transform of the zoo reaches further, which a test measures."""


class Window(NamedTuple):
    """One tile along an axis: wanted samples from ``start`` to ``stop``, computed ones from ``low`` to ``high``."""

    start: int
    stop: int
    low: int
    high: int


def windows(length: int) -> Iterator[Window]:
    """The tiles along an axis of so many samples."""
    for start in range(0, length, TILE):
        stop = min(length, start + TILE)
        yield Window(start, stop, max(0, start - MARGIN), min(length, stop + MARGIN))


def synthesise(transform: Callable[[Tensor], Tensor], y_hat: Tensor, stride: int) -> Tensor:
    """The output of a synthesis transform, (1, 3, stride * h, stride * w) for a map (1, M, h, w)."""
    height, width = y_hat.shape[2:]
    if max(height, width) <= TILE:
        return transform(y_hat)
    image = y_hat.new_empty(1, 3, stride * height, stride * width)
    for row in windows(height):
        for column in windows(width):
            tile = transform(y_hat[:, :, row.low : row.high, column.low : column.high])
            top, left = stride * (row.start - row.low), stride * (column.start - column.low)
            rows, columns = stride * (row.stop - row.start), stride * (column.stop - column.start)
            image[:, :, stride * row.start : stride * row.stop, stride * column.start : stride * column.stop] = tile[
                :, :, top : top + rows, left : left + columns
            ]
    return image
