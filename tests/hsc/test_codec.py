"""The codec with random weights: round trips by layers, at any size, in another process, and in tiles."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_profile import TINY, lively, noise_photo, tiny_codec, whole_profile

from hsc.api import DecodesLatents, Layered, Staged
from hsc.codec import HscCodec
from hsc.entropy_coding import layered_stream
from hsc.errors import BitstreamError, ImageError, UsageError
from hsc.networks import tiling
from hsc.networks.entropy_model import latent_size
from hsc.networks.profiles import SMALL
from hsc.networks.tiling import invert, synthesise
from hsc.weights import files as weights

SIZES = [(1, 1), (7, 5), (33, 57), (64, 48)]
CODEC = tiny_codec()


def symbols(codec: HscCodec, data: bytes) -> list[np.ndarray]:
    return [layer.symbols for layer in codec.read(data).layers]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("hw", SIZES)
@pytest.mark.parametrize("quality", [0.0, 3.0, 7.96875])
def test_the_symbols_that_were_coded_come_back(hw: tuple[int, int], quality: float) -> None:
    image = noise_photo(*hw)
    header, known = CODEC._code(image, quality)
    data = CODEC.encode(image, quality)
    decoded = CODEC.read(data)
    assert decoded.header == header
    assert same([layer.symbols for layer in decoded.layers], [layer.symbols for layer in known])
    assert CODEC.encode(image, quality) == data
    made = CODEC.decode(data)
    assert made.dtype == np.uint8
    assert made.shape == image.shape
    assert np.array_equal(made, CODEC.decode(data))


def test_symbols_are_worth_testing() -> None:
    layers = symbols(CODEC, CODEC.encode(noise_photo(64, 48), 5.0))
    assert all(np.any(s) for s in layers)
    assert sum(s.size for s in layers) == 6 + 6 * 4 * 3


def test_the_small_profile_round_trips() -> None:
    codec, image = HscCodec(lively(SMALL)), noise_photo(33, 57)
    data = codec.encode(image, 2.0)
    assert codec.decode(data).shape == image.shape
    assert len(codec.layers) == 16
    assert len(codec.encode(image, 1.0)) < len(data) < len(codec.encode(image, 6.0))


def test_a_whole_generator_of_one_size_takes_any_image_too() -> None:
    codec = HscCodec(lively(whole_profile()))
    for hw in ((1, 1), (64, 64), (50, 90)):
        image = noise_photo(*hw)
        data = codec.encode(image, 4.0)
        assert codec.decode(data).shape == codec.preview(data).shape == image.shape
        assert np.array_equal(codec.edit(data, np.ones(512), 0.0), codec.decode(data))
        assert not np.array_equal(codec.edit(data, np.ones((10, 512)), 2.0), codec.decode(data))
    assert codec.layers == ("semantic", "slice1", "slice2")
    assert [spec.shape for spec in codec.latent_specs()] == [(10, 512), (6, 4, 4), (12, 8, 8)]


@pytest.mark.parametrize("count", range(1, 8))
def test_a_cut_file_is_the_prefix(count: int) -> None:
    data = CODEC.encode(noise_photo(33, 57), 4.0)
    short = CODEC.cut(data, count)
    assert same(symbols(CODEC, short), symbols(CODEC, data)[:count])
    assert np.array_equal(CODEC.decode(short), CODEC.decode(data, count))
    prefix = CODEC.restore(CODEC.read(data, count))
    latents = CODEC.decode_latents(short)
    assert np.array_equal(latents.maps["F_hat"], prefix.feature[0].numpy())
    assert np.array_equal(latents.maps["w_hat"], CODEC.decode_latents(data).maps["w_hat"])
    if count == 1:
        assert np.array_equal(CODEC.preview(data), CODEC.decode(short))
        assert np.array_equal(CODEC.preview(data), CODEC.decode(data, "semantic"))


def test_layers_that_are_not_there_are_refused() -> None:
    short = CODEC.cut(CODEC.encode(noise_photo(20, 20), 4.0), 2)
    for wrong in (0, 3, -1):
        with pytest.raises(UsageError, match="layers came as"):
            CODEC.decode(short, wrong)


def test_a_file_cut_off_is_an_error_unless_asked_for() -> None:
    data = CODEC.encode(noise_photo(64, 64), 5.0)
    whole, counts = symbols(CODEC, data), []
    for length in range(20, len(data), 9):
        with pytest.raises(BitstreamError):
            CODEC.decode(data[:length])
        try:
            decoded = CODEC.read(data[:length], allow_partial=True)
        except BitstreamError:
            continue
        assert not decoded.complete
        assert same([layer.symbols for layer in decoded.layers], whole[: len(decoded.layers)])
        assert CODEC.decode(data[:length], allow_partial=True).shape == (64, 64, 3)
        counts.append(len(decoded.layers))
    assert counts == sorted(counts)
    assert counts[-1] >= 5


def test_latents_are_what_decoding_uses() -> None:
    assert isinstance(CODEC, DecodesLatents)
    assert isinstance(CODEC, Layered)
    assert isinstance(CODEC, Staged)
    data = CODEC.encode(noise_photo(33, 57), 4.0)
    latents = CODEC.decode_latents(data)
    w_hat, feature = (torch.from_numpy(latents.maps[name])[None] for name in ("w_hat", "F_hat"))
    assert latents.image_hw == (33, 57)
    assert np.array_equal(synthesise(CODEC.model, w_hat, feature, latents.image_hw), CODEC.decode(data))
    value = data
    for _, stage in CODEC.stages():
        value = stage(value)
    assert np.array_equal(value, CODEC.decode(data))


def test_files_read_in_turns_do_not_mix() -> None:
    """What is kept of one file between its layers must not reach another."""
    files = [CODEC.encode(noise_photo(33, 57, seed), 4.0) for seed in range(2)]
    read = [CODEC.read(data) for data in files]
    for number in range(1, 7):
        for decoded in read:
            again = CODEC.entropy.parameters(number, decoded.layers[:number], decoded.header)
            kept = decoded.layers[number].parameters
            assert np.array_equal(again.index, kept.index)
            assert np.array_equal(again.offset, kept.offset)


def test_latents_never_touch_the_generator() -> None:
    codec = HscCodec(lively(TINY))
    data = codec.encode(noise_photo(20, 40), 4.0)
    del codec.model.generator
    one, other = codec.decode_latents_batch([data, codec.cut(data, 3)])
    specs = {spec.name: spec for spec in codec.latent_specs()}
    assert set(one.maps) == set(specs)
    assert one.maps["w_hat"].shape == specs["w_hat"].shape
    assert one.maps["F_hat"].shape == (12, 2, 3)
    assert specs["F_hat"].shape == (12, None, None)
    own, shared = codec.model.fingerprint.hex(), codec.model.space.hex()
    assert {name: spec.space for name, spec in specs.items()} == {
        name: shared if name in ("w_hat", "y_hat") else own for name in specs
    }
    assert all(m.dtype == np.float32 for m in one.maps.values())
    assert not np.array_equal(one.maps["F_hat"], other.maps["F_hat"])
    some = codec.decode_latents_batch([data], ("F_hat", "y_hat"))[0]
    assert set(some.maps) == {"y_hat", "F_hat"}
    assert all(np.array_equal(some.maps[name], one.maps[name]) for name in some.maps)
    assert one.maps["y_hat"].shape == (
        specs["y_hat"].shape[0],
        *(-(-side // specs["y_hat"].stride) for side in (20, 40)),
    )
    with pytest.raises(UsageError, match="no latents are named x_hat; there are w_hat, y_hat, F_hat"):
        codec.decode_latents(data, ["x_hat", "w_hat"])


def test_latents_that_are_not_asked_for_are_not_made() -> None:
    """What a head on symbols reads needs neither the feature network's floats nor its time."""
    codec = HscCodec(lively(TINY))
    data = codec.encode(noise_photo(20, 40), 4.0)
    expected = codec.decode_latents(data)
    del codec.model.generator, codec.model.fcn.synthesis
    latents = codec.decode_latents(data, ("w_hat", "y_hat"))
    assert all(np.array_equal(latents.maps[name], expected.maps[name]) for name in ("w_hat", "y_hat"))


