"""The entropy coder: exact, near ideal, and never silent about damage."""

from __future__ import annotations

import copy
import pickle
import time
import zlib

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hsc.entropy_coding.ans_coder import Call, SymbolDecoder, SymbolEncoder, _row_model, estimate_bits, write_payload
from hsc.entropy_coding.cdf_tables import build_gaussian_tables, build_pmf_tables, gaussian_scales
from hsc.errors import BitstreamError, UsageError

SCALES = gaussian_scales()
TABLES = build_gaussian_tables(SCALES)
WIDE = np.iinfo(np.int32)


def draw(count: int, seed: int = 0, levels: int = 40) -> Call:
    random = np.random.default_rng(seed)
    level, mean = random.integers(0, levels, count), random.integers(-400, 400, count)
    return Call(np.rint(random.normal(mean / 16, SCALES[level])).astype(np.int32), TABLES, level, mean)


def decode(payload: bytes, calls: list[Call], context: bytes = b"") -> list[np.ndarray]:
    decoder = SymbolDecoder(payload, context)
    symbols = [decoder.decode(call.tables, call.index, call.mean) for call in calls]
    decoder.finish()
    return symbols


def test_the_library_keeps_every_integer_probability():
    state = 0x80123457
    for row in range(TABLES.rows):
        wide = TABLES.row(row).astype(np.int64) * 256
        below = np.cumsum(wide) - wide
        for entry, (width, start) in enumerate(zip(wide.tolist(), below.tolist(), strict=True)):
            coder = constriction.stream.stack.AnsCoder(np.array([state], dtype=np.uint32))
            coder.encode_reverse(entry, _row_model(TABLES, row))
            assert coder.pos() == (0, (state // width << 24) + start + state % width)


class PlainDecoder:
    """The format in plain Python, without the library: what another implementation would need to know."""

    def __init__(self, payload: bytes) -> None:
        padded = bytes(-len(payload) % 4) + payload
        self.words = [int.from_bytes(padded[i : i + 4], "big") for i in range(0, len(padded), 4)][::-1]
        self.state = self.words.pop()
        self._refill()

    def _refill(self) -> None:
        if self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def take(self, frequencies: list[int]) -> int:
        """One entry; frequencies sum to 2**24."""
        slot, start = self.state & 0xFFFFFF, 0
        for entry, width in enumerate(frequencies):
            if slot < start + width:
                self.state = width * (self.state >> 24) + slot - start
                self._refill()
                return entry
            start += width
        raise AssertionError("frequencies do not sum to 2**24")


def test_another_implementation_decodes_the_same():
    call = draw(400)
    plain = PlainDecoder(write_payload([call], b"context"))
    rows, whole = TABLES.locate(call.index, call.mean)
    for i in np.argsort(rows, kind="stable"):
        entry = plain.take((TABLES.row(rows[i]).astype(np.int64) * 256).tolist())
        assert entry + TABLES.lowest[rows[i]] + whole[i] == call.symbols[i]
    crc = zlib.crc32(call.symbols.astype("<i4").tobytes(), zlib.crc32(b"context"))
    assert not plain.words
    assert plain.state == 1 << 23 | crc & 0x7FFFFF


def test_golden_payload():
    tables = build_pmf_tables([np.array([0.25, 0.5, 0.125]), np.array([1, 6, 6, 1]) / 16], [-1, -2])
    index = np.array([[0, 1, 0], [1, 1, 0]])
    payload = write_payload([Call(np.array([[0, 1, -7], [-2, 1000, -(2**31)]]), tables, index)], b"golden")
    assert payload.hex() == "1d7ff06fbc88f7ffffc86fffffe0b4"


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_int32_symbols_round_trip(data):
    calls = []
    for _ in range(data.draw(st.integers(0, 3))):
        shape = data.draw(hnp.array_shapes(max_dims=3, max_side=6, min_side=0))
        symbols = data.draw(
            hnp.arrays(np.int32, shape, elements=st.one_of(st.integers(-20, 20), st.integers(WIDE.min, WIDE.max)))
        )
        level = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 39)))
        mean = data.draw(st.one_of(st.none(), hnp.arrays(np.int64, shape, elements=st.integers(-2048, 2047))))
        calls.append(Call(symbols, TABLES, level, mean))
    context = data.draw(st.binary(max_size=8))
    payload = write_payload(calls, context)
    for call, symbols in zip(calls, decode(payload, calls, context), strict=True):
        assert symbols.dtype == np.int32
        assert np.array_equal(symbols, call.symbols)
    assert len(payload) <= estimate_bits(calls) / 8 * 1.001 + 4.2


