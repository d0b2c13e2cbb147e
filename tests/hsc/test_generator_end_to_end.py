"""The paper's path from end to end with the config ``toy``: from a checkpoint of a StyleGAN2 to a table of scores."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cli.main import main as benchmark
from hsc.__main__ import main as hsc
from hsc.networks.profiles import TOY
from hsc.networks.stylegan2 import StyleGAN2
from hsc.training.__main__ import main as train
from hsc.weights import files
from hsc.weights.stylegan2_keys import from_own, load_generator


def write_checkpoint(path: Path) -> None:
    """A random generator, as rosinality's code saves one; its images lie within -1 to 1."""
    torch.manual_seed(0)
    generator = StyleGAN2(TOY.generator)
    with torch.no_grad():
        for rgb in generator.rgbs.values():
            rgb.weight.mul_(0.25)
    state = {name: tensor.detach() for name, tensor in generator.state_dict().items() if not name.endswith("w_mean")}
    torch.save({"g_ema": from_own(state, "rosinality")}, path)


def write_images(generator: Path, folder: Path, count: int) -> list[Path]:
    """Images drawn from a generator, as PNG."""
    folder.mkdir()
    network = load_generator(generator)
    z = torch.randn(count, TOY.generator.z_dim, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        images = ((network(network.map(z)).clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image.numpy()).save(path)
    return paths


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(float)


@pytest.mark.slow
def test_from_a_checkpoint_to_a_table(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoint(Path("stylegan2.pt"))
    assert hsc(["convert-stylegan2", "stylegan2.pt", "toy.safetensors"]) == 0
    command = ["--config", "toy", "--generator", "toy.safetensors", "--perceptual", "none", "--out", "run"]
    assert train([*command, "--threads", "1"]) == 0
    rows = list(csv.DictReader(Path("run/log.csv").read_text("utf-8").splitlines()))
    inversion = [float(row["pixel"]) for row in rows if row["stage"] == "inversion"]
    assert inversion[-1] < 0.6 * inversion[0]
    assert list(dict.fromkeys(row["stage"] for row in rows)) == ["inversion", "scn", "fcn", "both"]
    for stage in ("scn", "fcn"):
        latent = [float(row["latent"]) for row in rows if row["stage"] == stage]
        assert latent[-1] < latent[0]
    assert float(rows[-1]["bpp_1"]) < float(rows[-1]["bpp_4"])
    weights = "run/toy.safetensors"
    assert files.read_card(Path(weights)).card["networks"]["perceptual"] == "none"

    for folder in ("streams", "decoded"):
        Path(folder).mkdir()
    images = write_images(Path("toy.safetensors"), Path("images"), 10)
    model = ["--model", weights]
    assert hsc(["encode", *map(str, images), "--into", "streams", "--quality", "4", *model]) == 0
    streams = sorted(str(path) for path in Path("streams").glob("*.hsc"))
    assert hsc(["decode", *streams, "--into", "decoded", *model]) == 0
    decoded, originals = (np.stack([pixels(Path(folder) / p.name) for p in images]) for folder in ("decoded", "images"))
    errors = np.square(decoded[:, None] - originals[None]).mean((2, 3, 4))  # of each to each
    own = np.eye(10, dtype=bool)
    assert errors[own].mean() < 0.7 * errors[~own].mean()
    assert hsc(["preview", streams[0], "preview.png", *model]) == 0
    assert pixels(Path("preview.png")).shape == (64, 64, 3)
    assert not np.array_equal(pixels(Path("preview.png")), decoded[0])
    assert hsc(["directions", *streams, "--out", "axes.safetensors", *model]) == 0
    edit = ["edit", streams[0], "edited.png", "--directions", "axes.safetensors", *model, "--overwrite", "--step"]
    assert hsc([*edit, "0"]) == 0
    assert np.array_equal(pixels(Path("edited.png")), decoded[0])
    assert hsc([*edit, "3"]) == 0
    assert not np.array_equal(pixels(Path("edited.png")), decoded[0])

    run = ["run", "--task", "reconstruction", "--dataset", "images(path=images)", "--limit", "4", "--head", "psnr"]
    codecs = ["--codec", f'hsc(model="{weights}")', "--codec", "jpeg", "--anchor", "jpeg"]
    assert benchmark([*run, *codecs, "--out", "table"]) == 0
    scores = list(csv.DictReader(Path("table/scores.csv").read_text("utf-8").splitlines()))
    assert {row["codec"].partition("(")[0] for row in scores} >= {"hsc", "jpeg"}
