"""The file of a learned codec: a header of 10 to 14 bytes, most often 12, and the payload.

    byte 0-1   4C 43
    byte 2-4   first 24 bits of the network's fingerprint
    byte 5     quality: of a network for one rate as it is, else its gain in steps of 1/32 above the smallest
    then       height - 1 and width - 1 (``hsc.entropy_coding.side_lengths``), 2 to 6 bytes
    then       CRC-16 (CCITT, high byte first) over all other bytes of the file
    then       the payload: symbols of z, then of y, one stream of ``hsc.entropy_coding.ans_coder``

The payload spends 23 to 24 bits on its start state, the checksum of the symbols, of this header and of the whole
fingerprint, and less than one byte on rounding. So a file is at most 18 bytes longer than its symbols' ideal length by
the tables, and most often 15 or 16. The latents' shapes follow from the image's size.

The CRC is verified before weights are looked for. Whoever means harm can compute it; what follows is safe by
construction. The coder is memory-safe, reads no further than its bytes, and takes as many steps as there are symbols.
These depend on the image's size alone, which ``MAX_PIXELS`` limits.
"""

from __future__ import annotations

import binascii
from typing import NamedTuple

from hsc.entropy_coding.side_lengths import pack_side, read_side
from hsc.errors import BitstreamError, CodecError

MAGIC = b"LC"
GAIN_STEPS = 32
"""Steps of the gain from one trained gain to the next, as files store it."""

MULTIPLE = 64
"""Both sides are padded to a multiple of this number of pixels before they are coded."""

MAX_PIXELS = 1 << 24
"""Pixels an image may have with both sides padded: the memory of decoding depends on them."""

_FIXED = 6
_CRC = 2
_SPARE = 1 << 16


class Header(NamedTuple):
    """quality: 0 to 255, see the module's docstring. image_hw: the true size, each side 1 or more."""

    quality: int
    image_hw: tuple[int, int]

    @property
    def padded_hw(self) -> tuple[int, int]:
        height, width = self.image_hw
        return height + -height % MULTIPLE, width + -width % MULTIPLE

    def context(self, fingerprint: bytes) -> bytes:
        """The bytes that the coder's checksum covers beside the symbols."""
        height, width = self.image_hw
        return bytes([self.quality]) + height.to_bytes(4, "big") + width.to_bytes(4, "big") + fingerprint


class File(NamedTuple):
    """An opened file. model: first 24 bits of the fingerprint of its network."""

    header: Header
    model: bytes
    payload: bytes

    def require_model(self, fingerprint: bytes) -> None:
        """Check that the file was made with the network of a fingerprint.

        Raises:
            BitstreamError: it was made with another one.
        """
        if self.model != fingerprint[:3]:
            raise BitstreamError(
                f"the file was made with the weights {self.model.hex()}..., these are {fingerprint[:3].hex()}...; use "
                f"the weights that made it"
            )


def why_too_large(header: Header) -> str | None:
    """None if a file may hold an image of this size, else the limit that it exceeds, as part of a sentence."""
    height, width = header.padded_hw
    if height * width > MAX_PIXELS:
        return f"which is {height * width:,} pixels in blocks of {MULTIPLE}x{MULTIPLE}, expected at most {MAX_PIXELS:,}"
    return None


def pack(header: Header, fingerprint: bytes, payload: bytes) -> bytes:
    """A file of header, checksum and payload.

    Raises:
        CodecError: the payload is absurdly long.
    """
    if len(payload) > _max_payload_bytes(header):
        raise CodecError(
            f"{len(payload)} bytes of payload for an image of {header.image_hw}, expected at most "
            f"{_max_payload_bytes(header)}; the networks give absurd symbols: check the weights"
        )
    height, width = header.image_hw
    head = MAGIC + fingerprint[:3] + bytes([header.quality]) + pack_side(height) + pack_side(width)
    return head + _crc(head, payload) + payload


def unpack(data: bytes) -> File:
    """Open a file; nothing is allocated beyond copies of its bytes.

    Raises:
        BitstreamError: the bytes are no such file, or are damaged or cut.
    """
    data = bytes(data)
    if len(data) < _FIXED or data[:2] != MAGIC:
        came = data[:4].hex() or "nothing"
        raise BitstreamError(
            f"{len(data)} bytes that start with {came} are no file of a learned codec, which starts with {MAGIC.hex()}"
        )
    height, start = read_side(data, _FIXED)
    width, start = read_side(data, start)
    header = Header(data[5], (height, width))
    if reason := why_too_large(header):
        raise BitstreamError(
            f"the file claims an image of {height}x{width}, {reason}; it is damaged, or made to exhaust its reader"
        )
    payload = data[start + _CRC :]
    if len(payload) > _max_payload_bytes(header):
        raise BitstreamError(f"{len(data)} bytes are more than an image of {height}x{width} can have")
    if data[start : start + _CRC] != _crc(data[:start], payload):
        raise BitstreamError(
            f"the checksum of the {len(data)} bytes does not fit: the file is damaged or cut, or other data follows "
            f"it; fetch it again"
        )
    return File(header, data[2:5], payload)


def _max_payload_bytes(header: Header) -> int:
    height, width = header.padded_hw
    return _SPARE + 4 * height * width


def _crc(head: bytes, payload: bytes) -> bytes:
    return binascii.crc_hqx(payload, binascii.crc_hqx(head, 0xFFFF)).to_bytes(2, "big")
