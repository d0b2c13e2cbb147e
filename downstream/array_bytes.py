"""Arrays by name as one byte string: a small header, then the bytes of each array.

    "HSCA" | header size, 4 bytes | header: JSON, [[name, dtype, shape, stored bytes], ...] | stored arrays, in order

All numbers are little-endian. Arrays of single bytes, such as label maps, are deflated (RFC 1950) where that makes them
smaller, and so stored in fewer bytes than dtype and shape tell. All others lie there as they are in memory.
"""

from __future__ import annotations

import functools
import json
import math
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.packed_arrays import MAX_ARRAYS, MAX_BYTES
from hsc.errors import DataError

START = b"HSCA"
"""The first bytes of every such string."""
_LEVEL = 1
"""Of deflate: label maps come out a fifth larger than at the default level, in a tenth of the time."""
_KEPT_HEADER = 1024
"""Headers of at most so many bytes are parsed once and remembered; those of predictions have about a hundred."""
_HEADER = struct.Struct("<4sI")
_DTYPE = re.compile(r"[<|](b1|[iuf][1248]|U[1-9]\d{0,3})")


def pack(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Pack arrays of numbers or texts; equal arrays give equal bytes.

    Raises:
        TypeError: an array is of another type, such as Python objects.
    """
    entries, parts = [], []
    for name, array in arrays.items():
        plain = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if not _DTYPE.fullmatch(plain.dtype.str):
            raise TypeError(f"the array {name!r} is of {array.dtype}, expected numbers or texts")
        stored = plain.tobytes()
        if plain.dtype.itemsize == 1:
            stored = min(stored, zlib.compress(stored, _LEVEL), key=len)
        entries.append([name, plain.dtype.str, plain.shape, len(stored)])
        parts.append(stored)
    header = json.dumps(entries, separators=(",", ":")).encode()
    return b"".join([_HEADER.pack(START, len(header)), header, *parts])


def unpack(data: bytes, max_bytes: int = MAX_BYTES) -> dict[str, npt.NDArray[Any]]:
    """The arrays that ``pack`` packed, by name. max_bytes: the most that they may have together.

    Raises:
        DataError: the data are damaged, or unpack to more than ``max_bytes``.
    """
    try:
        start, header_size = _HEADER.unpack_from(data)
        if start != START:
            raise ValueError("their header is none")
        place, left = _HEADER.size + header_size, max_bytes
        arrays: dict[str, npt.NDArray[Any]] = {}
        parsed = _entries if header_size <= _KEPT_HEADER else _entries.__wrapped__
        for name, dtype, shape, size, stored in parsed(data[_HEADER.size : place]):
            left -= size
            if left < 0:
                raise ValueError(f"they unpack to more than {max_bytes} bytes")
            content = _inflated(data[place : place + stored], size)
            arrays[name] = np.frombuffer(content, dtype).reshape(shape).copy()
            place += stored
        if place != len(data):
            raise ValueError(f"{len(data)} bytes came, their header announces {place}")
    except (ValueError, TypeError, struct.error, zlib.error, RecursionError, OverflowError) as error:
        raise DataError(f"packed arrays are damaged: {error or type(error).__name__}") from error
    return arrays


class _Entry(NamedTuple):
    """An array as the header has it. size: its bytes. stored: those that it takes here."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int
    stored: int


@functools.lru_cache(maxsize=1024)
def _entries(header: bytes) -> tuple[_Entry, ...]:
    """The entries of a header; arrays of the same shapes have the same header. Raises as ``_dtype_and_size``."""
    entries = json.loads(header)
    if not isinstance(entries, list) or len(entries) > MAX_ARRAYS:
        raise ValueError("their header is none")
    return tuple(
        _Entry(str(name), *_dtype_and_size(kind, shape, stored), stored) for name, kind, shape, stored in entries
    )


def _dtype_and_size(kind: Any, shape: Any, stored: Any) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The dtype, shape and size in bytes of an array. Raises ValueError or TypeError where its entry is none."""
    if not _DTYPE.fullmatch(kind) or not all(type(side) is int and side >= 0 for side in [*shape, stored]):
        raise ValueError(f"an array is of {str(kind)[:20]!r} and {str(shape)[:40]}, stored in {str(stored)[:20]}")
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if stored > size or (stored < size and dtype.itemsize > 1):
        raise ValueError(f"an array of {size} bytes is stored in {stored}")
    return dtype, tuple(shape), size


def _inflated(stored: bytes, size: int) -> bytes:
    """The bytes of an array of this size. Raises ValueError or zlib.error where they are not what was stored."""
    content = stored
    if len(stored) < size:
        inflate = zlib.decompressobj()
        content = inflate.decompress(stored, size)
        if not inflate.eof and inflate.decompress(inflate.unconsumed_tail, 1):
            raise ValueError("a deflated array goes on beyond its size")
        if not inflate.eof or inflate.unused_data:
            raise ValueError("a deflated array is cut, or followed by other bytes")
    if len(content) != size:
        raise ValueError(f"an array has {len(content)} bytes, expected {size}")
    return content
