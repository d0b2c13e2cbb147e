"""Learned codecs: files of any size, damage of any kind, estimates, latents, tiles."""

from __future__ import annotations

import binascii
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.conformance.codec_rules import photo
from benchmarks.learned import container, networks, tiles
from benchmarks.learned.codec import LearnedCodec
from benchmarks.learned.zoo import ARCHITECTURES
from hsc.errors import BitstreamError, CodecError, UsageError

Codecs = Callable[[str], LearnedCodec]
TYPICAL = "mbt2018-mean-vbr"
MOST_ADDED_BYTES = 18
"""By a file of a side up to 16,384, as benchmarks/learned/container.py says."""


def quality_of(codec: LearnedCodec) -> int:
    return codec.last_quality if codec.architecture.variable_rate else 3


def sealed(data: bytes) -> bytes:
    """The file with a checksum that fits, as whoever means harm would send it."""
    file_start = container._FIXED
    for _ in range(2):
        while data[file_start] & 128:
            file_start += 1
        file_start += 1
    head, payload = data[:file_start], data[file_start + 2 :]
    crc = binascii.crc_hqx(payload, binascii.crc_hqx(head, 0xFFFF))
    return head + crc.to_bytes(2, "big") + payload


def damaged(data: bytes, count: int) -> list[bytes]:
    """Copies with flipped, missing, added and exchanged bytes; half of them with a checksum that fits."""
    dice = random.Random(len(data))
    copies = []
    for number in range(count):
        copy = bytearray(data)
        kind = number % 5
        if kind == 0:
            for _ in range(dice.choice((1, 1, 2, 8))):
                copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del copy[dice.randrange(14, len(copy)) :]
        elif kind == 2:
            copy[dice.randrange(14, len(copy)) :] = dice.randbytes(dice.randrange(0, 60))
        elif kind == 3:
            copy[14:] = dice.randbytes(dice.randrange(0, 200))
        else:
            copy[6 + dice.randrange(2)] = dice.randrange(128)  # another size
        copies.append(sealed(bytes(copy)) if number % 2 else bytes(copy))
    return [copy for copy in copies if copy != data]  # a damaged checksum that was sealed is whole again


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (66, 40)])
def test_any_size_comes_back_at_the_estimated_length(
    architecture: str, size: tuple[int, int], codec_of: Codecs
) -> None:
    codec, image = codec_of(architecture), photo(*size)
    data = codec.encode(image, quality_of(codec))
    decoded = codec.decode(data)
    assert decoded.dtype == np.uint8
    assert decoded.shape == image.shape
    assert len(data) <= 1.01 * codec.estimate_bits(image, quality_of(codec)) / 8 + MOST_ADDED_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_large_odd_size(architecture: str, codec_of: Codecs) -> None:
    codec, image = codec_of(architecture), photo(333, 251)
    data = codec.encode(image, quality_of(codec))
    assert codec.decode(data).shape == image.shape
    assert len(data) <= 1.01 * codec.estimate_bits(image, quality_of(codec)) / 8 + MOST_ADDED_BYTES


def require_typed_errors(codec: LearnedCodec, streams: list[bytes]) -> int:
    """Decode all; count the refused ones. Any other error than BitstreamError passes through and fails the test."""
    refused = 0
    for stream in streams:
        try:
            image = codec.decode(stream)
        except BitstreamError:
            refused += 1
        else:
            assert image.dtype == np.uint8
    return refused


@pytest.mark.parametrize("architecture", [TYPICAL, "bmshj2018-factorized"])
def test_damage_is_refused(architecture: str, codec_of: Codecs) -> None:
    codec = codec_of(architecture)
    streams = damaged(codec.encode(photo(20, 30), quality_of(codec)), 250)
    assert require_typed_errors(codec, streams) == len(streams)


