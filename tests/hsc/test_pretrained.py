"""The weights in the tree: size, card, rates, exactness and damage, on street scenes and on what they were never shown.

Fast tests take a few scenes; slow ones the numbers that the codec's makers promise.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tiny_profile import noise_photo

from benchmarks.datasets.roadscenes.dataset import Roadscenes
from hsc.api import Image
from hsc.codec import HscCodec
from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.container import Header, _crc
from hsc.errors import BitstreamError
from hsc.weights import files

QUALITIES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
LARGEST_BYTES, LARGEST_WITH_MAP = 12_000_000, 14_000_000
AROUND_PAYLOAD = 18


@pytest.fixture(scope="module")
def codec() -> HscCodec:
    return HscCodec(files.load("roadscenes"))


@pytest.fixture
def kept_mkldnn(kept_threads: None) -> Iterator[None]:
    yield
    torch.backends.mkldnn.set_flags(True)


def scenes(count: int) -> list[Image]:
    """Scenes no step of training saw."""
    dataset = Roadscenes(split="test", images=count)
    return [dataset.load(i).image for i in range(count)]


def symbols(codec: HscCodec, data: bytes) -> list[np.ndarray]:
    return [layer.symbols for layer in codec.read(data).layers]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("name", "data", "licence"),
    [
        ("roadscenes", "roadscenes(", "Apache-2.0"),
        ("roadscenes-coarse", "roadscenes(", "Apache-2.0"),
        ("photos", "images(path=photos)", "Apache-2.0"),
        ("camvid", "camvid(", "CC BY-NC 4.0"),
        ("camvid-coarse", "camvid(", "CC BY-NC 4.0"),
    ],
)
def test_the_file_is_small_and_its_card_says_where_it_comes_from(name: str, data: str, licence: str) -> None:
    path = files.find(name)
    assert path.stat().st_size <= (LARGEST_BYTES if name in ("roadscenes", "camvid") else LARGEST_WITH_MAP)
    card = files.read_card(path).card
    assert card["licence"].startswith(licence)
    assert data in card["data"]
    assert "val" not in card["data"]
    assert {"recipe", "steps", "hours", "hardware"} <= set(card)
    assert path.with_suffix(".md").is_file()


def test_weights_read_no_file_of_other_weights(codec: HscCodec) -> None:
    other = HscCodec(files.load("camvid"))
    data = other.encode(noise_photo(40, 56), 3.0)
    assert other.decode(data).shape == (40, 56, 3)
    with pytest.raises(BitstreamError):
        codec.decode(data)


def test_rates_span_the_range_that_was_promised(codec: HscCodec) -> None:
    images = scenes(4)
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    rates = [8 * sum(len(codec.encode(image, q)) for image in images) / pixels for q in QUALITIES]
    assert rates == sorted(rates)
    assert rates[0] < 0.035
    assert 0.2 < rates[-1] < 0.4


@pytest.mark.parametrize("count", [4, pytest.param(64, marks=pytest.mark.slow)])
def test_real_bytes_stay_near_the_estimate_at_every_quality(codec: HscCodec, count: int) -> None:
    images = scenes(count)
    for quality in QUALITIES:
        real = sum(len(codec.encode(image, quality)) for image in images)
        estimate = sum(codec.estimate_bits(image, quality) for image in images)
        assert real <= 1.01 * estimate / 8 + AROUND_PAYLOAD * count


@pytest.mark.usefixtures("kept_mkldnn")
@pytest.mark.parametrize("count", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_no_symbol_depends_on_how_it_is_computed(codec: HscCodec, count: int) -> None:
    other = HscCodec(files.load("roadscenes"))
    other.model.to(memory_format=torch.channels_last)
    differ, changed, values = 0, 0, 0
    for number, image in enumerate(scenes(count)):
        for quality in QUALITIES:
            torch.set_num_threads(1)
            torch.backends.mkldnn.set_flags(True)
            data = codec.encode(image, quality)
            wanted, picture = symbols(codec, data), codec.decode(data)
            for one, count_of_threads, mkldnn in ((codec, 2, True), (other, 1, True), (codec, 1, False)):
                torch.set_num_threads(count_of_threads)
                torch.backends.mkldnn.set_flags(mkldnn)
                differ += not same(symbols(one, data), wanted)
                if number < 12 and quality in (1.0, 6.0):
                    off = np.abs(one.decode(data).astype(int) - picture)
                    assert off.max() <= 1
                    assert one is not codec or not mkldnn or not off.any(), "threads alone changed a pixel"
                    changed, values = changed + int((off > 0).sum()), values + off.size
    assert differ == 0
    assert changed <= 1e-4 * values


@pytest.mark.parametrize("quality", [1.0, 6.0])
def test_entropy_parameters_do_not_depend_on_the_batch(codec: HscCodec, quality: float) -> None:
    """Eight scenes predicted together, layer by layer, as each alone."""
    model, steps = codec.model, torch.full((8,), int(32 * quality))
    images = np.stack(scenes(8))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        whole = model(x, steps)
        for i in range(8):
            alone = model(x[i : i + 1], steps[:1])
            known = model.fcn.start(model.scn.activations(whole.semantics.integers, steps), steps, (16, 24))
            own = model.fcn.start(
                model.scn.activations(whole.semantics.integers[i : i + 1], steps[:1]), steps[:1], (16, 24)
            )
            gains, own_gains = model.fcn.quality.gains(steps), model.fcn.quality.gains(steps[:1])
            for layer in range(len(model.fcn.passes)):
                together, single = model.fcn.predict(layer, known, gains), model.fcn.predict(layer, own, own_gains)
                assert torch.equal(together.mean[i], single.mean[0])
                assert torch.equal(together.level[i], single.level[0])
                picked = model.fcn.pick(whole.features.integers, layer)
                known = model.fcn.learn(known, layer, picked, gains)
                own = model.fcn.learn(own, layer, picked[i : i + 1], own_gains)
            assert alone.features.bits.shape == (1, len(model.fcn.passes))


_DECODER = """
import hashlib, sys, torch
torch.set_num_threads(int(sys.argv[1]))
from hsc.weights import files as weights
from hsc.codec import HscCodec
codec = HscCodec(weights.load("roadscenes"))
print(hashlib.sha256(codec.decode(sys.stdin.buffer.read()).tobytes()).hexdigest())
"""


def test_fresh_processes_decode_to_the_same_pixels(codec: HscCodec) -> None:
    data = codec.encode(scenes(1)[0], 4.0)
    digests = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", _DECODER, count],
            input=data,
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for count in ("1", "2")
    }
    assert digests == {hashlib.sha256(codec.decode(data).tobytes()).hexdigest().encode() + b"\n"}


@pytest.mark.parametrize("hw", [(1, 1), (7, 5), (333, 251), (17, 400)])
def test_any_size_round_trips(codec: HscCodec, hw: tuple[int, int]) -> None:
    image = noise_photo(*hw)
    data = codec.encode(image, 6.0)
    assert codec.decode(data).shape == image.shape
    assert codec.decode_latents(data).image_hw == hw


def _sealed(head: bytes, payload: bytes, fingerprint: bytes) -> bytes:
    """A file whose checksum is right whatever it holds."""
    kind = head[2] & ~0x30 | len(payload) % 4 << 4
    head = head[:2] + bytes([kind]) + head[3:]
    return head + _crc(head, payload, fingerprint) + payload


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.slow)])
def test_damage_is_one_typed_error_even_under_a_right_checksum(codec: HscCodec, step: int) -> None:
    image = scenes(1)[0][:64, :96]
    data = codec.encode(image, 1.0)
    header = Header((64, 96), 32, codec.entropy.layers)
    head = 9  # magic to width, both sides below 129; two bytes of checksum follow
    assert layered_stream.decode(codec.entropy, data).header == header
    assert _sealed(data[:head], data[head + 2 :], codec.entropy.fingerprint) == data
    for bit in range(0, 8 * len(data), step):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
    for length in range(0, len(data), max(1, step // 8)):
        with pytest.raises(BitstreamError):
            codec.decode(data[:length])
    payload = data[head + 2 :]
    for bit in range(0, 8 * len(payload), step):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        began = time.perf_counter()
        with contextlib.suppress(BitstreamError):
            assert codec.decode(_sealed(data[:head], bytes(damaged), codec.entropy.fingerprint)).shape == image.shape
        assert time.perf_counter() - began < 2
