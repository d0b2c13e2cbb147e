"""Training of the segmenters on a few synthetic images: views, loss, exact resume, and weights that the head loads."""

from __future__ import annotations

import csv
import dataclasses
import itertools

import numpy as np
import pytest
import torch

from downstream.api import VOID
from downstream.heads.segmenter import Segmenter
from downstream.label_spaces import CAMVID11
from downstream.networks.segmenters import ARCHITECTURES, build
from downstream.training.__main__ import main
from downstream.training.loop import Run, start, train
from downstream.training.map_augmentation import map_view
from downstream.training.map_loss import class_weights, lovasz_softmax, map_loss
from downstream.training.map_shards import Maps, read_maps
from downstream.training.recipe import Recipe
from downstream.training.segmentation import Segmentation, mean_iou
from hsc.errors import DataError, UnavailableError, UsageError

pytestmark = pytest.mark.usefixtures("one_thread")


def maps(count=4, height=48, width=80, seed=0):
    """Grey pictures whose halves and one rectangle have colours of their own, and a strip of void."""
    random = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(count):
        label = np.zeros((height, width), np.uint8)
        label[height // 2 :] = 3
        x, y = int(random.integers(0, width - 30)), int(random.integers(0, height - 20))
        label[y : y + 20, x : x + 30] = 8
        label[:, :3] = VOID
        images.append(np.stack([label * 25 % 256] * 3, 2).astype(np.uint8))
        labels.append(label)
    return Maps(images, labels, CAMVID11, "synthetic")


def write_shard(path, data):
    words = {
        "semantic_classes": np.array(data.space.classes),
        "semantic_space": np.array(data.space.name),
        "source": np.array(data.source),
    }
    np.savez(path, images=np.stack(data.images), semantic=np.stack(data.labels), **words)


def recipe(arch, steps, **more):
    return Recipe(arch, steps, seed=1, batch=2, height=32, width=64, warmup=2, task="segmentation", **more)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_loss_falls_and_the_head_loads_the_weights(arch, tmp_path):
    train(recipe(arch, 20, score_every=10), Segmentation(maps(), maps(2, seed=1)), Run(tmp_path))
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text("utf-8").splitlines()))
    assert [int(row["step"]) for row in rows] == [10, 20]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert 0 <= float(rows[-1]["holdout"]) <= 1
    head = Segmenter(arch=arch, weights=str(tmp_path / f"segmenter_{arch}.safetensors"))
    assert head.available() is None
    assert head.label_space == CAMVID11
    assert head.predict([maps().images[0]])[0].labels.shape == (48, 80)
    card = (tmp_path / f"segmenter_{arch}.md").read_text("utf-8")
    assert "no compression" in card
    assert "at step" in card


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_resumed_run_is_exact(arch, tmp_path):
    task = Segmentation(maps(), maps(2, seed=1))
    chosen = recipe(arch, 4, score_every=1)
    whole = train(chosen, task, Run(tmp_path / "whole"))
    train(chosen, task, Run(tmp_path / "cut"), stop_at=2)
    resumed = train(chosen, task, Run(tmp_path / "cut"))
    assert whole.best[:2] == resumed.best[:2]
    for name, tensor in whole.averaged.state_dict().items():
        assert tensor.equal(resumed.averaged.state_dict()[name]), name
    name = f"segmenter_{arch}.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_starts_from_other_weights(tmp_path):
    task = Segmentation(maps())
    train(recipe("pyramid", 1), task, Run(tmp_path))
    before = tmp_path / "segmenter_pyramid.safetensors"
    state = start(recipe("pyramid", 1), task, Run(tmp_path / "next", before))
    assert state.initial.startswith("segmenter_pyramid.safetensors sha256 ")
    random = start(recipe("pyramid", 1), task, Run(tmp_path / "next"))
    assert not state.network.classify.weight.equal(random.network.classify.weight)
    with pytest.raises(DataError, match="does not fit"):
        start(recipe("context", 1), task, Run(tmp_path, before))
    with pytest.raises(UnavailableError, match="give the path"):
        start(recipe("pyramid", 1), task, Run(tmp_path, tmp_path / "none.safetensors"))


