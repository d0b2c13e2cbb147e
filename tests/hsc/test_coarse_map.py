"""The coarse map of w: integers that agree everywhere, files of w alone, a warm start that changes no picture."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_profile import TINY, lively, noise_photo

from hsc.codec import HscCodec
from hsc.entropy_coding.container import Header
from hsc.entropy_coding.integer_resize import coordinates, resize_integers
from hsc.entropy_coding.layered_stream import Layer
from hsc.errors import BitstreamError, DataError, UsageError
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.directions import principal_directions
from hsc.networks.model import HscModel
from hsc.networks.profiles import COARSE, SILENT, SMALL, profile_from_json, profile_to_json
from hsc.weights import files

MAP = CoarseMapConfig(
    symbols=16, grid=(4, 8), reading=4, channels=3, width=6, context_side=4, context_channels=4, context_width=8
)
MAPPED = replace(TINY, name="tiny-mapped", coarse_map=MAP)
QUIET = replace(MAPPED, name="tiny-quiet", coarse_map=replace(MAP, silent=True))
SIZES = [(1, 1), (16, 16), (17, 33), (64, 96), (130, 50)]


@functools.cache
def speaking_model() -> HscModel:
    """A frozen model whose map has large symbols, a context and a prediction of F."""
    model = lively(MAPPED).thaw()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        for module in (model.scn.coarse, model.fcn.coarse_context):
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        model.scn.coarse.project.weight.mul_(8)
    return model.freeze()


@functools.cache
def speaking() -> HscCodec:
    """The codec of that model, which draws its prediction of F."""
    return HscCodec(speaking_model())


def test_resizing_in_integers_is_bilinear_interpolation_rounded_down() -> None:
    x = torch.randint(-2048, 2048, (2, 3, 4, 5), generator=torch.Generator().manual_seed(0)).double()
    for size in ((1, 1), (3, 4), (4, 5), (9, 7), (16, 24), (300, 1)):
        resized = resize_integers(x, size)
        assert torch.equal(resized, resized.floor())
        exact = torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)
        assert float((resized - exact).abs().max()) <= 2 * 4096 / 256 + 1  # weights are cut to 1/256 on both axes
    assert torch.equal(resize_integers(x, (4, 5)), x)
    constant = torch.full((1, 1, 8, 8), -777.0)
    assert bool((resize_integers(constant, (31, 17)) == -777).all())
    assert bool((resize_integers(x[:, :, :1, :1], (5, 6)) == x[:, :, :1, :1]).all())


def test_coordinates_are_those_of_the_stretched_picture() -> None:
    small, large = coordinates((4, 6), torch.device("cpu")), coordinates((16, 24), torch.device("cpu"))
    assert small[0, 0, :, 0].tolist() == [-96, -32, 32, 96]
    assert (float(large.min()), float(large.max())) == (-123, 122)
    assert float((torch.nn.functional.avg_pool2d(large, 4) - small).abs().max()) <= 1
    assert coordinates((1, 1), torch.device("cpu")).flatten().tolist() == [0, 0]


def test_a_resized_map_has_the_gradient_of_the_interpolation() -> None:
    x = torch.zeros(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    resize_integers(x, (4, 4)).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == pytest.approx([4, 4, 4, 4], rel=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_files_of_any_size_and_of_w_alone(size: tuple[int, int]) -> None:
    codec, image = speaking(), noise_photo(*size, seed=3)
    data = codec.encode(image, 3.0)
    whole, alone = codec.decode(data), codec.cut(data, 1)
    assert whole.shape == image.shape
    assert len(alone) < len(data) or size == (1, 1)
    preview = codec.preview(data)
    assert np.array_equal(preview, codec.decode(data, layers="semantic"))
    assert np.array_equal(preview, codec.decode(alone))
    assert np.array_equal(codec.edit(alone, np.ones((11, 8)), 0.0), preview)
    assert np.array_equal(codec.edit(data, np.ones((11, 8)), 0.0), whole)
    assert len(codec.read(alone).layers[0].symbols) == 6 + 16


def test_the_bytes_of_w_do_not_grow_with_the_picture() -> None:
    codec = speaking()
    files_by_size = [codec.encode(noise_photo(h, 2 * h, seed=1), 3.0) for h in (32, 160)]
    small, large = (len(codec.cut(data, 1)) for data in files_by_size)
    assert large <= small + 10
    assert len(files_by_size[1]) > len(files_by_size[0]) + 200  # that of F does


def test_symbols_do_not_depend_on_threads_batch_or_layout(one_thread) -> None:
    model, quality = speaking_model(), torch.tensor([60, 96, 150])
    photos = [torch.from_numpy(noise_photo(80, 112, i)).permute(2, 0, 1) for i in range(3)]
    images = torch.stack(photos).float() / 127.5 - 1
    with torch.no_grad():
        latents = model.gie(images)
        words = model.scn(latents.w_plus, quality, model.fcn.standard(latents.feature))
        activations = model.scn.activations(words.integers, quality)
        together = model.fcn.start(activations, quality, (5, 7)).semantic
        assert together.shape == (3, 4, 5, 7)
        assert float(together.flatten(2).std(2).max()) > 1  # it says different things at different places
        torch.set_num_threads(2)
        other = model.fcn.start(activations, quality, (5, 7)).semantic
        apart = [model.fcn.start(activations[i : i + 1], quality[i : i + 1], (5, 7)).semantic for i in range(3)]
        layout = activations.to(memory_format=torch.channels_last)
        assert torch.equal(model.fcn.start(layout, quality, (5, 7)).semantic, together)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(model.fcn.start(activations, quality, (5, 7)).semantic, together)
    assert torch.equal(other, together)
    assert torch.equal(torch.cat(apart), together)
    image = noise_photo(80, 112, 1)
    tiled = HscCodec(copy.deepcopy(model), tile=3)
    data = speaking().encode(image, 3.0)
    old, new = (codec.read(data).layers for codec in (speaking(), tiled))
    assert all(np.array_equal(a.symbols, b.symbols) for a, b in zip(old, new, strict=True))
    assert np.abs(tiled.decode(data).astype(int) - speaking().decode(data)).max() <= 1


def test_the_first_slice_is_predicted_from_the_map() -> None:
    """Two files of one size: the entropy parameters of F's first layer differ from position to position."""
    codec, entropy = speaking(), speaking_model().entropy
    header = Header((80, 112), 96, 7)
    first = codec.read(codec.encode(noise_photo(80, 112, 1), 3.0)).layers[0]
    parameters = entropy.parameters(1, [first], header)
    assert parameters.offset is not None
    assert np.ptp(parameters.offset, axis=1).max() > 0
    louder = Layer(first.symbols + np.int32(2), first.parameters)
    assert not np.array_equal(entropy.parameters(1, [louder], header).offset, parameters.offset)


