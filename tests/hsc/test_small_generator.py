"""The short adversarial training of a small generator: its images, exact resume, and the file it leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hsc.networks.profiles import TOY
from hsc.training.shards import Frames
from hsc.training.small_generator import ImageCritic, main, squares, train_generator
from hsc.weights.stylegan2_keys import load_generator

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = replace(TOY.generator, resolution=16, w_dim=8, z_dim=6, channel_base=128, channel_max=8, layer=1)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Six pictures of 20x30 that are red on the left and blue on the right."""
    images = np.zeros((6, 20, 30, 3), np.uint8)
    images[:, :, :15, 0], images[:, :, 15:, 2] = 255, 255
    folder = tmp_path / "shards"
    folder.mkdir()
    np.savez(folder / "0.npz", images=images, semantic=np.zeros((6, 20, 30), np.uint8), source=np.array("halves"))
    return folder


def test_squares_are_random_parts_of_full_height_and_mirrored() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, :15, 0], image[:, 15:, 2] = 255, 255
    drawn = squares(Frames((image,), (), (), "x"), 10, 40, seed=1)
    assert drawn.shape == (40, 3, 10, 10)
    assert torch.equal(drawn, squares(Frames((image,), (), (), "x"), 10, 40, seed=1))
    red_left = (drawn[:, 0, :, 0] > drawn[:, 2, :, 0]).all(1)
    assert 8 < int(red_left.sum()) < 32
    widths = ((drawn[:, 0] > 0).float().mean((1, 2)) * 20).round()
    assert len(widths.unique()) > 3  # 5 to 15 of 20 columns are red
    assert float(widths.min()) >= 4


def test_the_critic_sees_whether_images_of_a_batch_differ() -> None:
    critic = ImageCritic(16)
    image = torch.rand(1, 3, 16, 16)
    alone, others = torch.cat([image, image, image]), torch.cat([image, torch.rand(2, 3, 16, 16)])
    assert critic(others).shape == (3, 1, 1, 1)
    assert not torch.allclose(critic(alone)[0], critic(others)[0], atol=1e-6)


def test_a_cut_training_gives_the_generator_of_one_that_was_not(shards: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "deep" / "cut.safetensors"
    train_generator(shards, whole, steps=18, batch=2, config=CONFIG)  # R1 in its first and 17th step
    for stop in (5, 17, None):
        train_generator(shards, cut, steps=18, batch=2, config=CONFIG, stop_at=stop)
        assert cut.exists() == (stop is None)
    first, second = load_generator(whole), load_generator(cut)
    assert not cut.with_suffix(".checkpoint").exists()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert first.config.resolution == 16
    assert torch.equal(first.mapping.w_mean, first.mapping.estimate_mean())


@pytest.mark.slow
def test_images_come_to_have_the_colours_of_the_data(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "g.safetensors"
    train_generator(shards, out, steps=120, batch=4, config=CONFIG)
    network = load_generator(out)
    with torch.no_grad():
        mean = network(network.map(torch.randn(32, 6, generator=torch.Generator().manual_seed(0)))).mean((0, 2, 3))
    real = torch.tensor([0.0, -1.0, 0.0])
    assert float(mean[1]) < -0.4  # no green
    assert float((mean - real).abs().mean()) < 0.5


def test_wrong_requests_are_refused(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(shards), "--out", str(tmp_path / "g.pt")]) == 2
    assert ".safetensors file" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "g.safetensors")]) == 2
    assert "no .npz shards" in capsys.readouterr().err