def test_requests_that_cannot_be_met(tmp_path):
    with pytest.raises(UsageError, match="pyramid, context"):
        recipe("hourglass", 1)
    with pytest.raises(UsageError, match="score_every"):
        recipe("pyramid", 1, score_every=0)
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="--device cpu"):
            start(recipe("pyramid", 1), Segmentation(maps()), Run(tmp_path, device="cuda"))
    other = dataclasses.replace(maps(), space=dataclasses.replace(CAMVID11, name="other"))
    with pytest.raises(DataError, match="held out"):
        Segmentation(maps(), other)


def test_bfloat16_trains(tmp_path):
    state = train(recipe("context", 2), Segmentation(maps()), Run(tmp_path, bf16=True))
    assert all(bool(torch.isfinite(p).all()) for p in state.network.parameters())


def test_command_line(tmp_path, capsys):
    for name, data in (("shards", maps()), ("holdout", maps(2, seed=1))):
        (tmp_path / name).mkdir()
        write_shard(tmp_path / name / "0.npz", data)
    views = ["--batch", "1", "--height", "32", "--width", "64"]
    arguments = ["--data", str(tmp_path / "shards"), "--out", str(tmp_path / "out"), "--steps", "2", *views]
    assert (
        main(["--task", "segmentation", "--arch", "context", "--holdout", str(tmp_path / "holdout"), *arguments]) == 0
    )
    assert (tmp_path / "out" / "segmenter_context.safetensors").is_file()
    assert main(["--task", "segmentation", "--arch", "hourglass", *arguments]) == 2
    assert main(["--arch", "pyramid", *arguments]) == 2
    assert main(["--arch", "pyramid", "--holdout", str(tmp_path / "holdout"), *arguments]) == 2
    errors = capsys.readouterr().err
    assert "pyramid, context" in errors
    assert "has no boxes_xyxy" in errors
    assert "--task segmentation" in errors


def test_shards_read_back_and_faults_are_told(tmp_path):
    write_shard(tmp_path / "0.npz", maps(3))
    write_shard(tmp_path / "1.npz", maps(2, height=32))
    back = read_maps(tmp_path)
    assert [labels.shape for labels in back.labels] == [(48, 80)] * 3 + [(32, 80)] * 2
    assert back.class_counts()[3] > 0
    wrong = dataclasses.replace(maps(1), space=dataclasses.replace(CAMVID11, classes=CAMVID11.classes[:5]))
    (tmp_path / "wrong").mkdir()
    write_shard(tmp_path / "wrong" / "0.npz", wrong)
    with pytest.raises(DataError, match="below 5"):
        read_maps(tmp_path / "wrong")
    write_shard(tmp_path / "2.npz", wrong)
    with pytest.raises(DataError, match="its own folder"):
        read_maps(tmp_path)


def test_views_keep_labels_on_their_pixels():
    """Away from edges, colour and class agree through flip, scale and crop; outside of the image all is void."""
    data = maps(1)
    seen = set()
    for seed in range(40):
        view, truth = map_view(data.images[0], data.labels[0], np.random.default_rng(seed), height=64, width=64)
        assert view.shape == (3, 64, 64)
        assert (view.min() >= 0) & (view.max() <= 255)
        assert truth.dtype == torch.int64
        grey = view.mean(0)
        means = {label: grey[truth == label].median() for label in (0, 3, 8) if (truth == label).sum() > 60}
        if len(means) == 3:
            assert means[0] < means[3] < means[8]
            inside = (
                (truth[1:-1, 1:-1] == truth[:-2, 1:-1])
                & (truth[1:-1, 1:-1] == truth[2:, 1:-1])
                & (truth[1:-1, 1:-1] == truth[1:-1, 2:])
            )
            nearest = torch.stack([(grey - means[label]).abs() for label in (0, 3, 8)]).argmin(0)[1:-1, 1:-1]
            known = inside & (truth[1:-1, 1:-1] != VOID)
            assert (torch.tensor([0, 3, 8])[nearest] == truth[1:-1, 1:-1])[known].float().mean() > 0.9
            seen.add(seed)
    assert len(seen) > 10