def test_real_bytes_stay_near_the_estimate() -> None:
    for seed, quality in enumerate((0.5, 2.0, 4.0, 6.0)):
        image = noise_photo(96, 128, seed)
        assert len(CODEC.encode(image, quality)) <= 1.01 * CODEC.estimate_bits(image, quality) / 8 + 18


def test_bytes_grow_with_quality() -> None:
    sizes = [len(CODEC.encode(noise_photo(96, 96), q)) for q in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]
    assert sizes == sorted(set(sizes))


def test_info_adds_up() -> None:
    image = noise_photo(64, 48)
    data = CODEC.encode(image, 3.5)
    info = CODEC.info(data)
    assert (info.image_hw, info.quality, info.size_bytes, info.complete) == ((64, 48), 3.5, len(data), True)
    assert [layer.name for layer in info.layers] == ["semantic", *(f"slice{s}{p}" for s in (1, 2) for p in "abc")]
    assert list(info.slices) == ["semantic", "slice1", "slice2"]
    assert sum(info.slices.values()) == pytest.approx(CODEC.estimate_bits(image, 3.5))
    assert info.bpp == 8 * len(data) / (64 * 48)
    assert len(CODEC.info(CODEC.cut(data, 2)).layers) == 2


def test_an_edit_of_no_step_is_the_image() -> None:
    data = CODEC.encode(noise_photo(33, 57), 4.0)
    direction = np.random.default_rng(0).normal(size=(9, 8))
    assert np.array_equal(CODEC.edit(data, direction, 0.0), CODEC.decode(data))
    assert not np.array_equal(CODEC.edit(data, direction, 3.0), CODEC.decode(data))
    for wrong in (np.ones(9), np.full((9, 8), np.nan)):
        with pytest.raises(UsageError, match="direction"):
            CODEC.edit(data, wrong, 1.0)


