"""The codec against CompressAI's own ``compress`` and ``decompress`` with the same weights and the same padded image.

Both code the same symbols by the same tables; their files differ by what each coder adds, which is stated to the byte:

    ours         header + whole bytes of (23 to 24 bits of start state + ideal bits of z and y together)
    CompressAI   for z and for y: words of 32 bits for the ideal bits, and 4 bytes of state
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from benchmarks.conformance.codec_rules import photo
from benchmarks.imaging.image_files import read_image
from benchmarks.imaging.psnr import psnr
from benchmarks.learned import container, networks
from benchmarks.learned.codec import LearnedCodec
from benchmarks.learned.latent_coding import padded_to
from benchmarks.learned.zoo import ARCHITECTURES
from hsc.api import Image
from hsc.entropy_coding.ans_coder import estimate_bits

STEPWISE = ("mbt2018", "cheng2020-anchor", "cheng2020-attn", "mbt2018-vbr")
AT_ONCE = tuple(name for name in ARCHITECTURES if name not in STEPWISE)
LEVEL = 5
"""Trained gain of the variable-rate networks."""


class Theirs(NamedTuple):
    strings: tuple[int, ...]
    image: Image


class Ours(NamedTuple):
    data: bytes
    image: Image
    bits: tuple[float, ...]
    """Ideal bits of z and of y, or of y alone."""


def reference(network: networks.Network) -> Any:
    """CompressAI's model, its transforms in the memory format of ours, its tables its own."""
    model: Any = copy.deepcopy(network.model)
    if network.architecture.variable_rate:
        model.update(force=True, scale=model.Gain[LEVEL].detach().abs())
    else:
        model.update(force=True)
    for name in ("g_a", "h_a", "g_s"):
        if hasattr(model, name):
            getattr(model, name).to(memory_format=torch.channels_last)
    return model


@torch.no_grad()
def theirs(model: Any, image: Image) -> Theirs:
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    x = padded_to(x, 64).contiguous(memory_format=torch.channels_last)
    settings = {"s": LEVEL} if hasattr(model, "Gain") else {}
    coded = model.compress(x, **settings)
    decoded = model.decompress(coded["strings"], coded["shape"], **settings)["x_hat"]
    pixels = decoded[0, :, : image.shape[0], : image.shape[1]].mul(255).round().to(torch.uint8)
    return Theirs(tuple(len(part[0]) for part in coded["strings"]), pixels.permute(1, 2, 0).numpy())


def ours(codec: LearnedCodec, image: Image) -> Ours:
    quality = 32 * LEVEL if codec.architecture.variable_rate else 3
    header, source = codec._analysed(image, quality, estimate=False)
    codec._run(source, header)
    calls = source._coder.calls
    bits = [estimate_bits(calls[:1]), *([estimate_bits(calls[1:])] if len(calls) > 1 else [])]
    data = container.pack(header, codec.fingerprint, source.finish())
    return Ours(data, codec.decode(data), tuple(bits))


def require_explained(own: Ours, other: Theirs, slack_bits: float = 0.5) -> None:
    """Check both lengths against the ideal bits; slack_bits: of these, near the border of a byte or a word."""
    header = len(container.pack(container.Header(0, own.image.shape[:2]), bytes(32), b""))
    assert 23 - slack_bits <= 8 * (len(own.data) - header) - sum(own.bits) <= 24 + 8 + slack_bits
    for string, bits in zip(sorted(other.strings), sorted(own.bits), strict=True):
        shortest, longest = (4 * math.ceil((bits + slack) / 32) + 4 for slack in (-slack_bits, slack_bits))
        assert shortest <= string <= longest, (string, bits)


def as_compressai_computes(network: networks.Network) -> tuple[LearnedCodec, Any]:
    model = reference(network)
    tables = {name: part for name, part in model.named_buffers() if name.endswith(networks.TABLES)}
    return LearnedCodec(dataclasses.replace(network, tables=tables), dtype=torch.float32), model


@pytest.mark.parametrize("architecture", AT_ONCE)
def test_symbols_and_pixels_are_those_of_compressai(architecture: str, weights: Callable[..., Path]) -> None:
    codec, model = as_compressai_computes(networks.load(weights(architecture)))
    image = photo(100, 150)
    own, other = ours(codec, image), theirs(model, image)
    assert np.array_equal(own.image, other.image)
    require_explained(own, other)


@pytest.mark.parametrize("architecture", STEPWISE)
def test_networks_with_context_agree_to_rounding(architecture: str, weights: Callable[..., Path]) -> None:
    """Their sums run in another order here, so a value at a border may be rounded to the other side."""
    codec, model = as_compressai_computes(networks.load(weights(architecture)))
    image = photo(64, 70)
    own, other = ours(codec, image), theirs(model, image)
    assert psnr(own.image, image) == pytest.approx(psnr(other.image, image), abs=0.02)
    require_explained(own, other, slack_bits=24)


def photos() -> list[Path]:
    shared = Path(os.environ.get("HSC_SHARED", Path(__file__).parents[3] / "shared")) / "data"
    coco = sorted((shared / "coco128").rglob("*.jpg"))
    return [*sorted((shared / "raccoon").glob("*.png"))[:1], *coco[:: max(1, len(coco) // 4)][:4]]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_on_photos(architecture: str, weights: Callable[..., Path], record_property: Callable[..., None]) -> None:
    """In float64, as files are made: the same PSNR and, but for a few symbols at borders, the same bits."""
    files = photos()
    if len(files) < 5:
        pytest.skip("the raccoon and coco128 are not in ../shared/data")
    network = networks.load(weights(architecture))
    codec, model = LearnedCodec(network), reference(network)
    for file in files[: 2 if architecture in STEPWISE else 5]:
        image = np.ascontiguousarray(read_image(file))
        own, other = ours(codec, image), theirs(model, image)
        assert psnr(own.image, image) == pytest.approx(psnr(other.image, image), abs=0.01)
        require_explained(own, other, slack_bits=64)
        name = f"{file.stem} ours {len(own.data)} theirs {sum(other.strings)} ideal {sum(own.bits) / 8:.1f}"
        record_property(architecture, name)