def test_views_of_images_smaller_and_larger():
    for height, width in ((1, 1), (7, 200), (300, 40)):
        image, labels = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
        for seed in range(8):
            _, truth = map_view(image, labels, np.random.default_rng(seed), height=32, width=64)
            assert truth.shape == (32, 64)
            assert (truth == 0).any()


def test_lovasz_is_the_jaccard_index_where_all_is_decided():
    """With hard answers it is 1 - Jaccard, counted here by hand for each class."""
    classes = 3
    for found in itertools.islice(itertools.product(range(classes), repeat=5), 0, None, 7):
        truth = torch.tensor([0, 0, 1, 2, 2])
        probabilities = torch.nn.functional.one_hot(torch.tensor(found), classes).float()
        expected = 0.0
        for number in range(classes):
            mine, there = {i for i in range(5) if found[i] == number}, {i for i in range(5) if truth[i] == number}
            expected += (1 - len(mine & there) / len(mine | there)) / classes
        assert float(lovasz_softmax(probabilities, truth)) == pytest.approx(expected, abs=1e-6)


def test_loss_leaves_void_out():
    torch.manual_seed(0)
    raw = (torch.randn(1, 3, 8, 8, requires_grad=True),)
    truth = torch.full((1, 8, 8), VOID)
    weights = torch.ones(3)
    parts = map_loss(raw, truth, weights, 0.5)
    assert sum(float(part.detach()) for part in parts.values()) == 0
    truth[0, 0, 0] = 1
    expected = -raw[0].log_softmax(1)[0, 1, 0, 0]
    assert float(map_loss(raw, truth, weights, 0.5)["cross_entropy"].detach()) == pytest.approx(
        float(expected.detach()), rel=1e-5
    )


def test_coarse_maps_are_learnt_beside():
    truth = torch.zeros(2, 16, 16, dtype=torch.int64)
    truth[:, :, 8:] = 1
    right = torch.nn.functional.one_hot(truth[:, ::8, ::8], 3).permute(0, 3, 1, 2) * 20.0
    answer = torch.nn.functional.one_hot(truth, 3).permute(0, 3, 1, 2) * 20.0
    weights = torch.ones(3)
    found = map_loss((answer, right), truth, weights, 0.5)
    assert float(found["cross_entropy"]) < 1e-3
    assert float(found["lovasz"]) < 1e-3
    assert float(found["coarse"]) < 0.4 * float(map_loss((answer, 0 * right), truth, weights, 0.5)["coarse"])
    assert float(map_loss((answer, right), truth, weights, 0.0)["lovasz"]) == 0


def test_rare_classes_weigh_more():
    weights = class_weights(torch.tensor([900, 99, 1]))
    assert weights[0] < weights[1] < weights[2] < 9 * weights[0]
    assert float(weights.mean()) == pytest.approx(1)


def test_mean_iou_by_hand():
    class Left(torch.nn.Module):
        """Says 0 on the left half, 3 on the right."""

        def labels(self, pixels):
            found = torch.zeros(pixels.shape[0], *pixels.shape[2:], dtype=torch.uint8)
            found[:, :, pixels.shape[3] // 2 :] = 3
            return found

    labels = np.array([[0, 0, 3, 3], [0, 3, 3, VOID]], np.uint8)
    data = Maps([np.zeros((2, 4, 3), np.uint8)], [labels], CAMVID11, "")
    assert mean_iou(Left(), data, "cpu") == pytest.approx((3 / 4 + 3 / 4) / 2)


def test_networks_learn_a_class_map_in_their_own_size():
    network = build("pyramid", 11)
    assert [tuple(m.shape) for m in network(torch.zeros(1, 3, 64, 96))] == [(1, 11, 32, 48), (1, 11, 4, 6)]
