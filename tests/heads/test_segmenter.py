"""The segmenter head: its networks, images of any size, and errors for missing or foreign weights."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from downstream.api import HEADS
from downstream.heads.segmenter import Segmenter
from downstream.heads.small import Small
from downstream.label_spaces import CAMVID11
from downstream.networks.segmenters import ARCHITECTURES, build
from downstream.training.segmentation import iou_of
from downstream.weights.weights_file import packaged
from hsc.errors import DataError, UnavailableError, UsageError

MOST_PARAMETERS = 1_500_000
MOST_BYTES = 6_000_000


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(params=ARCHITECTURES)
def random_weights(request, segmenter_weights):
    return request.param, segmenter_weights(request.param)


def test_networks_are_small(random_weights):
    arch, path = random_weights
    assert 1_000_000 <= sum(p.numel() for p in build(arch, 11).parameters()) <= MOST_PARAMETERS
    assert path.stat().st_size < MOST_BYTES


def test_the_two_differ():
    first, second = (set(build(arch, 11).state_dict()) for arch in ARCHITECTURES)
    assert {name.split(".")[0] for name in first & second} <= {"classify", "coarse", "c4", "c8", "c16"}
    assert len(first & second) < len(first) / 2
    with pytest.raises(UsageError, match="pyramid, context"):
        build("cone", 5)


@pytest.mark.parametrize("flip", [False, True])
def test_answers_at_the_images_own_size(random_weights, flip):
    arch, path = random_weights
    head = pickle.loads(pickle.dumps(Segmenter(arch=arch, weights=str(path), flip=flip)))
    assert head.available() is None
    assert head.label_space == CAMVID11
    assert len(head.provenance()["weights_sha256"]) == 64
    images = [noise(1, 1), noise(33, 57), noise(64, 96), noise(33, 57)]
    found = head.predict(images)
    assert [p.labels.shape for p in found] == [image.shape[:2] for image in images]
    assert all(p.labels.dtype == np.uint8 and p.labels.max() < 11 for p in found)
    assert len(np.unique(found[2].labels)) > 1
    np.testing.assert_array_equal(found[1].labels, found[3].labels)
    assert (head.predict(images[2:3])[0].labels == found[2].labels).mean() > 0.999
    assert head.predict([]) == []


def test_flip_gives_mirror_images_mirrored_answers(random_weights):
    arch, path = random_weights
    head = Segmenter(arch=arch, weights=str(path), flip=True)
    image = noise(64, 96)
    one, two = head.predict([image, np.ascontiguousarray(image[:, ::-1])])
    assert (one.labels == two.labels[:, ::-1]).mean() > 0.999


def test_weights_that_are_not_usable_say_the_cure(random_weights, tmp_path):
    arch, path = random_weights
    missing = Segmenter(weights=str(tmp_path / "none.safetensors"))
    assert "--task segmentation" in missing.available()
    with pytest.raises(UnavailableError):
        missing.predict([noise(8, 8)])
    (tmp_path / "bad.safetensors").write_bytes(b"nothing at all")
    assert "get it again" in Segmenter(weights=str(tmp_path / "bad.safetensors")).available()
    other = next(a for a in ARCHITECTURES if a != arch)
    with pytest.raises(DataError, match="another arch"):
        Segmenter(arch=other, weights=str(path)).predict([noise(8, 8)])
    assert "another arch" in Segmenter(weights=str(Small()._path())).available()


@pytest.mark.parametrize(("arch", "trained"), [(a, t) for a in ARCHITECTURES for t in ("roadscenes", "camvid")])
def test_packaged_weights_are_small_and_known(arch, trained):
    head = HEADS.build(f"segmenter(arch={arch}, trained={trained})")
    assert len(head.label_space.classes) == 11
    path = packaged(f"segmenter_{arch}_{trained}")
    assert head.available() is None
    assert path.stat().st_size < MOST_BYTES
    assert path.with_suffix(".md").is_file()
    assert dataclasses.replace(head, flip=True).available() is None


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_was_learnt_of_the_scenes_is_still_there(arch):
    from benchmarks.api import DATASETS

    scenes = DATASETS.build("roadscenes(split=val, images=16)")
    found = Segmenter(arch=arch).predict([scenes.load(i).image for i in range(len(scenes))])
    assert iou_of((one.labels for one in found), (scenes.label_map(i).labels for i in range(len(scenes))), 11) > 0.45


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "miou"), [("pyramid", 0.6032), ("context", 0.6216)])
def test_the_cards_numbers_on_camvid_come_again(arch, miou, shared):
    from benchmarks.datasets.camvid import CamVid

    frames = CamVid(root=str(shared / "data" / "camvid"), split="val")
    head = Segmenter(arch=arch, trained="camvid")
    found = (head.predict([frames.load(i).image])[0].labels for i in range(len(frames)))
    assert iou_of(found, (frames.label_map(i).labels for i in range(len(frames))), 11) == pytest.approx(miou, abs=0.002)
