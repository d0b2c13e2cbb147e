"""Codecs matched in size: the point of a codec's rate axis that spends as many bytes on an image as another codec did.

Bytes never fall along a codec's rate axis but for small dents, so the axis is searched by halving: whole numbers to the
end, real ones to 1/64 of the unit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from hsc.api import Codec, Image, Ranged

FINEST = 1 / 64
"""The smallest step along a rate axis of real numbers."""


class CodedImage(NamedTuple):
    """A codec and the stream that it made of an image."""

    codec: Codec
    data: bytes


def rate_range(codec: Codec) -> tuple[Any, Any]:
    """The ends of the codec's rate axis: the value of the smallest file, and that of the largest."""
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
) -> CodedImage:
    """The codec at the cheapest point found that spends ``least`` bytes or more, so that it never gets fewer bytes than
    the codec that it is matched to.

    Where even the largest file is smaller, or even the smallest larger, the answer is that file. A codec of one point
    is taken as it is; one whose points are no numbers is taken at its first.

    ends: the part of the axis to search, smallest file first; all of it by default. encode: codes an image with a
    codec.
    """

    def coded_at(value: Any) -> CodedImage:
        changed: Any = dataclasses.replace(codec, **{codec.rate_field: value})  # type: ignore[type-var]
        return CodedImage(changed, encode(changed, image))

    if not codec.rate_field:
        return CodedImage(codec, encode(codec, image))
    low, high = ends or rate_range(codec)  # too few bytes; enough
    smallest = coded_at(low)
    if len(smallest.data) >= least or isinstance(low, str):
        return smallest
    best = coded_at(high)
    if len(best.data) < least:
        return best
    whole = isinstance(low, int) and isinstance(high, int)
    while abs(high - low) > (1 if whole else FINEST):
        middle = (low + high) // 2 if whole else (low + high) / 2
        trial = coded_at(middle)
        if len(trial.data) >= least:
            high, best = middle, trial
        else:
            low = middle
    return best
