"""The container of an ``.hsc`` file: the header a decoder reads before the first symbol, 13 bytes for most images.

    magic 2 | version, alignment, layers 1 | fingerprint 3 | quality 1 | height 1-4, width 1-4 | CRC-16 2 | payload

    byte 0-1   C8 53
    byte 2     2 bits version (0); 2 bits length of the payload modulo 4; 4 bits number of layers, less one
    byte 3-5   first 24 bits of the sha256 of the weights
    byte 6     quality in steps of 1/32
    then       height - 1 and width - 1 (``hsc.entropy_coding.side_lengths``): 4 bytes in all for 129 to 16,384 a side,
               never more than 5
    then       CRC-16 (CCITT, high byte first) over all other bytes of the file, its start value from the whole sha256
    then       the payload: one stream of ``hsc.entropy_coding.ans_coder``, layer after layer, front to back

Overhead: 13 bytes here; in the payload 23 to 24 bits of start state, which are the checksum of the symbols, and less
than one byte of rounding: 17 bytes at most, 18 where a side is above 16,384. Reasons for this layout:

- All layers are one stream without lengths: to end and measure nine layers separately would cost about 18 bytes. The
  end of a layer is found by decoding. A cut therefore decodes and encodes again
  (``hsc.entropy_coding.layered_stream.cut``), which also gives the shorter file its own checksums.
- CRC-16 finds every burst of up to 16 bits, every one to three flipped bits in files below 4 KiB, and all but 1 in
  65,536 of the other errors, before anything is decoded. An error that it misses gives other symbols or another header,
  and must then also pass the coder's 23-bit checksum over both (with all 256 bits of the weights' hash): 1 in 5e11
  together. CRC-32 would spend two more bytes on what the second check finds anyway.
- 24 bits identify the weights well enough for a clear message; both checksums verify that they are the right ones.
- The alignment allows a truncated file to be read as far as it goes. It costs no byte, and it must agree with the
  length.

Limits on the reader's cost: the networks work on whole blocks, so the time and memory of decoding, previewing, cutting
and inspecting a file depend on the image's size, with both sides rounded up to ``BLOCK`` pixels, and not on the file's
length: 22 bytes can be a valid file of any image. An image has at most 2**24 pixels, and at most 2**24 + 2**20 once
rounded up, which allows any shape up to 256x65536; an image of one row may be 1,114,112 pixels wide. Encoders refuse
larger images, and decoders refuse them before they allocate anything.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from hsc.entropy_coding.side_lengths import pack_side, read_side
from hsc.errors import BitstreamError, CodecError, UsageError

MAGIC = b"\xc8\x53"
VERSION = 0
QUALITY_STEPS = 32
MAX_IMAGE_PIXELS = 1 << 24
"""Pixels an image may have."""

BLOCK = 16
"""Side of a block in pixels; the networks compute whole blocks."""

MAX_PADDED_PIXELS = MAX_IMAGE_PIXELS + (1 << 20)
"""Pixels an image may have once both sides are rounded up to whole blocks."""

MAX_LAYERS = 16
_SPARE = 1 << 16
_FIXED = 7  # bytes before the image size
_MIN_FILE_BYTES = 14
_CRC = 2


@dataclass(frozen=True)
class Header:
    """The header of a file.

    image_hw: height and width, each 1 or more, of a size that ``why_too_large`` accepts. quality: 0 to 255, steps of
    1/32. layers: how many of the model's layers the file holds, 1 to 16, in coding order.

    Raises:
        UsageError: a field is out of its range.
    """

    image_hw: tuple[int, int]
    quality: int
    layers: int

    def __post_init__(self) -> None:
        height, width = self.image_hw
        if height < 1 or width < 1:
            raise UsageError(f"the image size came as {height}x{width}, expected at least 1x1")
        if reason := why_too_large(self.image_hw):
            raise UsageError(f"the image size came as {height}x{width}, {reason}; code it in tiles")
        if not 0 <= self.quality <= 255:
            raise UsageError(f"the quality came as {self.quality} steps of 1/{QUALITY_STEPS}, expected 0 to 255")
        if not 1 <= self.layers <= MAX_LAYERS:
            raise UsageError(f"{self.layers} layers are not possible, expected 1 to {MAX_LAYERS}")

    def context(self, fingerprint: bytes) -> bytes:
        """The bytes that the coder's checksum covers beside the symbols: header and full hash of the weights."""
        height, width = self.image_hw
        return bytes([self.quality, self.layers]) + height.to_bytes(4, "big") + width.to_bytes(4, "big") + fingerprint


@dataclass(frozen=True)
class Stream:
    """An opened file. alignment: None if the file is whole and its checksum right, else as in ``SymbolDecoder``."""

    header: Header
    payload: bytes
    alignment: int | None

    @property
    def complete(self) -> bool:
        return self.alignment is None


