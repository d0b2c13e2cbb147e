"""Sides of an image in a file's header: each less one, 7 bits a byte, low bits first, top bit set where more follow.

A side takes one byte up to 128 pixels, two up to 16,384, three up to 2,097,152. Only the shortest form is read.
"""

from __future__ import annotations

from hsc.errors import BitstreamError


def pack_side(side: int) -> bytes:
    """The bytes of a side of 1 pixel or more.

    >>> pack_side(1).hex(), pack_side(768).hex()
    ('00', 'ff05')
    """
    value, groups = side - 1, []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def read_side(data: bytes, start: int) -> tuple[int, int]:
    """A side and the position of the next field.

    Raises:
        BitstreamError: the bytes end before the side does, or are not as ``pack_side`` writes them.
    """
    value = 0
    for place in range(4):
        if start + place >= len(data):
            raise BitstreamError(f"the file ends inside its header, after {len(data)} bytes; it is cut")
        byte = data[start + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            if byte == 0 and place:
                break
            return value + 1, start + place + 1
    raise BitstreamError("the file's image size is not written as any encoder writes it; the file is damaged")
