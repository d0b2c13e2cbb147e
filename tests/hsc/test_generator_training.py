"""Training on a frozen StyleGAN2: losses by hand, exact resume, what is frozen, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hsc.codec import HscCodec
from hsc.errors import DataError, UsageError
from hsc.networks.config import EncoderConfig, FeatureConfig, GeneratorConfig, Profile, SemanticConfig
from hsc.networks.profiles import TRIED, profile_from_json, profile_to_json
from hsc.networks.stylegan2 import StyleGAN2
from hsc.training import generator_stages, perception
from hsc.training.__main__ import main
from hsc.training.frozen_generator import fitted
from hsc.training.loop import learning_rate, train
from hsc.training.perception import Judges, cosine_loss, load_judges, perceptual_loss
from hsc.training.recipe import Recipe
from hsc.training.recipe_file import as_json, require_same
from hsc.training.sampling import seed_of
from hsc.training.shards import read_frames
from hsc.training.state import Run, start
from hsc.weights import files
from hsc.weights.stylegan2_keys import load_generator

pytestmark = pytest.mark.usefixtures("one_thread")

WHOLE = Profile(
    "tiny-whole",
    GeneratorConfig(resolution=32, w_dim=8, z_dim=6, mapping_layers=1, channel_base=384, channel_max=12, layer=3),
    EncoderConfig(
        n_styles=8,
        w_dim=8,
        feature_channels=12,
        input_size=32,
        stem_width=8,
        widths=(12, 12, 12, 16),
        depths=(1, 1, 1, 1),
        feature_block=2,
        feature_stride=1,
        pool=2,
    ),
    SemanticConfig(kind="mlp", channels=6, width=12),
    FeatureConfig(slices=(2, 4), width=8, depth=1, context=4, hidden=((8, 8), (8, 8))),
)
RECIPE = Recipe(
    "tiny",
    profile_to_json(WHOLE),
    seed=3,
    batch=3,
    crop=(32, 32),
    steps=(0, 0, 0),
    frozen_steps=(3, 3, 3, 3),
    rates=(0.2, 0.5),
    image_pixels=32 * 32,
    learning_rate=1e-3,
    warmup=2,
    prefix_share=0.4,
    teacher=0.2,
    latent=1.0,
)


class Colours(torch.nn.Module):
    """Its map is the image."""

    def forward(self, images):
        return images


def colours() -> torch.nn.Module:
    return Colours()


def no_network() -> int:
    return 7


def write_generator(path: Path, config: GeneratorConfig = WHOLE.generator, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    generator = StyleGAN2(config).eval()
    with torch.no_grad():
        for rgb in generator.rgbs.values():
            rgb.weight.mul_(0.3)  # so that images lie within -1 to 1
        if generator.mapping is not None:
            generator.mapping.w_mean.normal_()
    save_file({name: tensor.detach().contiguous() for name, tensor in generator.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Path:
    return write_generator(tmp_path_factory.mktemp("generator") / "tiny.safetensors")


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """Four grey pictures of 40x48."""
    folder = tmp_path_factory.mktemp("shards")
    images = np.full((4, 40, 48, 3), 128, np.uint8)
    np.savez(folder / "0.npz", images=images, semantic=np.zeros((4, 40, 48), np.uint8), source=np.array("grey"))
    return folder


def trained(recipe: Recipe, out: Path, generator: Path, stop_at: int | None = None, **more):
    run = Run(out, more.pop("data", None), generator=generator, **more)
    return train(fitted(recipe, generator), run, stop_at=stop_at)


def assert_same(first: torch.nn.Module, second: torch.nn.Module) -> None:
    others = second.state_dict()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, others[name]), name


def test_a_run_that_was_cut_gives_the_weights_of_one_that_was_not(generator, shards, tmp_path) -> None:
    recipe = dataclasses.replace(RECIPE, frozen_steps=(2, 2, 1, 2))
    whole = trained(recipe, tmp_path / "whole", generator, data=shards)
    for stop in (1, 2, 6, None):  # in stages, and where one ends
        cut = trained(recipe, tmp_path / "cut", generator, stop, data=shards)
    assert whole.step == cut.step == 7
    assert_same(whole.model, cut.model)
    assert_same(whole.averaged, cut.averaged)
    assert torch.equal(whole.prices.log_prices, cut.prices.log_prices)


def test_each_stage_moves_its_own_networks_alone(generator, tmp_path) -> None:
    moved = {}
    before = {
        name: t.clone()
        for name, t in start(fitted(RECIPE, generator), Run(tmp_path, None, generator=generator))
        .model.state_dict()
        .items()
    }
    for stage, stop in zip(("inversion", "scn", "fcn", "both"), (3, 6, 9, 12), strict=True):
        after = {name: t.clone() for name, t in trained(RECIPE, tmp_path, generator, stop).model.state_dict().items()}
        moved[stage] = {name.split(".")[0] for name, t in after.items() if not torch.equal(t, before[name])}
        if stage == "scn":  # begins with statistics, and with the averaged encoder
            fcn = {name for name, t in after.items() if name.startswith("fcn.") and not torch.equal(t, before[name])}
            assert fcn == {"fcn.standard.mean", "fcn.standard.scale"}
        before = after
    assert moved == {"inversion": {"gie"}, "scn": {"gie", "scn", "fcn"}, "fcn": {"fcn"}, "both": {"scn", "fcn"}}
    state = trained(RECIPE, tmp_path, generator)
    assert_same(state.model.generator, load_generator(generator, layer=3))
    assert_same(state.model.gie, state.averaged.gie)


def test_the_encoder_starts_where_the_generators_latents_are(generator, tmp_path) -> None:
    model = start(fitted(RECIPE, generator), Run(tmp_path, None, generator=generator)).model
    frozen = load_generator(generator, layer=3)
    assert torch.equal(model.gie.w_mean, frozen.mapping.w_mean.expand(8, 8))
    own = frozen.run_below(frozen.map(torch.randn(200, 6))).feature
    given = model.gie(torch.rand(32, 3, 32, 32) * 2 - 1).feature
    torch.testing.assert_close(given.mean((0, 2, 3)), own.mean((0, 2, 3)), atol=0.2, rtol=0)
    torch.testing.assert_close(given.std((0, 2, 3)), own.std((0, 2, 3)), atol=0.2, rtol=0)


def test_fcn_sees_the_decoded_w(generator, tmp_path) -> None:
    """What conditions FCN in the stages fcn and both is what a decoder restores from the symbols, not W+."""
    recipe = fitted(RECIPE, generator)
    state = trained(RECIPE, tmp_path, generator, 6)
    seen = []
    state.model.fcn.register_forward_pre_hook(lambda _, given: seen.append(given[1].w_hat))
    images, quality = generator_stages.draw_images(state.model, 3, 1), torch.tensor([32, 48, 64])
    for step, stage in ((6, "fcn"), (9, "both")):
        state.step = step
        generator_stages.set_trained(state.model, stage)
        generator_stages.losses(recipe, state, images, quality, Judges(), None)
        state.model.eval()
        w_plus = state.model.gie(images).w_plus
        symbols = state.model.scn(w_plus, quality).symbols
        prior = state.model.scn.prior(quality)[0]
        decoded = state.model.scn.restore(symbols * 16 + prior, quality)
        torch.testing.assert_close(seen[-1], decoded, atol=1e-5, rtol=0)
        assert not torch.allclose(seen[-1], w_plus, atol=1e-2)
        assert seen[-1].requires_grad == (stage == "both")


def test_losses_of_the_stages_by_hand(generator, tmp_path) -> None:
    recipe = fitted(RECIPE, generator)
    state = trained(RECIPE, tmp_path, generator, 4)
    model, images, quality = state.model, torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([32, 64])
    model.eval()
    latents = model.gie(images)
    judges = Judges((Colours(),), Colours(), Colours())

    state.step = 0
    parts = generator_stages.losses(recipe, state, images, quality, judges, None)
    decoded = model.generator(latents.w_plus, latents.feature)
    torch.testing.assert_close(parts.pixel, ((decoded - images) ** 2).mean((1, 2, 3)))
    own = model.generator.run_below(latents.w_plus).feature
    torch.testing.assert_close(parts.match, ((latents.feature - own) ** 2).mean((1, 2, 3)))
    cosine = (decoded * images).sum((1, 2, 3)) / decoded.square().sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(parts.identity, 1 - cosine / images.square().sum((1, 2, 3)).sqrt())
    torch.testing.assert_close(parts.parsing, parts.identity)
    torch.testing.assert_close(parts.teacher, perceptual_loss(Colours(), decoded, images, 32))
    assert parts.bpp.tolist() == [0, 0]

    semantics, features = model.compress(latents.w_plus, latents.feature, quality)
    of_w = (((semantics.w_hat - latents.w_plus).flatten(1) / model.scn.standard.scale) ** 2).mean(1)
    of_f = (((features.feature - latents.feature) / model.fcn.standard.scale[:, None, None]) ** 2).mean((1, 2, 3))
    bits_f = features.bits.sum(1)
    for step, latent, bits in ((3, of_w, semantics.bits), (6, of_f, semantics.bits + bits_f), (9, of_w + of_f, None)):
        state.step = step
        prices = state.prices.log_prices
        parts = generator_stages.losses(recipe, state, images, quality, judges, None)
        torch.testing.assert_close(parts.latent, latent)
        torch.testing.assert_close(parts.words, semantics.bits)
        torch.testing.assert_close(parts.bpp, (semantics.bits + bits_f if bits is None else bits) / 1024)
        assert not torch.equal(prices, state.prices.log_prices)
        assert bool((parts.pixel > 0).all()) == bool((parts.teacher > 0).all()) == (step == 9)
    state.step, prices = 9, state.prices.log_prices
    generator_stages.losses(recipe, state, images, quality, judges, 1)  # a prefix says nothing of the rate
    assert torch.equal(prices, state.prices.log_prices)


def test_perceptual_and_cosine_losses_by_hand() -> None:
    red, green = (torch.zeros(1, 3, 8, 8) for _ in range(2))
    red[:, 0], green[:, 1] = 0.3, 0.9
    assert perceptual_loss(Colours(), red, green, 8).tolist() == pytest.approx([2 * 3])  # orthogonal, at three scales
    assert perceptual_loss(Colours(), red, 2 * red, 8).tolist() == pytest.approx([0], abs=1e-6)
    both = torch.nn.Module()
    both.forward = lambda images: (images, images[:, :1] + 1)
    assert cosine_loss(both, red, green, 8).tolist() == pytest.approx([(1 + 0) / 2])
    model = start(dataclasses.replace(RECIPE, frozen_steps=(0, 0, 0, 0), steps=(1, 0, 0)), Run(Path(), None)).model
    model.scn.standard.set(torch.zeros(64), torch.full((64,), 2.0))
    w_plus = torch.zeros(1, 8, 8)
    w_hat = w_plus.clone()
    w_hat[0, 0, :2] = torch.tensor([6.0, 8.0])
    assert generator_stages.words_loss(model, w_hat, w_plus).tolist() == pytest.approx([(3**2 + 4**2) / 64])


def test_images_are_drawn_and_mixed_with_those_of_shards(generator, shards, tmp_path) -> None:
    recipe = dataclasses.replace(fitted(RECIPE, generator), batch=4)
    run = Run(tmp_path, shards, generator=generator)
    state = start(recipe, run)
    grey = next(generator_stages.batches_of(recipe, run, read_frames(shards), range(1)))
    none = next(generator_stages.batches_of(recipe, run, generator_stages.frames_without_shards(run), range(1)))
    mixed, drawn = (generator_stages.completed(recipe, state, batch, 5) for batch in (grey, none))
    level = 128 / 127.5 - 1
    assert [bool((image - level).abs().max() < 1e-6) for image in mixed] == [False, False, True, True]
    assert drawn.shape == (4, 3, 32, 32)
    assert torch.equal(mixed[:2], generator_stages.draw_images(state.model, 2, seed_of(recipe, 5)))
    assert not torch.equal(drawn, generator_stages.completed(recipe, state, none, 6))
    assert float(drawn.abs().max()) <= 1
    all_shards = dataclasses.replace(recipe, generated=0.0)
    assert torch.equal(generator_stages.completed(all_shards, state, grey, 5), grey.images)


def test_its_weights_code_images_and_the_card_names_generator_and_networks(generator, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(perception, "mobilenet_file", lambda: None)
    recipe = dataclasses.replace(RECIPE, frozen_steps=(1, 1, 1, 1))
    trained(recipe, tmp_path, generator, identity=f"{__name__}:colours")
    card = files.read_card(tmp_path / "tiny.safetensors").card
    assert card["networks"] == {"perceptual": "none", "identity": f"{__name__}:colours", "parsing": "none"}
    assert card["generator"].startswith("tiny.safetensors, sha256 ")
    assert card["data"] == "images drawn from tiny.safetensors"
    model = files.load(str(tmp_path / "tiny.safetensors"))
    assert profile_from_json(card["recipe"]["profile"]) == model.profile
    codec = HscCodec(model)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert codec.decode(codec.encode(image, 1.5)).shape == image.shape


def test_the_profile_takes_widths_and_clamp_of_the_file(tmp_path) -> None:
    wider = dataclasses.replace(WHOLE.generator, channel_base=768, mapping_layers=2)
    path = write_generator(tmp_path / "wider.safetensors", wider)
    recipe = fitted(RECIPE, path)
    assert recipe.networks().generator.channel_base == 384  # the smallest with these widths
    assert recipe.networks().generator.mapping_layers == 2
    assert recipe.total == 12
    assert [recipe.stage_of(step) for step in (0, 2, 3, 6, 9, 11)] == ["inversion"] * 2 + ["scn", "fcn", "both", "both"]
    even = dataclasses.replace(RECIPE, frozen_steps=(10, 0, 10, 10), warmup=1)
    assert even.stage_of(10) == "fcn"
    rates = [learning_rate(even, step) for step in (0, 5, 9, 10, 19)]
    assert rates[0] == rates[1] == rates[3] == pytest.approx(1e-3)
    assert rates[2] == rates[4] < 2e-4


def test_refuses_wrong_generators(generator, shards, tmp_path, capsys) -> None:
    def refused(path: Path, recipe: Recipe = RECIPE) -> str:
        with pytest.raises((DataError, UsageError)) as error:
            fitted(recipe, path)
        return str(error.value)

    assert "convert-stylegan2" in refused(tmp_path / "none.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(generator.read_bytes()[:3000])
    assert "convert-stylegan2" in refused(tmp_path / "torn.safetensors")
    files.save(files.random_model(WHOLE), tmp_path / "codec.safetensors")
    assert "no supported StyleGAN2" in refused(tmp_path / "codec.safetensors")
    larger = write_generator(tmp_path / "b.safetensors", dataclasses.replace(WHOLE.generator, resolution=64))
    assert "64x64" in refused(larger)
    narrow = write_generator(tmp_path / "c.safetensors", dataclasses.replace(WHOLE.generator, channel_max=10))
    assert "channels of F" in refused(narrow)
    unmapped = write_generator(tmp_path / "d.safetensors", dataclasses.replace(WHOLE.generator, mapping_layers=0))
    assert "mapping network" in refused(unmapped)
    assert "leave out --generator" in refused(generator, Recipe("x"))
    other = write_generator(tmp_path / "e.safetensors", seed=5)
    trained(RECIPE, tmp_path / "out", generator, 1)
    with pytest.raises(DataError, match="another recipe \\(generator"):
        trained(RECIPE, tmp_path / "out", other, 2)
    assert "of sha256" in refused(other, fitted(RECIPE, generator))
    with pytest.raises(UsageError, match="--generator"):
        train(RECIPE, Run(tmp_path / "f", None))
    with pytest.raises(UsageError, match="--initial"):
        trained(dataclasses.replace(RECIPE, frozen_steps=(0, 1, 1, 1)), tmp_path / "g", generator)
    assert main(["--config", "toy", "--generator", str(generator), "--out", str(tmp_path / "h")]) == 2
    assert main(["--config", "toy", "--out", str(tmp_path / "h")]) == 2
    assert (
        main(["--config", "roadscenes", "--data", str(shards), "--generator", "x", "--out", str(tmp_path / "h")]) == 2
    )
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)


def test_refuses_recipes_and_networks_that_do_not_fit(generator, tmp_path) -> None:
    for fields in (
        {"steps": (1, 0, 0)},
        {"frozen_steps": (1, 1, 1)},
        {"frozen_steps": (-1, 1, 1, 1)},
        {"crop": (64, 64)},
        {"profile": "small"},
        {"generated": 2.0},
        {"words_share": 0.0},
    ):
        with pytest.raises(UsageError):
            dataclasses.replace(RECIPE, **fields)
    for name in ("nowhere:network", "json", f"{__name__}:no_network", f"{__name__}:absent"):
        with pytest.raises(UsageError, match=r"torch\.nn\.Module"):
            load_judges((), "none", name, None, "cpu")
    with pytest.raises(UsageError, match="give one of them"):
        load_judges((generator,), "mobilenet", None, None, "cpu")
    with pytest.raises(DataError, match="not a teacher"):
        load_judges((generator,), None, None, None, "cpu")


def test_a_checkpoint_from_before_a_field_is_of_the_recipe_where_the_field_has_its_default(tmp_path) -> None:
    kept = json.loads(as_json(RECIPE))
    del kept["match"]
    require_same(RECIPE, kept, tmp_path)
    with pytest.raises(DataError, match=r"another recipe \(match 0.01 -> 0.5"):
        require_same(dataclasses.replace(RECIPE, match=0.5), kept, tmp_path)


def test_perceptual_networks_are_those_that_are_here(tmp_path, monkeypatch) -> None:
    from torchvision.models import mobilenet_v2

    monkeypatch.setattr(perception, "mobilenet_file", lambda: None)
    assert load_judges((), None, None, None, "cpu").names[0] == ("perceptual", "none")
    with pytest.raises(UsageError, match="pip install"):
        load_judges((), "mobilenet", None, None, "cpu")
    torch.save(mobilenet_v2().state_dict(), tmp_path / "weights.pth")
    monkeypatch.setattr(perception, "mobilenet_file", lambda: tmp_path / "weights.pth")
    judges = load_judges((), None, None, None, "cpu")
    assert judges.names[0] == ("perceptual", "mobilenet")
    maps = judges.perceptual[0](torch.zeros(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(24, 16, 16), (32, 8, 8), (96, 4, 4)]
    assert load_judges((), "none", None, None, "cpu").perceptual == ()
    (tmp_path / "weights.pth").write_bytes(b"torn")
    with pytest.raises(DataError, match="again"):
        load_judges((), None, None, None, "cpu")


def test_the_papers_profiles_have_the_papers_sizes() -> None:
    sizes = {
        name: (p.generator.resolution, p.encoder.n_styles, p.generator.layer, p.encoder.input_size)
        for name, p in TRIED.items()
        if p.generator.start == "const"
    }
    assert sizes == {
        "faces": (1024, 18, 5, 256),
        "cars": (512, 16, 3, 128),
        "churches": (256, 14, 3, 128),
        "toy": (64, 10, 3, 64),
    }
    for name, side in (("faces", 16), ("cars", 8), ("churches", 8), ("toy", 8)):
        generator = TRIED[name].generator
        assert generator.input_side(generator.layer) == side
