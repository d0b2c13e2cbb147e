"""NAL units in a byte stream (Annex B), the same in H.265 and H.266: start codes and emulation prevention.

Source: ITU-T H.265 (08/2021), clauses 7.3.1.1, 7.4.2 and annex B.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hsc.errors import BitstreamError

START_CODE = b"\x00\x00\x00\x01"

_START = re.compile(rb"\x00\x00\x01")


def split_nals(stream: bytes) -> list[bytes]:
    """The NAL units between the start codes of an Annex-B stream, without trailing zeros.

    Raises:
        BitstreamError: it does not begin with a start code.
    """
    marks = [m.span() for m in _START.finditer(stream)]
    if not marks or stream[: marks[0][0]].strip(b"\x00"):
        raise BitstreamError("a video stream must begin with a start code; the data are damaged or of another kind")
    ends = [start for start, _ in marks[1:]] + [len(stream)]
    return [stream[begin:end].rstrip(b"\x00") for (_, begin), end in zip(marks, ends, strict=True)]


def join_nals(nals: Sequence[bytes]) -> bytes:
    """An Annex-B stream, a four-byte start code before each unit."""
    return b"".join(START_CODE + nal for nal in nals)


def payload(nal: bytes) -> bytes:
    """The RBSP of a NAL unit: without the two header bytes and the emulation prevention bytes."""
    return nal[2:].replace(b"\x00\x00\x03", b"\x00\x00")


def make_nal(header: bytes, rbsp: bytes) -> bytes:
    """A NAL unit from its two header bytes and an RBSP, with emulation prevention.

    >>> make_nal(b"\\x40\\x01", b"\\x00\\x00\\x01").hex()
    '400100000301'
    """
    out, zeros = bytearray(header), 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)
