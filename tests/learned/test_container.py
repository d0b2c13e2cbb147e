"""The file of a learned codec: its length, and what it refuses."""

from __future__ import annotations

import pytest

from benchmarks.learned.container import MAX_PIXELS, Header, pack, unpack, why_too_large
from hsc.errors import BitstreamError, CodecError

FINGERPRINT = bytes(range(32))


@pytest.mark.parametrize(
    ("image_hw", "header_bytes"), [((1, 1), 10), ((128, 128), 10), ((129, 1), 11), ((480, 640), 12), ((1, 16385), 12)]
)
def test_the_header_is_short_and_comes_back(image_hw: tuple[int, int], header_bytes: int) -> None:
    data = pack(Header(7, image_hw), FINGERPRINT, b"payload")
    assert len(data) == header_bytes + 7
    file = unpack(data)
    assert file == (Header(7, image_hw), FINGERPRINT[:3], b"payload")
    file.require_model(FINGERPRINT)
    with pytest.raises(BitstreamError, match="made with the weights 000102"):
        file.require_model(bytes(32))


def test_every_flipped_bit_and_every_cut_is_refused() -> None:
    data = pack(Header(200, (333, 251)), FINGERPRINT, bytes(range(40)))
    for position in range(8 * len(data)):
        copy = bytearray(data)
        copy[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            unpack(bytes(copy))
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            unpack(data[:length])
    with pytest.raises(BitstreamError):
        unpack(data + b"\0")


def test_sizes_are_limited_in_whole_blocks() -> None:
    assert why_too_large(Header(0, (4096, 4096))) is None
    assert str(MAX_PIXELS // 4096) == "4096"
    assert "expected at most" in str(why_too_large(Header(0, (1, MAX_PIXELS // 64 + 1))))
    with pytest.raises(CodecError, match="absurd symbols"):
        pack(Header(0, (1, 1)), FINGERPRINT, bytes(100_000))
