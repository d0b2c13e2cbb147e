"""Training of the in-domain rivals: the same coding as CompressAI's, exact resume, and a file that CompressAI reads."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

pytest.importorskip("compressai")

from benchmarks.learned.weights_files import FOLDER
from benchmarks.rivals import network
from benchmarks.rivals.__main__ import main
from benchmarks.rivals.export import export
from benchmarks.rivals.initialisation import set_components
from benchmarks.rivals.loop import learning_rate, start, train
from benchmarks.rivals.recipe import CONFIGS, LEVELS, Recipe, read_recipe
from hsc.errors import DataError, UsageError
from hsc.training.bit_prices import Prices
from hsc.training.recipe_file import as_json
from hsc.training.shards import read_frames
from hsc.training.state import Run
from hsc.training.teachers.unet import UNet, save_teacher

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = Recipe("tiny", seed=5, n=8, m=12, batch=2, crop=(64, 64), steps=4, warmup=2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(0)
    np.savez(
        folder / "0.npz",
        images=random.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8),
        semantic=random.integers(0, 2, (3, 64, 96), dtype=np.uint8),
        boxes_xyxy=np.array([[4, 4, 30, 40]] * 3, np.float32),
        ignored=np.zeros(3, bool),
        owner=np.arange(3),
        source=np.array("noise"),
    )
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(UNet(2), path, {})
    return path


def scaled(recipe: Recipe):
    """A random network whose symbols are not all 0."""
    torch.manual_seed(1)
    model = network.build(recipe)
    with torch.no_grad():
        model.g_a[-1].weight.mul_(20)
        model.h_a[-1].weight.mul_(20)
    return model


def test_coding_is_that_of_compressai() -> None:
    """In evaluation nothing is random: image and bits equal CompressAI's own forward pass at each stored gain."""
    model = scaled(TINY).eval()
    images = torch.rand(2, 3, 64, 128)
    for level in (0, 3, LEVELS - 1):
        with torch.no_grad():
            ours = network.code(model, images, torch.full((2,), float(level)))
            theirs = model(images, stage=2, s=level)
        bits = sum(-values.log2().sum((1, 2, 3)) for values in theirs["likelihoods"].values())
        torch.testing.assert_close(ours.image, theirs["x_hat"], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.bits, bits, rtol=1e-3, atol=1e-2)
    assert len(torch.unique(torch.round(ours.y))) > 3


def test_gains_between_the_stored_ones_are_geometric() -> None:
    model = network.build(TINY)
    with torch.no_grad():
        model.Gain.copy_(torch.tensor([1.0, 4.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0]))
        gains = network.gain_of(model, torch.tensor([0.0, 0.5, 1.0, 1.5, 7.0])).flatten()
    torch.testing.assert_close(gains, torch.tensor([1.0, 2.0, 4.0, 6.0, 14.0]))


def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path, shards) -> None:
    whole = train(TINY, Run(tmp_path / "whole", shards))
    train(TINY, Run(tmp_path / "parts", shards), stop_at=2)
    parts = train(TINY, Run(tmp_path / "parts", shards))
    assert parts.step == whole.step == TINY.steps
    for name, tensor in whole.averaged.state_dict().items():
        assert torch.equal(tensor, parts.averaged.state_dict()[name]), name
    assert not torch.equal(whole.model.Gain, network.build(TINY).Gain), "gains are not trained"
    with pytest.raises(DataError, match="another recipe"):
        train(dataclasses.replace(TINY, seed=6), Run(tmp_path / "whole", shards))


def test_the_machine_loss_needs_a_teacher_and_follows_it(tmp_path, shards, teacher) -> None:
    machine = dataclasses.replace(TINY, loss="machine", steps=1)
    with pytest.raises(UsageError, match="teacher"):
        train(machine, Run(tmp_path / "none", shards))
    with_teacher = train(machine, Run(tmp_path / "machine", shards, (teacher,)))
    without = train(dataclasses.replace(machine, teacher=0.0), Run(tmp_path / "without", shards))
    assert not torch.equal(with_teacher.model.g_s[0].weight, without.model.g_s[0].weight)


def test_training_starts_from_an_orthogonal_transform_that_keeps_the_image() -> None:
    """Smooth noise through random components of 2x2 blocks; with as many channels as samples nothing would be lost."""
    torch.manual_seed(2)
    recipe = dataclasses.replace(TINY, n=104, m=144)
    coarse = torch.rand(16, 3, 12, 16)
    images = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)
    model = network.build(recipe)
    set_components(model, images)
    with torch.no_grad():
        y = model.g_a(images)
        decoded = model.g_s(y)
    inner = (decoded - images)[:, :, 16:-16, 16:-16]
    assert inner.square().mean() < 0.02 * images.var(), "the transforms lose more than 2 % of the variance"
    spread = y.std((0, 2, 3))
    assert (spread > 0).all()
    torch.testing.assert_close(model.h_s[-1].bias[:144], spread, rtol=1e-3, atol=1e-4)


