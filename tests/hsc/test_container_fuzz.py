"""Fuzzing of files: any bytes give a typed error, or symbols of the declared shape, in little time."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from toy_model import CHANNELS, STRIDE, WORDS, ToyModel

from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.container import MAGIC, Header, _crc, pack, unpack
from hsc.errors import BitstreamError, CodecError

MODEL = ToyModel()
HEADER = Header((40, 50), 77, 5)
DATA = layered_stream.encode(MODEL, HEADER, MODEL.draw(0))
HEAD = 9  # both sides are below 129: magic to width, then the checksum


def refused(data: bytes) -> bool:
    """Whether the file is refused by the one error; any other goes through."""
    try:
        layered_stream.decode(MODEL, data)
    except BitstreamError:
        return True
    return False


def truncations() -> Iterator[bytes]:
    yield from (DATA[:length] for length in range(len(DATA)))


def bit_flips() -> Iterator[bytes]:
    for bit in range(8 * len(DATA)):
        damaged = bytearray(DATA)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def seal(head: bytes, payload: bytes) -> bytes:
    """Give a header and a payload the alignment and the checksum that make the container accept them."""
    kind = head[2] & ~0x30 | len(payload) % 4 << 4
    head = head[:2] + bytes([kind]) + head[3:]
    return head + _crc(head, payload, MODEL.fingerprint) + payload


def test_the_file_itself_is_good():
    assert DATA[: len(MAGIC)] == MAGIC
    assert seal(DATA[:HEAD], DATA[HEAD + 2 :]) == DATA
    assert not refused(DATA)


def test_every_truncation_and_every_flipped_bit_is_refused():
    assert all(map(refused, truncations()))
    assert all(map(refused, bit_flips()))


def test_trailing_and_doubled_bytes_are_refused():
    assert all(refused(DATA + tail) for tail in (b"\0", b"\0\0\0\0", DATA, bytes(1000)))


@pytest.mark.parametrize("count", [5_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_random_bytes_are_refused(count):
    random = np.random.default_rng(count)
    for _ in range(count):
        noise = random.bytes(int(random.integers(0, 300)))
        assert refused(noise)
        assert refused(DATA[: int(random.integers(2, HEAD + 4))] + noise)


def test_wrong_fingerprints_are_refused():
    for place in (0, 1, 2, 3, 31):
        other = bytearray(MODEL.fingerprint)
        other[place] ^= 1
        with pytest.raises(BitstreamError):
            unpack(DATA, bytes(other), 5)


SIZES = [
    b"\xff\xff\xff\x7f\x00",
    b"\xff\xff\xff\xff\x7f\x00",
    b"\x80\x80\x80\x80\x80\x80",
    b"\x80\x00\x05",
    b"\xff\xff\x7f\xff\x01",
    b"\xff" * 9,
    b"\x00",
]


@pytest.mark.parametrize("size", SIZES)
def test_absurd_sizes_are_refused_before_anything_is_allocated(size):
    tracemalloc.start()
    start = time.perf_counter()
    assert refused(seal(DATA[:7] + size, DATA[HEAD + 2 :]))
    elapsed_s = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert elapsed_s < 0.05


def test_a_giant_file_is_refused_before_it_is_read_through():
    giant = DATA + bytes(1 << 26)
    start = time.perf_counter()
    assert refused(giant)
    assert time.perf_counter() - start < 0.05
    with pytest.raises(CodecError, match="expected at most 71680"):
        pack(HEADER, MODEL.fingerprint, bytes(1 << 17))


def reaches_decoder(data: bytes, allow_partial: bool = False) -> bool:
    """Decode what passes the container: a typed error (True), or symbols of the declared shape."""
    start = time.perf_counter()
    try:
        decoded = layered_stream.decode(MODEL, data, allow_partial=allow_partial)
    except BitstreamError:
        return True
    finally:
        assert time.perf_counter() - start < 2
    height, width = (-(-side // STRIDE) for side in decoded.header.image_hw)
    assert decoded.layers[0].symbols.shape == (WORDS,)
    assert all(layer.symbols.shape == (CHANNELS, height, width) for layer in decoded.layers[1:])
    return False


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_damage_under_a_right_checksum_is_refused_by_the_coder(step):
    head, payload = DATA[:HEAD], DATA[HEAD + 2 :]
    assert all(reaches_decoder(seal(head, payload[:length])) for length in range(0, len(payload), step))
    for bit in range(0, 8 * len(payload), step):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        assert reaches_decoder(seal(head, bytes(damaged)))
    for bit in [
        *range(16, 24),
        *range(48, 8 * HEAD),
    ]:  # kind, quality and sizes: everything not compared with a known value
        changed = bytearray(head)
        changed[bit // 8] ^= 1 << bit % 8
        if changed[2] & ~0x30 != head[2] & ~0x30 or bit >= 48:
            assert reaches_decoder(seal(bytes(changed), payload))


@pytest.mark.parametrize("count", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_random_payloads_under_a_right_checksum(count):
    random = np.random.default_rng(count)
    for _ in range(count):
        payload = random.bytes(int(random.integers(0, 400)))
        assert reaches_decoder(seal(DATA[:HEAD], payload))
        assert reaches_decoder(seal(DATA[:HEAD], bytes([0xFF]) * int(random.integers(1, 99))))


def test_a_huge_image_in_a_tiny_file_ends_at_the_first_layer_it_lacks():
    assert reaches_decoder(seal(DATA[:7] + b"\xff\x1f\xff\x1f", DATA[HEAD + 2 :]))  # 4096 x 4096, the largest allowed


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_partial_reading_of_damage_gives_symbols_of_the_declared_shape_or_the_error(step):
    for data in [*truncations(), *bit_flips()][::step]:
        if data[7:9] == DATA[7:9]:
            reaches_decoder(data, allow_partial=True)
