"""Checkerboard context: the passes in which the positions of a slice are coded, and the neighbours each pass may read.

    passes = 3      a c a c        a  every other row and column: the slice at half resolution, predicted from
                    c b c b           earlier slices only
                    a c a c        b  the centres of four a
                    c b c b        c  the rest, each between two a and two b
    passes = 2      a b / b a      a checkerboard;      passes = 1     all at once

The paper has no spatial context. Its semantics have a layout, because faces are aligned. In a profile for images of any
size they are one vector for the whole image, and there is no hyper-latent: without spatial context nothing would
distinguish an edge from a sky before the first slice is read, and two thirds of the symbols would not know their
neighbours. A checkerboard (He et al. 2021, "Checkerboard Context Model for Efficient Learned Image Compression") needs
two parallel passes instead of a raster scan. The third pass turns the first one into a thumbnail at twice the stride,
at a quarter of the cost, from which everything else is predicted. A pass is a layer of the file: the file can be cut
after each, and missing values are then the predictions themselves.
"""

from __future__ import annotations

import functools
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Place: TypeAlias = tuple[int, int]
"""A position modulo 2 (row, column), or an offset from a position."""

_ALL: tuple[Place, ...] = ((0, 0), (0, 1), (1, 0), (1, 1))
ORDERS: dict[int, tuple[tuple[Place, ...], ...]] = {
    1: (_ALL,),
    2: (((0, 0), (1, 1)), ((0, 1), (1, 0))),
    3: (((0, 0),), ((1, 1),), ((0, 1), (1, 0))),
}
"""For a number of passes, the places that each of them codes."""

REACH = 2
_MAX_KEPT_POSITIONS = 1 << 12  # index tensors of maps up to this size are cached: 25 MB at most in all
SQUARE: tuple[Place, ...] = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
"""The 3x3 neighbourhood, for maps that are decoded everywhere."""

CENTRE: tuple[Place, ...] = ((0, 0),)


@functools.cache
def known_neighbours(passes: int, number: int) -> tuple[Place, ...]:
    """Offsets within 5x5 at which every position of a pass has a symbol of its own slice that is already coded.

    >>> known_neighbours(3, 1)
    ((-1, -1), (-1, 1), (1, -1), (1, 1))
    """
    places = ORDERS[passes][number]
    coded = {place for earlier in ORDERS[passes][:number] for place in earlier}
    span = range(-REACH, REACH + 1)
    return tuple(
        (dy, dx) for dy in span for dx in span if all(((r + dy) % 2, (c + dx) % 2) in coded for r, c in places)
    )


def count(places: tuple[Place, ...], height: int, width: int) -> int:
    """Number of positions of a map on these places."""
    return sum(_along(r, height) * _along(c, width) for r, c in places)


def gather(x: Tensor, places: tuple[Place, ...], offsets: tuple[Place, ...] = CENTRE) -> Tensor:
    """The neighbourhood of every position on these places, 0 outside the map: (B, C, h, w) -> (B, offsets * C, L).

    L runs over one place after another, each row by row. The values of one position are contiguous in memory, which
    suits a matrix product over them.
    """
    batch, channels, height, width = x.shape
    indexes = _neighbour_indexes if height * width > _MAX_KEPT_POSITIONS else _kept_neighbour_indexes
    neighbours = indexes(places, offsets, height, width).to(x.device)
    padded = functional.pad(x, (REACH,) * 4).permute(0, 2, 3, 1).flatten(1, 2)  # (B, positions and margin, C)
    return padded.index_select(1, neighbours).view(batch, -1, len(offsets) * channels).transpose(1, 2)


def spread(values: Tensor, places: tuple[Place, ...], height: int, width: int) -> Tensor:
    """The map with values on these places and 0 elsewhere: (B, C, L) -> (B, C, h, w).

    It is the inverse of ``gather`` with one offset.
    """
    x = values.new_zeros(*values.shape[:2], height, width)
    write(x, values, places)
    return x


def write(x: Tensor, values: Tensor, places: tuple[Place, ...]) -> None:
    """Write values (B, C, L) into a map (B, C, h, w) at these places."""
    height, width = x.shape[2:]
    start = 0
    for r, c in places:
        rows, columns = _along(r, height), _along(c, width)
        x[:, :, r::2, c::2] = values[:, :, start : start + rows * columns].reshape(*values.shape[:2], rows, columns)
        start += rows * columns


def _along(start: int, length: int) -> int:
    return max(0, (length - start + 1) // 2)


def _neighbour_indexes(places: tuple[Place, ...], offsets: tuple[Place, ...], height: int, width: int) -> Tensor:
    """Indexes of every position's neighbours in the flattened map with its margin: (L * offsets,) int64."""
    stride = width + 2 * REACH
    steps = torch.tensor([dy * stride + dx for dy, dx in offsets])
    positions = []
    for r, c in places:
        rows, columns = torch.arange(REACH + r, REACH + height, 2), torch.arange(REACH + c, REACH + width, 2)
        positions.append((rows[:, None] * stride + columns).flatten())
    return (torch.cat(positions)[:, None] + steps).flatten()


_kept_neighbour_indexes = functools.lru_cache(maxsize=128)(_neighbour_indexes)
