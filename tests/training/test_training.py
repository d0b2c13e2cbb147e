"""Training on a few synthetic frames: the loss falls, a resumed run is exact, and the head loads the weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from downstream.heads.small import Small
from downstream.label_spaces import ROADSCENES
from downstream.training.__main__ import main
from downstream.training.box_augmentation import augmented
from downstream.training.detection import Detection
from downstream.training.loop import Run, train
from downstream.training.recipe import Recipe
from downstream.training.shards import Boxes, Frames, read_frames
from hsc.errors import DataError, UsageError

pytestmark = pytest.mark.usefixtures("one_thread")

ARCHS = ("pyramid", "hourglass")


def frames(count=6):
    """Grey pictures with one bright rectangle a picture, and an ignored corner."""
    random = np.random.default_rng(0)
    images, boxes = [], []
    for _ in range(count):
        image = np.full((64, 96, 3), 90, np.uint8)
        x, y, w, h = (
            int(v)
            for v in (random.integers(0, 50), random.integers(0, 30), random.integers(16, 40), random.integers(16, 30))
        )
        label = int(random.integers(0, 5))
        image[y : y + h, x : x + w] = 40 * label + 60
        images.append(image)
        xyxy = np.array([[x, y, x + w, y + h], [80, 50, 96, 64]], np.float32)
        boxes.append(Boxes(xyxy, np.array([label, 0]), np.array([False, True])))
    return Frames(images, boxes, ROADSCENES.classes, "synthetic")


def fit(recipe, out, **more):
    return train(recipe, Detection(frames()), Run(out), **more)


def recipe(arch, steps, **more):
    return Recipe(arch, steps, seed=1, batch=2, height=64, width=96, warmup=2, **more)


def write_shard(path, data):
    np.savez(
        path,
        images=np.stack(data.images),
        boxes_xyxy=np.concatenate([b.boxes_xyxy for b in data.boxes]),
        labels=np.concatenate([b.labels for b in data.boxes]),
        ignored=np.concatenate([b.ignored for b in data.boxes]),
        owner=np.repeat(np.arange(len(data.images)), 2),
        classes=np.array(data.classes),
        source=np.array(data.source),
    )


@pytest.mark.parametrize("arch", ARCHS)
def test_loss_falls_and_the_head_loads_the_weights(arch, tmp_path):
    fit(recipe(arch, 25), tmp_path)
    rows = (tmp_path / "log.csv").read_text("utf-8").splitlines()
    assert rows[0].startswith("step,loss")
    first = fit(recipe(arch, 25), tmp_path / "short", stop_at=2)
    assert first.step == 2
    early = float((tmp_path / "short" / "log.csv").read_text("utf-8").splitlines()[1].split(",")[1])
    assert float(rows[1].split(",")[1]) < early  # the mean of 25 steps lies below that of the first two
    head = Small(arch=arch, weights=str(tmp_path / f"small_{arch}.safetensors"))
    assert head.available() is None
    assert len(head.predict([frames().images[0]])) == 1


@pytest.mark.parametrize("arch", ARCHS)
def test_a_resumed_run_is_exact(arch, tmp_path):
    whole = fit(recipe(arch, 4), tmp_path / "whole")
    fit(recipe(arch, 4), tmp_path / "cut", stop_at=2)
    resumed = fit(recipe(arch, 4), tmp_path / "cut")
    for name, tensor in whole.averaged.state_dict().items():
        assert tensor.equal(resumed.averaged.state_dict()[name]), name
    name = f"small_{arch}.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_another_recipe_does_not_resume(tmp_path):
    fit(recipe("pyramid", 3), tmp_path, stop_at=1)
    with pytest.raises(DataError, match="another --out"):
        fit(dataclasses.replace(recipe("pyramid", 3), seed=2), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"damage")
    with pytest.raises(DataError, match="remove it"):
        fit(recipe("pyramid", 3), tmp_path)


def test_command_line(tmp_path, capsys):
    (tmp_path / "shards").mkdir()
    write_shard(tmp_path / "shards" / "0.npz", frames())
    arguments = [
        "--data",
        str(tmp_path / "shards"),
        "--out",
        str(tmp_path / "out"),
        "--steps",
        "2",
        "--batch",
        "1",
        "--height",
        "64",
        "--width",
        "96",
    ]
    assert main(["--arch", "pyramid", *arguments]) == 0
    assert (tmp_path / "out" / "small_pyramid.safetensors").is_file()
    assert main(["--arch", "cone", *arguments]) == 2
    assert "pyramid, hourglass" in capsys.readouterr().err


def test_shards_read_back_and_damage_is_told(tmp_path):
    with pytest.raises(DataError, match="hsc-bench export-shards"):
        read_frames(tmp_path)
    write_shard(tmp_path / "0.npz", frames(3))
    back = read_frames(tmp_path)
    assert len(back.images) == 3
    np.testing.assert_array_equal(back.boxes[2].boxes_xyxy, frames(3).boxes[2].boxes_xyxy)
    (tmp_path / "1.npz").write_bytes(b"PK damage")
    with pytest.raises(DataError, match="export it again"):
        read_frames(tmp_path)


def test_recipe_refuses_sides_the_networks_cannot_take():
    with pytest.raises(UsageError, match="multiples of 32"):
        Recipe("pyramid", 1, height=100)


def test_views_keep_boxes_on_their_pixels():
    """A white rectangle on black stays where its box says, through flip, scale and crop."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[20:40, 30:60] = 255
    boxes = Boxes(np.array([[30, 20, 60, 40]], np.float32), np.array([0]), np.array([False]))
    seen = 0
    for seed in range(30):
        view, kept = augmented(image, boxes, np.random.default_rng(seed), height=64, width=64)
        assert view.shape == (3, 64, 64)
        if len(kept.labels) and not kept.ignored[0]:
            left, top, right, bottom = (round(float(v)) for v in kept.boxes_xyxy[0])
            bright = (view.mean(0) > 180).nonzero()
            (first_row, first_column), (last_row, last_column) = (
                bright.min(0).values.tolist(),
                bright.max(0).values.tolist(),
            )
            assert (
                max(
                    abs(first_row - top),
                    abs(first_column - left),
                    abs(last_row + 1 - bottom),
                    abs(last_column + 1 - right),
                )
                <= 1
            )
            seen += 1
    assert seen > 10
