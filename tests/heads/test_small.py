"""The small head: its networks' geometry, its packaged weights, and a check that these still detect."""

from __future__ import annotations

import numpy as np
import pytest

from downstream.api import HEADS
from downstream.heads.small import Small
from downstream.label_spaces import ROADSCENES
from downstream.networks.detectors import ARCHITECTURES, build
from hsc.errors import DataError, UnavailableError, UsageError
from hsc.networks.network_holder import HOLDER

MOST_PARAMETERS = 1_800_000


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_networks_are_small_and_answer_in_pixels(arch):
    import torch

    torch.manual_seed(0)
    network = build(arch, 5).eval()
    assert sum(p.numel() for p in network.parameters()) < MOST_PARAMETERS
    with torch.inference_mode():
        boxes, scores = network.candidates(network(torch.zeros(2, 3, 64, 96)))
    assert boxes.shape[:2] == scores.shape[:2]
    assert scores.shape[2] == 5
    middles = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
    assert middles.min() > -32
    assert (middles.max(0).values < torch.tensor([96.0 + 32, 64.0 + 32])).all()


def test_the_two_differ():
    first, second = (set(build(arch, 5).state_dict()) for arch in ARCHITECTURES)
    assert first & second <= {"geometry.weight", "geometry.bias"}
    with pytest.raises(UsageError, match="pyramid, hourglass"):
        build("cone", 5)


def test_weights_that_are_not_usable_say_the_cure(tmp_path):
    missing = Small(weights=str(tmp_path / "none.safetensors"))
    assert "downstream.training" in missing.available()
    with pytest.raises(UnavailableError):
        missing.predict([np.zeros((8, 8, 3), np.uint8)])
    (tmp_path / "bad.safetensors").write_bytes(b"nothing at all")
    assert "get it again" in Small(weights=str(tmp_path / "bad.safetensors")).available()
    foreign = Small(arch="hourglass")._path()
    with pytest.raises(DataError, match="expected 'pyramid'"):
        Small(arch="pyramid", weights=str(foreign)).predict([np.zeros((8, 8, 3), np.uint8)])


def test_packaged_weights_of_another_network_are_refused_by_their_description(monkeypatch):
    hourglass = Small(arch="hourglass")._path()
    monkeypatch.setattr("downstream.heads.small.packaged", lambda name: hourglass)
    before = HOLDER.loads
    assert "expected 'pyramid'" in Small().available()
    assert Small(arch="hourglass").available() is None
    assert HOLDER.loads == before


def test_packaged_weights_are_small_and_known():
    for arch in ARCHITECTURES:
        head = HEADS.build(f"small(arch={arch})")
        assert head.available() is None
        assert head.label_space == ROADSCENES
        assert head._path().stat().st_size < 4_000_000
        assert head._path().with_suffix(".md").is_file()
    assert Small().provenance()["weights_sha256"] != Small(arch="hourglass").provenance()["weights_sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_finds_what_is_in_the_scenes(arch):
    from benchmarks.api import DATASETS, Truth
    from benchmarks.metrics.coco_ap import CocoAp

    dataset = DATASETS.build("roadscenes(split=val, images=16)")
    truth = Truth(tuple(dataset.image_ids()), ROADSCENES.classes, dataset.coco())
    found = Small(arch=arch).predict([dataset.load(i).image for i in range(len(dataset))])
    value = {s.metric: s.value for s in CocoAp().compute(truth, found) if not s.part}
    assert value["ap"] > 0.35
    assert value["ap50"] > 0.65