def test_another_models_files_are_refused() -> None:
    data = CODEC.encode(noise_photo(20, 20), 4.0)
    with pytest.raises(BitstreamError, match="made with the weights"):
        HscCodec(lively(TINY, seed=5)).decode(data)
    with pytest.raises(UsageError, match="not frozen"):
        HscCodec(lively(TINY).thaw())


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ImageError, match="expected uint8"):
        CODEC.encode(wrong, 3.0)


@pytest.mark.parametrize("quality", [-0.1, 8.0, float("nan")])
def test_qualities_out_of_range_are_refused(quality: float) -> None:
    with pytest.raises(UsageError, match="quality came as"):
        CODEC.encode(noise_photo(8, 8), quality)


@pytest.mark.usefixtures("kept_threads")
def test_symbols_do_not_depend_on_threads_or_memory_format() -> None:
    data = CODEC.encode(noise_photo(96, 128), 5.0)
    reference, image = symbols(CODEC, data), CODEC.decode(data)
    other = HscCodec(lively(TINY).to(memory_format=torch.channels_last))
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for codec in (CODEC, other):
            assert same(symbols(codec, data), reference)
            assert np.abs(codec.decode(data).astype(int) - image).max() <= 1


def test_entropy_parameters_do_not_depend_on_the_batch() -> None:
    model = CODEC.model
    images = torch.rand(8, 3, 48, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    quality = torch.arange(8) * 32
    with torch.no_grad():
        whole = model(images, quality)
        restarted = model.fcn.start(model.scn.activations(whole.semantics.integers, quality), quality, (3, 4))
        gains = model.fcn.quality.gains(quality)
        together = model.fcn.predict(0, restarted, gains)
        for i in range(8):
            alone = model.fcn.start(
                model.scn.activations(whole.semantics.integers[i : i + 1], quality[i : i + 1]),
                quality[i : i + 1],
                (3, 4),
            )
            single = model.fcn.predict(0, alone, model.fcn.quality.gains(quality[i : i + 1]))
            assert torch.equal(single.mean[0], together.mean[i])
            assert torch.equal(single.level[0], together.level[i])


def test_training_forward_in_eval_is_what_is_coded() -> None:
    """One path: the symbols and bits that ``forward`` speaks of are those of the file."""
    model, image = CODEC.model, noise_photo(33, 57)
    header, known = CODEC._code(image, 5.0)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        made = model(x, torch.tensor([header.quality]))
    coded = CODEC.entropy.integers(known, header)
    differ = (made.features.integers - coded.feature).abs() > 0
    assert torch.equal(made.semantics.integers, coded.semantic)
    assert differ.float().mean() < 0.01  # floats of g_a may fall on the other side of a half
    bits = made.semantics.bits + made.features.bits.sum(1)
    assert float(bits) == pytest.approx(layered_stream.estimate_bits(known), rel=0.02, abs=2)
    assert (
        np.abs(
            CODEC.decode(CODEC.encode(image, 5.0)).astype(int) - tiling._to_uint8(made.image.clone()).astype(int)
        ).max()
        <= 2
    )


@pytest.mark.parametrize("hw", [(150, 40), (100, 215)])
def test_tiles_leave_no_seam(hw: tuple[int, int]) -> None:
    whole, tiled = CODEC, tiny_codec(tile=4)
    image = noise_photo(*hw)
    a, b = invert(whole.model.gie, image), invert(tiled.model.gie, image, tile=2)
    torch.testing.assert_close(a.feature, b.feature, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(a.w_plus, b.w_plus, atol=1e-5, rtol=1e-4)
    data = whole.encode(image, 4.0)
    left, right = whole.decode(data).astype(int), tiled.decode(data).astype(int)
    assert np.abs(left - right).max() <= 1
    assert (left != right).mean() < 0.01
    assert same(symbols(whole, data), symbols(tiled, data))


def test_tiles_of_the_small_profile_see_far_enough() -> None:
    model = lively(SMALL)
    feature = torch.randn(1, 192, 20, 3, generator=torch.Generator().manual_seed(1)).contiguous(
        memory_format=torch.channels_last
    )
    w_hat = torch.randn(1, 9, 64, generator=torch.Generator().manual_seed(2))
    whole = synthesise(model, w_hat, feature, (320, 48)).astype(int)
    assert np.abs(whole - synthesise(model, w_hat, feature, (320, 48), tile=8)).max() <= 1
    image = noise_photo(448, 32)
    torch.testing.assert_close(
        invert(model.gie, image).feature, invert(model.gie, image, tile=4).feature, atol=1e-4, rtol=1e-3
    )


def test_maps_follow_from_the_image_size() -> None:
    assert latent_size(TINY, (1, 1)) == (1, 1)
    assert latent_size(TINY, (33, 48)) == (3, 3)
    assert latent_size(whole_profile(), (900, 3)) == (4, 4)


_DECODER = """
import hashlib, sys
from hsc.weights import files as weights
from hsc.codec import HscCodec
codec = HscCodec(weights.load(sys.argv[1]))
data = sys.stdin.buffer.read()
latents = codec.decode_latents(data)
symbols = b"".join(layer.symbols.tobytes() for layer in codec.read(data).layers)
print(hashlib.sha256(symbols).hexdigest(), codec.decode(data).shape)
"""


def test_a_fresh_process_decodes_from_weights_and_bytes(tmp_path: Path) -> None:
    file = tmp_path / "tiny.safetensors"
    weights.save(CODEC.model, file)
    data = CODEC.encode(noise_photo(33, 57), 4.0)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", _DECODER, str(file)],
        input=data,
        capture_output=True,
        check=True,
        timeout=60,
    )
    digest = hashlib.sha256(b"".join(s.tobytes() for s in symbols(CODEC, data))).hexdigest()
    assert run.stdout.decode().split(" ", 1) == [digest, "(33, 57, 3)\n"]


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, hsc, hsc.networks.config, hsc.weights.files; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_profiles_are_frozen_data() -> None:
    from hsc.errors import DataError
    from hsc.networks.config import FeatureConfig, SemanticConfig
    from hsc.networks.profiles import PROFILES, profile_from_json, profile_to_json

    for profile in (*PROFILES.values(), TINY, whole_profile()):
        assert profile_from_json(profile_to_json(profile)) == profile
    for text in ("", "{}", "[]", profile_to_json(TINY).replace("passes", "turns")):
        with pytest.raises(DataError, match="cannot be read"):
            profile_from_json(text)
    for call in (
        lambda: FeatureConfig(slices=(1,) * 6, hidden=((4, 4),) * 6, passes=3),
        lambda: FeatureConfig(slices=(1, 2), hidden=((4, 4),)),
        lambda: FeatureConfig(passes=4),
        lambda: SemanticConfig(kind="lstm"),  # type: ignore[arg-type]
        lambda: dataclasses.replace(TINY, semantic=SemanticConfig()),
    ):
        with pytest.raises(UsageError):
            call()
