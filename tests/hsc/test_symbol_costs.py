"""Costs of symbols: layers add up to the file, another w changes what F costs and not what it holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_profile import TINY, lively, noise_photo, whole_profile

from benchmarks.datasets.roadscenes.dataset import Roadscenes
from hsc.codec import HscCodec
from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.quantisation import MEAN_STEPS
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.config import Profile
from hsc.networks.model import HscModel
from hsc.networks.symbol_costs import (
    bits_by_slice,
    code_picture,
    code_semantic,
    in_context,
    inversion,
    mean_semantic,
    on_semantic,
)
from hsc.weights import files

MAP = CoarseMapConfig(
    symbols=16, grid=(4, 8), reading=4, channels=3, width=6, context_side=4, context_channels=4, context_width=8
)
MAPPED = replace(TINY, name="tiny-mapped", coarse_map=MAP)
PROFILES = [TINY, whole_profile(), MAPPED]
AROUND_PAYLOAD_BYTES = 18


def speaking(profile: Profile) -> HscModel:
    """A frozen random model whose map, if it has one, is not at its start, where it says nothing."""
    model = lively(profile)
    if profile.coarse_map is None:
        return model
    model.thaw()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        for module in (model.scn.coarse, model.fcn.coarse_context):
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        model.scn.coarse.project.weight.mul_(8)
    return model.freeze()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_layers_are_those_of_the_file_and_the_own_w_changes_nothing(profile: Profile) -> None:
    codec, image = HscCodec(speaking(profile)), noise_photo(72, 100, seed=2)
    model, data = codec.model, codec.encode(image, 3.5)
    picture = code_picture(model, image, 112, inversion(model, image))
    assert layered_stream.write(model.entropy, picture.header, picture.layers) == data
    assert bits_by_slice(model, picture.layers) == pytest.approx(codec.info(data).slices)
    alone = code_semantic(model, image, 112)
    assert np.array_equal(alone.symbols, picture.layers[0].symbols)
    for layers in (in_context(model, picture, alone), on_semantic(model, picture, alone)[1:]):
        assert len(layers) == len(picture.layers) - 1
        for layer, own in zip(layers, picture.layers[1:], strict=True):
            assert np.array_equal(layer.symbols, own.symbols)
            assert np.array_equal(layer.parameters.index, own.parameters.index)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_in_another_context_the_same_values_are_coded_at_the_same_precision(profile: Profile) -> None:
    model = speaking(profile)
    picture, other = code_picture(model, noise_photo(72, 100, seed=2), 192), noise_photo(40, 64, seed=5)
    costs = []
    for semantic in (code_semantic(model, other, 192), mean_semantic(model, picture.header)):
        layers = in_context(model, picture, semantic)
        for layer, own, values in zip(layers, picture.layers[1:], picture.values, strict=True):
            assert layer.symbols.shape == own.symbols.shape
            restored = layer.symbols + layer.parameters.offset / MEAN_STEPS
            assert float(np.abs(restored - values).max()) <= 0.5
        costs.append(sum(bits_by_slice(model, layers, first=1).values()))
    own_cost = sum(bits_by_slice(model, picture.layers[1:], first=1).values())
    assert len({own_cost, *costs}) == 3
    assert not mean_semantic(model, picture.header).symbols.any()


def test_a_file_on_another_w_is_a_file() -> None:
    codec = HscCodec(speaking(MAPPED))
    picture = code_picture(codec.model, noise_photo(72, 100, seed=2), 112)
    other = code_semantic(codec.model, noise_photo(40, 64, seed=5), 112)
    layers = on_semantic(codec.model, picture, other)
    data = layered_stream.write(codec.entropy, picture.header, layers)
    decoded = codec.read(data)
    assert np.array_equal(decoded.layers[0].symbols, other.symbols)
    assert all(np.array_equal(a.symbols, b.symbols) for a, b in zip(decoded.layers, layers, strict=True))
    assert not np.array_equal(codec.decode(data), codec.decode(codec.encode(picture.image, 3.5)))


def test_without_semantics_all_contexts_are_one() -> None:
    model = speaking(replace(MAPPED, name="tiny-quiet", coarse_map=replace(MAP, silent=True)))
    picture = code_picture(model, noise_photo(72, 100, seed=2), 112)
    for semantic in (code_semantic(model, noise_photo(40, 64, seed=5), 112), mean_semantic(model, picture.header)):
        layers = in_context(model, picture, semantic)
        assert all(np.array_equal(a.symbols, b.symbols) for a, b in zip(layers, picture.layers[1:], strict=True))


@pytest.mark.parametrize("name", ["roadscenes", "roadscenes-coarse"])
def test_the_bits_of_packaged_weights_add_up_to_their_files(name: str) -> None:
    codec, dataset = HscCodec(files.load(name)), Roadscenes(split="val", images=2)
    for index in range(2):
        image = np.ascontiguousarray(dataset.load(index).image[96:192, 96:240])
        for quality in (1.0, 4.0):
            picture = code_picture(codec.model, image, round(32 * quality))
            bits = sum(bits_by_slice(codec.model, picture.layers).values())
            size_bytes = len(layered_stream.write(codec.entropy, picture.header, picture.layers))
            assert bits == pytest.approx(codec.estimate_bits(image, quality))
            assert bits / 8 < size_bytes <= 1.01 * bits / 8 + AROUND_PAYLOAD_BYTES