def padded_pixels(image_hw: tuple[int, int]) -> int:
    """Pixels of an image with both sides rounded up to whole blocks, on which the cost of decoding depends.

    >>> padded_pixels((1, 100))
    1792
    """
    height, width = (-(-side // BLOCK) * BLOCK for side in image_hw)
    return height * width


def why_too_large(image_hw: tuple[int, int]) -> str | None:
    """None if a file may hold an image of this size, else the limit that it exceeds, as part of a sentence."""
    if image_hw[0] * image_hw[1] > MAX_IMAGE_PIXELS:
        return f"expected at most {MAX_IMAGE_PIXELS:,} pixels in all"
    if (padded := padded_pixels(image_hw)) > MAX_PADDED_PIXELS:
        return f"which is {padded:,} pixels in whole blocks of {BLOCK}x{BLOCK}, expected at most {MAX_PADDED_PIXELS:,}"
    return None


def pack(header: Header, fingerprint: bytes, payload: bytes) -> bytes:
    """A file of header, checksum and payload. fingerprint: sha256 of the weights, 32 bytes.

    Raises:
        CodecError: the payload is longer than 64 KiB plus two bytes per pixel of whole blocks.
    """
    _check_fingerprint(fingerprint)
    kind = VERSION << 6 | (len(payload) % 4) << 4 | (header.layers - 1)
    height, width = header.image_hw
    if len(payload) > _max_payload_bytes(header.image_hw):
        raise CodecError(
            f"{len(payload)} bytes of payload for {height}x{width} pixels, expected at most "
            f"{_max_payload_bytes(header.image_hw)}; the networks give absurd symbols: check the weights"
        )
    head = MAGIC + bytes([kind]) + fingerprint[:3] + bytes([header.quality]) + pack_side(height) + pack_side(width)
    return head + _crc(head, payload, fingerprint) + payload


def unpack(data: bytes, fingerprint: bytes, layers: int, *, allow_partial: bool = False) -> Stream:
    """Open a file; nothing is allocated beyond a copy of its payload.

    fingerprint: sha256 of the decoder's weights, 32 bytes. layers: how many layers the model has.
    allow_partial: also open a file whose checksum is wrong because its end is missing. Its header and symbols are then
        unverified: other damage shows, if at all, as strange symbols.

    Raises:
        BitstreamError: the bytes are no such file, are of other weights, or are damaged or cut.
    """
    _check_fingerprint(fingerprint)
    data = bytes(data)
    header, start, alignment = _read_head(data, fingerprint, layers)
    if len(data) > start + _CRC + _max_payload_bytes(header.image_hw):
        raise BitstreamError(
            f"{len(data)} bytes are more than an image of {header.image_hw} can have; the file is damaged, or other "
            f"data follows it"
        )
    head, payload = data[:start], data[start + _CRC :]
    complete = data[start : start + _CRC] == _crc(head, payload, fingerprint) and len(payload) % 4 == alignment
    if not complete and not allow_partial:
        raise BitstreamError(
            f"the checksum of the {len(data)} bytes does not fit: the file is damaged or cut, or other data follows "
            f"it; fetch it again, or read the whole layers of a cut file with allow_partial=True (--partial)"
        )
    return Stream(header, payload, None if complete else alignment)


def weights_mark(data: bytes) -> bytes:
    """The first bytes of the fingerprint of the weights that made a file, 3 of them; none where it is no hsc file."""
    return bytes(data[3:6]) if len(data) >= _FIXED and data[:2] == MAGIC else b""


def _read_head(data: bytes, fingerprint: bytes, layers: int) -> tuple[Header, int, int]:
    """The header, the position of the checksum, and the payload's length modulo 4."""
    if len(data) < _FIXED or data[:2] != MAGIC:
        came = data[:4].hex() or "nothing"
        raise BitstreamError(
            f"{len(data)} bytes that start with {came} are no hsc file, which starts with {MAGIC.hex()} and has at "
            f"least {_MIN_FILE_BYTES}"
        )
    kind = data[2]
    if kind >> 6 != VERSION:
        raise BitstreamError(f"the file is of format version {kind >> 6}, expected {VERSION}; it needs a newer hsc")
    if weights_mark(data) != fingerprint[:3]:
        raise BitstreamError(
            f"the file was made with the weights {data[3:6].hex()}..., these are {fingerprint[:3].hex()}...; use the "
            f"weights that made it"
        )
    claimed = (kind & 15) + 1
    if claimed > layers:
        raise BitstreamError(f"the file claims {claimed} layers, the model has {layers}; the file is damaged")
    height, start = read_side(data, _FIXED)
    width, start = read_side(data, start)
    if reason := why_too_large((height, width)):
        raise BitstreamError(
            f"the file claims an image of {height}x{width}, {reason}; it is damaged, or made to exhaust its reader"
        )
    return Header((height, width), data[6], claimed), start, kind >> 4 & 3


def _max_payload_bytes(image_hw: tuple[int, int]) -> int:
    """Largest accepted payload: far above any sane one, so that a giant file is refused before it is read through."""
    return _SPARE + 2 * padded_pixels(image_hw)


def _check_fingerprint(fingerprint: bytes) -> None:
    if len(fingerprint) != 32:
        raise UsageError(f"the fingerprint has {len(fingerprint)} bytes, expected the 32 of a sha256")


def _crc(head: bytes, payload: bytes, fingerprint: bytes) -> bytes:
    start = binascii.crc_hqx(fingerprint, 0xFFFF)
    return binascii.crc_hqx(payload, binascii.crc_hqx(head, start)).to_bytes(2, "big")
