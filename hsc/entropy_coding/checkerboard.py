"""In which order the positions of a slice are coded, and which neighbours a position may look at.

    passes = 3      a c a c        a  every other row and column: a slice at half the resolution, told by earlier slices only
                    c b c b        b  the middles between four a
                    a c a c        c  the rest, each among two a and two b
    passes = 2      a b / b a      a chequerboard;      passes = 1     all at once

The paper has no spatial context at all. Its semantics have a layout (faces are aligned); those of a profile for images
of any size are one vector for the whole image, and there is no hyper-latent, so nothing would tell an edge from a sky
before the first slice is read, and two thirds of the symbols would not know their neighbours. A chequerboard (He et al.
2021, "Checkerboard Context Model for Efficient Learned Image Compression") costs two parallel passes instead of a
raster scan; the third pass makes the first a thumbnail at twice the stride, whose cost is a quarter and which all else
is predicted from.
A pass is a layer of the file: it can be cut behind each of them, and what is missing is then the prediction itself.
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
"""For a number of passes, the places each of them codes."""

REACH = 2
_MAX_KEPT_POSITIONS = 1 << 12  # positions of a map whose numbers of neighbours are kept: 25 MB at most in all
SQUARE: tuple[Place, ...] = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
"""The 3x3 neighbourhood, for maps that are known everywhere."""

CENTRE: tuple[Place, ...] = ((0, 0),)


@functools.cache
def known_neighbours(passes: int, number: int) -> tuple[Place, ...]:
    """Offsets within 5x5 at which every position of a pass finds a symbol of its own slice that is already coded.

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
    """How many positions of a map lie on these places."""
    return sum(_along(r, height) * _along(c, width) for r, c in places)


def gather(x: Tensor, places: tuple[Place, ...], offsets: tuple[Place, ...] = CENTRE) -> Tensor:
    """The neighbourhood of every position on these places, 0 outside the map: (B, C, h, w) -> (B, offsets * C, L).

    L runs over the places in turn, each row by row. In memory the values of one position lie together, as a matrix
    product over them likes it.
    """
    batch, channels, height, width = x.shape
    find = _numbers if height * width > _MAX_KEPT_POSITIONS else _kept_numbers
    numbers = find(places, offsets, height, width).to(x.device)
    padded = functional.pad(x, (REACH,) * 4).permute(0, 2, 3, 1).flatten(1, 2)  # (B, positions and margin, C)
    return padded.index_select(1, numbers).view(batch, -1, len(offsets) * channels).transpose(1, 2)


def spread(values: Tensor, places: tuple[Place, ...], height: int, width: int) -> Tensor:
    """The map that holds values on these places and 0 elsewhere: (B, C, L) -> (B, C, h, w). Undoes ``gather`` of one
    offset.
    """
    x = values.new_zeros(*values.shape[:2], height, width)
    write(x, values, places)
    return x


def write(x: Tensor, values: Tensor, places: tuple[Place, ...]) -> None:
    """Put values (B, C, L) into a map (B, C, h, w) at these places."""
    height, width = x.shape[2:]
    start = 0
    for r, c in places:
        rows, columns = _along(r, height), _along(c, width)
        x[:, :, r::2, c::2] = values[:, :, start : start + rows * columns].reshape(*values.shape[:2], rows, columns)
        start += rows * columns


def _along(start: int, length: int) -> int:
    return max(0, (length - start + 1) // 2)


def _numbers(places: tuple[Place, ...], offsets: tuple[Place, ...], height: int, width: int) -> Tensor:
    """Where in a map with its margin, row by row, the neighbours of every position lie: (L * offsets,) int64."""
    stride = width + 2 * REACH
    around = torch.tensor([dy * stride + dx for dy, dx in offsets])
    found = []
    for r, c in places:
        rows, columns = torch.arange(REACH + r, REACH + height, 2), torch.arange(REACH + c, REACH + width, 2)
        found.append((rows[:, None] * stride + columns).flatten())
    return (torch.cat(found)[:, None] + around).flatten()


_kept_numbers = functools.lru_cache(maxsize=128)(_numbers)