@pytest.mark.slow
def test_twenty_thousand_damaged_streams(codec_of: Codecs) -> None:
    import resource

    before_kib = 0
    for number, architecture in enumerate(("bmshj2018-factorized", "bmshj2018-hyperprior", TYPICAL, "mbt2018")):
        codec = codec_of(architecture)
        streams = damaged(codec.encode(photo(20, 30, seed=number), quality_of(codec)), 5500)
        assert len(streams) >= 5000
        assert require_typed_errors(codec, streams[:500]) == 500
        before_kib = max(before_kib, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        assert require_typed_errors(codec, streams[500:]) == len(streams) - 500
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    assert grown_mib < 200


def test_another_networks_file_is_refused_by_name(codec_of: Codecs, weights: Callable[..., Path]) -> None:
    codec = codec_of(TYPICAL)
    other = LearnedCodec(networks.load(weights(TYPICAL, 12.0)))
    data = codec.encode(photo(16, 16), 0)
    with pytest.raises(BitstreamError, match="made with the weights"):
        other.decode(data)
    # with the other network's three bytes in its place, the symbols' checksum still knows
    forged = sealed(data[:2] + other.fingerprint[:3] + data[5:])
    with pytest.raises(BitstreamError, match=r"checksum|left after|ran out"):
        other.decode(forged)


def test_other_tables_at_the_decoder_are_noticed(weights: Callable[..., Path]) -> None:
    network = networks.load(weights("mbt2018-mean"))
    codec, decoder = LearnedCodec(network), LearnedCodec(network)
    head = decoder.entropy._parts["h_s"][-1]
    head.bias[:] = head.bias * 1.2  # scales as another machine might compute them, if far worse
    with pytest.raises(BitstreamError):
        decoder.decode(codec.encode(photo(40, 40), 3))


def test_a_claimed_size_is_bounded_before_anything_is_computed(codec_of: Codecs) -> None:
    codec = codec_of(TYPICAL)
    data = codec.encode(photo(16, 16), 0)
    huge = data[:6] + b"\xff\xff\x7f" * 2 + data[8:]
    with pytest.raises(BitstreamError, match="claims an image"):
        codec.decode(sealed(huge))
    with pytest.raises(BitstreamError, match="claims the quality"):
        codec.decode(sealed(data[:5] + b"\xff" + data[6:]))


def test_images_beyond_the_limit_are_refused(codec_of: Codecs) -> None:
    image = np.broadcast_to(np.uint8(0), (4097, 4096, 3))
    with pytest.raises(CodecError, match="code it in parts"):
        codec_of(TYPICAL).encode(image, 0)
    with pytest.raises(UsageError, match="quality"):
        codec_of(TYPICAL).encode(photo(8, 8), 225)


def test_gains_lie_between_trained_ones(codec_of: Codecs) -> None:
    codec, image = codec_of(TYPICAL), photo(64, 64)
    sizes = [len(codec.encode(image, quality)) for quality in (0, 20, 32, 100, 224)]
    assert sizes == sorted(set(sizes))
    gains = [float(codec.entropy.gain(step) or 0) for step in (0, 16, 32)]
    assert gains[1] == pytest.approx((gains[0] * gains[2]) ** 0.5)


@pytest.mark.parametrize("architecture", ["mbt2018-mean", "bmshj2018-factorized"])
def test_latents_are_those_of_the_image(architecture: str, codec_of: Codecs) -> None:
    codec = codec_of(architecture)
    data = codec.encode(photo(70, 130), 3)
    maps = codec.latent_maps(codec.read(data)).maps
    specs = {spec.name: spec for spec in codec.latent_specs()}
    assert maps.keys() == specs.keys()
    assert maps["y_hat"].shape == (48, 5, 9)
    assert all(spec.space == codec.fingerprint.hex() for spec in specs.values())
    if "z_hat" in maps:
        assert maps["z_hat"].shape == (48, 2, 3)
        assert codec.latent_maps(codec.read(data), ["z_hat"]).maps.keys() == {"z_hat"}
    with pytest.raises(UsageError, match="no latents named"):
        codec.latent_maps(codec.read(data), ["w_hat"])
    (_, read), (_, synthesise) = codec.stages()
    assert np.array_equal(synthesise(read(data)), codec.decode(data))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tiles_reach_as_far_as_the_transform(architecture: str) -> None:
    """A change of one sample of y shows within the margin alone, with random weights, which reach everywhere."""
    torch.manual_seed(0)
    channels = (8, 8)
    synthesis = networks.new_model(architecture, channels).eval().g_s
    size = 2 * tiles.MARGIN + 3
    y = torch.randn(1, 8, size, size)
    changed = y.clone()
    changed[:, :, size // 2, size // 2] += 5
    with torch.no_grad():
        differs = (synthesis(y) != synthesis(changed)).any(1)[0]
    where = differs.nonzero()
    low, high = 16 * (size // 2 - tiles.MARGIN), 16 * (size // 2 + tiles.MARGIN + 1)
    assert len(where)
    assert low <= int(where.min())
    assert int(where.max()) < high


def test_tiles_join_without_a_seam(codec_of: Codecs, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = codec_of(TYPICAL)
    decoded = codec.read(codec.encode(photo(200, 330), 224))
    whole = codec.synthesise(decoded)
    monkeypatch.setattr(tiles, "TILE", 6)
    assert np.abs(codec.synthesise(decoded).astype(int) - whole).max() <= 1
