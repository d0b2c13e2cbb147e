"""Layered files: exact symbols, small overhead, cut files and truncated files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from toy_model import ToyModel

from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.container import Header, pack, unpack
from hsc.errors import BitstreamError, UsageError

MODEL = ToyModel()
NINE = ToyModel(1, slices=8, channels=4)


def make(model: ToyModel, image_hw: tuple[int, int], seed: int = 0) -> tuple[bytes, list[layered_stream.Layer]]:
    header = Header(image_hw, quality=100, layers=model.layers)
    known = layered_stream.code(model, header, model.draw(seed))
    return layered_stream.write(model, header, known), known


def same(decoded: layered_stream.Decoded, known: list[layered_stream.Layer]) -> bool:
    return all(np.array_equal(a.symbols, b.symbols) for a, b in zip(decoded.layers, known, strict=True))


@pytest.mark.parametrize("image_hw", [(1, 1), (17, 5), (64, 96), (300, 1)])
def test_the_same_symbols_come_back(image_hw):
    data, known = make(MODEL, image_hw)
    decoded = layered_stream.decode(MODEL, data)
    assert decoded.header == Header(image_hw, 100, 5)
    assert decoded.complete
    assert same(decoded, known)
    assert layered_stream.encode(MODEL, decoded.header, MODEL.draw(0)) == data


def test_bytes_around_the_payload_stay_within_eighteen():
    overheads = []
    for seed in range(40):
        data, known = make(NINE, (256, 384) if seed < 5 else (129, 140), seed)
        bits = layered_stream.estimate_bits(known)
        overheads.append(len(data) - bits / 8)
        assert len(data) <= 1.01 * bits / 8 + 18
        assert bits == pytest.approx(sum(layered_stream.estimate_bits([layer]) for layer in known))
    assert max(overheads) <= 17.05
    assert np.mean(overheads) <= 16.6


def test_an_extreme_size_costs_one_byte_more():
    assert len(pack(Header((1 << 20, 1), 0, 1), bytes(32), b"")) == 13
    assert len(pack(Header((4096, 4096), 0, 1), bytes(32), b"")) == 13
    assert len(pack(Header((16385, 129), 0, 1), bytes(32), b"")) == 14


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_cut_file_is_complete_and_shorter(count):
    data, known = make(MODEL, (64, 96))
    short = layered_stream.cut(MODEL, data, count)
    decoded = layered_stream.decode(MODEL, short)
    assert decoded.complete
    assert decoded.header == Header((64, 96), 100, count)
    assert same(decoded, known[:count])
    assert len(short) < len(data) if count < 5 else short == data
    assert short == layered_stream.encode(MODEL, decoded.header, MODEL.draw(0))
    with pytest.raises(UsageError, match="cannot cut"):
        layered_stream.cut(MODEL, short, count + 1)


def test_a_cut_of_a_damaged_file_is_refused():
    data, _ = make(MODEL, (64, 96))
    with pytest.raises(BitstreamError):
        layered_stream.cut(MODEL, data[:-1], 1)


def test_a_file_cut_off_gives_its_whole_layers_only_when_asked():
    data, known = make(MODEL, (64, 96))
    counts = []
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            layered_stream.decode(MODEL, data[:length])
        try:
            decoded = layered_stream.decode(MODEL, data[:length], allow_partial=True)
        except BitstreamError:
            counts.append(0)
            continue
        assert not decoded.complete
        assert same(decoded, known[: len(decoded.layers)])
        counts.append(len(decoded.layers))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3, 4}
    assert layered_stream.decode(MODEL, data, allow_partial=True).complete


def test_offsets_reach_quantise_and_come_back():
    class Around(ToyModel):
        """Codes Q(y - mean) around 0, as the feature network does."""

        def parameters(self, number, earlier, header):
            known = super().parameters(number, earlier, header)
            return dataclasses.replace(known, mean=None, offset=known.mean)

    seen = []

    def quantise(number: int, parameters: layered_stream.Parameters):
        seen.append(parameters.offset)
        return np.zeros(parameters.index.shape, dtype=np.int32)

    model = Around()
    decoded = layered_stream.decode(model, layered_stream.encode(model, Header((32, 32), 0, 5), quantise))
    assert seen[0] is None
    assert all(np.array_equal(a, b.parameters.offset) for a, b in zip(seen[1:], decoded.layers[1:], strict=True))


@pytest.mark.parametrize(
    "change", [lambda h: dataclasses.replace(h, layers=6), lambda h: dataclasses.replace(h, quality=-1)]
)
def test_what_the_model_cannot_do_is_refused(change: Callable[[Header], Header]):
    with pytest.raises(UsageError):
        layered_stream.encode(MODEL, change(Header((8, 8), 0, 5)), MODEL.draw(0))


def test_another_model_is_named():
    data, _ = make(MODEL, (20, 20))
    with pytest.raises(BitstreamError, match="made with the weights"):
        layered_stream.decode(ToyModel(3), data)
    near = MODEL.fingerprint[:3] + bytes(29)  # the stored 24 bits agree, the hash does not
    with pytest.raises(BitstreamError, match="checksum"):
        unpack(data, near, 5)