def test_training_and_files_give_the_same_symbols_and_the_same_picture_of_w() -> None:
    model, image = speaking_model(), noise_photo(64, 96, 5)
    pixels, quality = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1, torch.tensor([96])
    with torch.no_grad():
        made, alone = (model(pixels, quality, dropped=torch.tensor([drop])) for drop in (False, True))
        none_kept = model(pixels, quality, keep=0)
    layers = speaking().read(speaking().encode(image, 3.0)).layers
    assert np.array_equal(layers[0].symbols, made.semantics.symbols[0].numpy())
    assert all(
        np.array_equal(layer.symbols, model.fcn.pick(made.features.symbols, i)[0].numpy())
        for i, layer in enumerate(layers[1:])
    )
    assert float(alone.features.bits.sum()) == 0
    assert torch.equal(alone.image, none_kept.image)
    levels = alone.image[0].add(1).mul(127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(levels - speaking().decode(speaking().encode(image, 3.0), layers=1)).max() <= 1


@pytest.mark.parametrize("size", SIZES)
def test_heads_are_given_w_as_a_map_and_of_w_alone_the_predicted_feature(size: tuple[int, int]) -> None:
    codec, model = speaking(), speaking_model()
    data = codec.encode(noise_photo(*size, seed=7), 3.0)
    alone = codec.cut(data, 1)
    specs = {spec.name: spec for spec in codec.latent_specs()}
    assert list(specs) == ["w_hat", "y_hat", "w_map", "F_hat"]
    assert specs["w_map"].space == specs["y_hat"].space != specs["F_hat"].space
    whole, of_w = (codec.decode_latents(stream, ("w_hat", "w_map", "F_hat")).maps for stream in (data, alone))
    assert np.array_equal(whole["w_map"], of_w["w_map"])
    grid = tuple(-(-side // specs["w_map"].stride) for side in size)
    assert of_w["w_map"].shape == (MAP.width, *grid)
    with torch.no_grad():
        coefficients = torch.from_numpy(of_w["w_hat"])[9:].reshape(1, -1)
        hidden = model.scn.coarse.hidden(coefficients, grid)
        predicted = model.fcn.standard.inverse(model.scn.coarse.predict(coefficients, grid).decoded)
    np.testing.assert_allclose(of_w["w_map"], hidden[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(of_w["F_hat"], predicted[0].numpy(), atol=1e-5)
    assert not np.allclose(whole["F_hat"], of_w["F_hat"], atol=1e-3)


def test_damage_is_found() -> None:
    codec = speaking()
    alone = codec.cut(codec.encode(noise_photo(48, 64, 2), 3.0), 1)
    for position in range(len(alone)):
        damaged = bytearray(alone)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
    with pytest.raises(BitstreamError):
        codec.decode(alone[:-1])


def test_edits_move_the_prediction_of_f() -> None:
    codec, image, other = speaking(), noise_photo(64, 96, 1), noise_photo(64, 96, 2)
    data, target = codec.encode(image, 3.0), codec.encode(other, 3.0)
    start, end = (codec.decode_latents(d, ("w_hat",)).maps["w_hat"] for d in (data, target))
    assert start.shape == codec.latent_specs()[0].shape == (11, 8)
    alone = codec.cut(data, 1)
    likened = codec.edit(alone, end - start, 1.0).astype(int)
    assert np.abs(likened - codec.preview(target)).max() <= 1  # w alone, moved to the other's w, is the other's picture
    map_only = np.concatenate([np.zeros((9, 8)), (end - start)[9:]])
    assert not np.array_equal(codec.edit(data, map_only, 1.0), codec.decode(data))
    assert codec.edit(data, np.ones(8), 1.0).shape == image.shape
    with pytest.raises(UsageError, match="direction"):
        codec.edit(data, np.zeros((9, 8)), 1.0)
    assert principal_directions(np.stack([start, end, start * 2]), 1).axes.shape == (1, 11, 8)


def test_weights_survive_their_file_and_keep_their_profile(tmp_path) -> None:
    model, image = speaking_model(), noise_photo(33, 40, 1)
    path = tmp_path / "mapped.safetensors"
    files.save(model, path)
    loaded = files.load(str(path))
    assert loaded.fingerprint == model.fingerprint
    assert HscCodec(loaded).encode(image, 3.0) == speaking().encode(image, 3.0)
    assert profile_from_json(profile_to_json(MAPPED)) == MAPPED
    assert "coarse" not in profile_to_json(SMALL)
    with pytest.raises(DataError):
        profile_from_json(profile_to_json(MAPPED).replace('"silent":false', '"silent":"no"'))


def test_shapes_that_do_not_fit_are_refused() -> None:
    for wrong in ({"symbols": 0}, {"grid": (4, 6)}, {"grid": (0, 4)}, {"width": 0}):
        with pytest.raises(UsageError):
            replace(MAP, **wrong)
    with pytest.raises(UsageError, match="w_dim"):
        replace(MAPPED, coarse_map=replace(MAP, symbols=17))
    model = HscModel(MAPPED)
    with pytest.raises(UsageError, match="feature="):
        model.scn.scaled(torch.zeros(1, 9, 8), torch.tensor([96]))


def test_the_control_codes_no_semantics() -> None:
    assert [spec.name for spec in lively(QUIET).identity.latent_specs()] == ["w_hat", "y_hat", "F_hat"]
    codec = HscCodec(lively(QUIET))
    first, second = (codec.encode(noise_photo(64, 96, seed), 3.0) for seed in (1, 2))
    assert codec.info(first).slices["semantic"] < 0.1
    assert np.array_equal(codec.preview(first), codec.preview(second))
    start, end = (codec.decode_latents(data, ("w_hat",)).maps["w_hat"] for data in (first, second))
    assert np.array_equal(start, end)
    assert not np.array_equal(codec.decode(first), codec.decode(second))
    sizes = [sum(p.numel() for p in HscModel(profile).parameters()) for profile in (MAPPED, QUIET)]
    assert sizes[0] == sizes[1]


def test_the_profile_is_small_enough() -> None:
    with torch.device("meta"):
        small, coarse, silent = (HscModel(profile) for profile in (SMALL, COARSE, SILENT))
    sizes = [sum(p.numel() for p in model.parameters()) for model in (small, coarse, silent)]
    assert sizes[1] == sizes[2]
    assert 2 * (sizes[1] - sizes[0]) < 2_100_000  # bytes in 16 bits: 14 MB in all with those of "small"
    assert coarse.fcn.macs(16, 24) - small.fcn.macs(16, 24) < 2_000_000