def test_factorised_prior_and_gaussians_share_a_stream():
    prior = build_pmf_tables([np.array([0.2, 0.5, 0.3]), np.array([0.98])], [-1, 4])
    encoder = SymbolEncoder(b"x")
    encoder.encode(np.array([1, 4], dtype=np.int32), prior, np.array([0, 1]))
    encoder.encode(np.array([-9, 4000], dtype=np.int32), prior, np.array([1, 0]))
    last = draw(50)
    encoder.encode(last.symbols, TABLES, last.index, last.mean)
    first, second, third = decode(encoder.finish(), encoder.calls, b"x")
    assert first.tolist() == [1, 4]
    assert second.tolist() == [-9, 4000]
    assert (third == last.symbols).all()


@pytest.mark.parametrize("levels", [1, 8, 40])
def test_overhead_is_the_start_state_and_a_byte(levels):
    overheads = []
    for seed in range(200):
        calls = [draw(300, seed, levels), draw(300, seed + 1000, levels)]
        overheads.append(len(write_payload(calls, b"")) - estimate_bits(calls) / 8)
    assert max(overheads) <= 4.05
    assert np.mean(overheads) <= 3.6


def test_damage_is_caught_by_the_end_state_alone():
    random = np.random.default_rng(3)
    missed = flips = 0
    for seed in range(40):
        call = draw(120, seed, levels=25)
        payload = write_payload([call], b"")
        for bit in random.integers(0, 8 * len(payload), 50):
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            flips += 1
            try:
                decode(bytes(damaged), [call])
                missed += 1
            except BitstreamError:
                pass
        for length in range(len(payload)):
            with pytest.raises(BitstreamError):
                decode(payload[:length], [call])
        with pytest.raises(BitstreamError):
            decode(payload + b"\0", [call])
    assert flips == 2000
    assert missed == 0


def test_other_context_or_tables_are_caught():
    call = draw(100)
    payload = write_payload([call], b"one")
    with pytest.raises(BitstreamError, match="checksum"):
        decode(payload, [call], b"two")
    other = build_gaussian_tables(SCALES * 1.02)
    with pytest.raises(BitstreamError):
        decode(payload, [Call(call.symbols, other, call.index, call.mean)], b"one")
    with pytest.raises(BitstreamError, match="left after the last symbol"):
        decode(payload, [], b"one")


def test_a_cut_payload_gives_what_is_whole_and_never_more():
    calls = [draw(60, seed) for seed in range(5)]
    payload = write_payload(calls, b"")
    whole = []
    for length in range(1, len(payload)):
        got = 0
        try:
            decoder = SymbolDecoder(payload[:length], alignment=len(payload) % 4)
            for call in calls:
                assert (decoder.decode(TABLES, call.index, call.mean) == call.symbols).all()
                got += 1
        except BitstreamError:
            whole.append(got)
    assert whole == sorted(whole)
    assert set(whole) == {0, 1, 2, 3, 4}
    with pytest.raises(BitstreamError, match="cannot be finished"):
        decoder.finish()


def test_tables_travel_after_use():
    call = draw(20)
    payload = write_payload([call], b"")
    travelled = pickle.loads(pickle.dumps(copy.deepcopy(TABLES)))
    assert (decode(payload, [Call(call.symbols, travelled, call.index, call.mean)])[0] == call.symbols).all()


def test_misuse_is_named():
    with pytest.raises(UsageError, match="symbols came as float"):
        write_payload([Call(np.array([1.5]), TABLES, np.array([1]))], b"")
    with pytest.raises(UsageError, match=r"symbols came with shape \(2,\)"):
        write_payload([Call(np.array([1, 2]), TABLES, np.array([1]))], b"")
    with pytest.raises(UsageError, match="fit int32"):
        write_payload([Call(np.array([1 << 31]), TABLES, np.array([1]))], b"")


@pytest.mark.slow
def test_speed():
    call = draw(200_000)
    write_payload([call], b"")
    starts = [time.perf_counter()]
    payload = write_payload([call], b"")
    starts.append(time.perf_counter())
    decode(payload, [call])
    starts.append(time.perf_counter())
    encode_s, decode_s = np.diff(starts)
    assert encode_s < 0.5  # 0.04 s on a quiet core
    assert decode_s < 0.5
