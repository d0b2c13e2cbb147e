"""The training of classifiers: objects cut out of shards, their views, and weights that the head reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from downstream.heads.classifier import Classifier
from downstream.training.classification import Classification, training_view
from downstream.training.crop_shards import Crop, read_crops
from downstream.training.loop import Run, train
from downstream.training.recipe import Recipe
from hsc.errors import DataError, UsageError

RECIPE = Recipe("separable", 3, batch=4, height=32, width=32, task="classification")


def write_shard(folder: Path, ignored: bool = False) -> None:
    """Two images with a red object of class 0 and a blue one of class 1 each, and an ignored one."""
    folder.mkdir(exist_ok=True)
    images = np.full((2, 40, 60, 3), 90, np.uint8)
    images[:, 5:25, 4:14] = (250, 0, 0)
    images[:, 10:18, 30:58] = (0, 0, 250)
    boxes = np.array([[4, 5, 14, 25], [30, 10, 58, 18], [0, 0, 3, 3]] * 2, np.float32)
    arrays = {
        "images": images,
        "boxes_xyxy": boxes,
        "labels": np.array([0, 1, 1] * 2),
        "ignored": np.array([ignored, ignored, True] * 2),
        "owner": np.array([0, 0, 0, 1, 1, 1]),
        "classes": np.array(["red", "blue"]),
        "source": np.array("toys images 0 to 1"),
    }
    np.savez(folder / "000000.npz", **arrays)


def test_objects_are_cut_out_with_their_surroundings(tmp_path: Path) -> None:
    write_shard(tmp_path)
    crops = read_crops(tmp_path)
    assert [crop.label for crop in crops.crops] == [0, 1, 0, 1]
    assert (crops.classes, crops.source) == (("red", "blue"), "toys images 0 to 1")
    first = crops.crops[0]
    left, top, right, bottom = first.box
    assert (right - left, bottom - top) == (10, 20)
    assert (first.image[top:bottom, left:right] == (250, 0, 0)).all()
    assert first.image.shape == (5 + 20 + 7, 4 + 10 + 7, 3)  # 0.35 of 20 pixels, as far as the image goes
    write_shard(tmp_path, ignored=True)
    with pytest.raises(DataError, match="no object"):
        read_crops(tmp_path)


def test_views_repeat_and_hold_the_object_at_any_edge() -> None:
    image = np.random.default_rng(0).integers(0, 256, (180, 4, 3), np.uint8)
    narrow = Crop(image, (2, 0, 4, 180), 0)  # two pixels wide, at the edge of its scene
    views = [training_view(narrow, np.random.default_rng(seed), 32) for seed in range(200)]
    assert {tuple(view.shape) for view in views} == {(3, 32, 32)}
    assert all(torch.equal(views[seed], training_view(narrow, np.random.default_rng(seed), 32)) for seed in range(5))


def test_weights_of_a_training_are_read_by_the_head(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards")
    task = Classification(read_crops(tmp_path / "shards"))
    train(RECIPE, task, Run(tmp_path / "run"))
    head = Classifier("separable", weights=str(tmp_path / "run" / "classifier_separable.safetensors"))
    assert head.available() is None
    assert head.label_space.classes == ("red", "blue")
    (prediction,) = head.predict([np.zeros((9, 30, 3), np.uint8)])
    assert sorted(prediction.ranking[0].tolist()) == [0, 1]
    card = (tmp_path / "run" / "classifier_separable.md").read_text("utf-8")
    assert "objects cut out of toys" in card


def test_views_must_be_square_and_clean() -> None:
    with pytest.raises(UsageError, match="square"):
        dataclasses.replace(RECIPE, height=64)
    with pytest.raises(UsageError, match="classification"):
        Recipe("pyramid", 3, height=64, width=64, task="classification")
