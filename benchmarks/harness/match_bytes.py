"""Codecs at the same size: a point of a codec's rate axis that spends as many bytes on an image as another codec did.

Bytes never fall along a codec's rate axis but for small dents, so the axis is halved: whole numbers to the end, real
ones to 1/64 of the unit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hsc.api import Codec, Image, Ranged

FINEST = 1 / 64


def rate_range(codec: Codec) -> tuple[Any, Any]:
    """Values of the codec's rate field: of the smallest file, of the largest."""
    if isinstance(codec, Ranged):
        return codec.rate_range
    return codec.ladder[0], codec.ladder[-1]


def _encode(codec: Codec, image: Image) -> bytes:
    return codec.encode(image)


def match_bytes(
    codec: Codec,
    image: Image,
    least: int,
    ends: tuple[Any, Any] | None = None,
    encode: Callable[[Codec, Image], bytes] = _encode,
) -> tuple[Codec, bytes]:
    """The codec at the cheapest point found that spends ``least`` bytes or more, and its stream; so it never gets less
    than who it is matched to.

    Where even the largest file is smaller, or even the smallest larger, it is that one. A codec of one point is taken
    as it is, as is one whose points are no numbers, at its first. ends: the part of the axis to search, all of it by
    default, smallest file first.
    """

    def at(value: Any) -> tuple[Codec, bytes]:
        found: Any = dataclasses.replace(codec, **{codec.rate_field: value})  # type: ignore[type-var]
        return found, encode(found, image)

    if not codec.rate_field:
        return codec, encode(codec, image)
    low, high = ends or rate_range(codec)  # too few bytes; enough
    smallest = at(low)
    if len(smallest[1]) >= least or isinstance(low, str):
        return smallest
    best = at(high)
    if len(best[1]) < least:
        return best
    whole = isinstance(low, int) and isinstance(high, int)
    while abs(high - low) > (1 if whole else FINEST):
        middle = (low + high) // 2 if whole else (low + high) / 2
        found = at(middle)
        if len(found[1]) >= least:
            high, best = middle, found
        else:
            low = middle
    return best