def test_training_starts_from_another_run(tmp_path, shards) -> None:
    first = train(TINY, Run(tmp_path / "first", shards))
    frames = read_frames(shards)
    second = start(TINY, Run(tmp_path / "second", shards, initial=tmp_path / "first" / "checkpoint.pt"), frames)
    assert torch.equal(second.model.g_a[0].weight, first.averaged.g_a[0].weight)
    assert torch.equal(second.prices.log_prices, first.prices.log_prices)
    others = dataclasses.replace(TINY, rates=tuple(2 * rate for rate in TINY.rates))
    third = start(others, Run(tmp_path / "third", shards, initial=tmp_path / "first" / "checkpoint.pt"), frames)
    assert torch.equal(third.prices.log_prices, Prices(others.rates).log_prices)
    export(TINY, tmp_path / "first" / "checkpoint.pt", tmp_path / "first.safetensors")
    fourth = start(TINY, Run(tmp_path / "fourth", shards, initial=tmp_path / "first.safetensors"), frames)
    torch.testing.assert_close(fourth.model.g_a[0].weight, first.averaged.g_a[0].weight, atol=1e-3, rtol=1e-3)
    assert torch.equal(fourth.model.Gain, first.averaged.Gain)
    other = dataclasses.replace(TINY, n=16)
    with pytest.raises(UsageError, match="checkpoint"):
        start(other, Run(tmp_path / "other", shards, initial=tmp_path / "first" / "checkpoint.pt"), frames)


def test_the_exported_file_is_read_by_compressai(tmp_path, shards) -> None:
    """CompressAI's own class codes with it, and decodes what its forward pass promised."""
    from compressai.models.vbr import MeanScaleHyperpriorVbr

    train(TINY, Run(tmp_path, shards))
    export(TINY, tmp_path / "checkpoint.pt", tmp_path / "tiny.safetensors")
    with safe_open(tmp_path / "tiny.safetensors", "pt") as file:
        stated = json.loads(file.metadata()["architecture"])
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    about = stated.pop("about")
    assert stated == {"class": "mbt2018-mean-vbr", "N": 8, "M": 12}
    assert about["steps"] == 4
    assert about["pixels"] == 4 * 2 * 64 * 64
    assert about["data"] == "noise"
    assert state["g_a.0.weight"].dtype == torch.float16
    model = MeanScaleHyperpriorVbr.from_state_dict(
        {name: t.float() if t.dtype == torch.half else t for name, t in state.items()}
    )
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        coded = model.eval().compress(image, s=7)
        decoded = model.decompress(coded["strings"], coded["shape"], s=7)["x_hat"]
        expected = model(image, s=7)["x_hat"].clamp(0, 1)
    torch.testing.assert_close(decoded, expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(DataError):
        export(dataclasses.replace(TINY, steps=9), tmp_path / "checkpoint.pt", tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_learning_rate_warms_up_and_decays() -> None:
    recipe = dataclasses.replace(TINY, steps=100, warmup=10, learning_rate=1.0)
    assert [round(learning_rate(recipe, step), 3) for step in (0, 9, 50, 75)] == [0.1, 1.0, 1.0, 0.51]
    assert learning_rate(recipe, 99) < 0.03


def test_the_command_trains_continues_and_exports(tmp_path, shards, capsys) -> None:
    (tmp_path / "own.toml").write_text("n = 8\nm = 12\nbatch = 2\ncrop = [64, 64]\nsteps = 2\nwarmup = 1\n", "utf-8")
    command = ["--config", str(tmp_path / "own.toml"), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert main([*command, "--data", str(shards)]) == 0
    weights = (tmp_path / "out" / "own.safetensors").read_bytes()
    assert main([*command, "--data", str(shards)]) == 0  # nothing is left to train
    assert main([*command, "--export", str(tmp_path / "now.safetensors")]) == 0
    assert (tmp_path / "out" / "own.safetensors").read_bytes() == (tmp_path / "now.safetensors").read_bytes() == weights
    assert capsys.readouterr().err.count("own 2/2") == 1
    assert main(command) == 2
    assert "--data is missing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["roadscenes-mse", "roadscenes-machine", "camvid-mse", "camvid-machine"])
def test_packaged_weights_are_of_their_recipe(name) -> None:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        about = json.loads(file.metadata()["architecture"])["about"]
    assert about["recipe"] == json.loads(as_json(read_recipe(name)))
    assert about["steps"] == about["recipe"]["steps"]


@pytest.mark.parametrize("config", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_packaged_recipes(config) -> None:
    recipe = read_recipe(config)
    assert recipe.name == config
    assert recipe.loss in config


@pytest.mark.parametrize(
    "text", ["steps = 0", "loss = 'psnr'", "crop = [60, 64]", "rates = [0.1]", "colour = 1", "steps = [", "seed = 'a'"]
)
def test_a_wrong_recipe_ends_with_one_sentence(tmp_path, capsys, text) -> None:
    (tmp_path / "own.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError):
        read_recipe(str(tmp_path / "own.toml"))
    code = main(["--config", str(tmp_path / "own.toml"), "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert code == 2
    assert capsys.readouterr().err.startswith("error: ")
