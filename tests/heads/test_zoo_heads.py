"""Detectors of other model zoos with random weights: the path from file to boxes, and the reasons of unavailability."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from downstream.api import HEADS
from downstream.heads.torchvision import Torchvision, _detections
from downstream.heads.ultralytics import Ultralytics
from downstream.label_spaces import COCO80, NUMBERS
from downstream.ops.masks import unpack
from downstream.weights.torchvision_zoo import DEFAULTS, checkpoints
from hsc.errors import DataError, UnavailableError


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


def check_answers(head):
    images = [noise(1, 1), noise(33, 57), noise(64, 96)]
    found = pickle.loads(pickle.dumps(head)).predict(images)
    assert len(found) == 3
    for prediction in found:
        assert len(prediction.scores) <= head.max_detections
        assert np.isfinite(prediction.boxes_xyxy).all()
        assert set(prediction.labels) <= set(range(len(head.label_space.classes)))
    np.testing.assert_array_equal(head.predict(images[2:])[0].boxes_xyxy, found[2].boxes_xyxy)
    assert head.predict([]) == []


@pytest.fixture(scope="module")
def torchvision_weights(tmp_path_factory):
    import torch
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model("fasterrcnn_mobilenet_v3_large_320_fpn", weights=None, weights_backbone=None)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(network.state_dict(), path)
    return path


def test_torchvision_end_to_end(torchvision_weights):
    head = Torchvision(weights=str(torchvision_weights), score_threshold=0.0)
    assert head.available() is None
    assert len(head.provenance()["weights_sha256"]) == 64
    check_answers(head)


def test_torchvision_of_another_model_or_damaged(torchvision_weights, tmp_path):
    other = Torchvision(model="ssdlite320_mobilenet_v3_large", weights=str(torchvision_weights))
    assert "ssdlite320_mobilenet_v3_large" in other.available()
    (tmp_path / "bad.pth").write_bytes(b"nothing")
    with pytest.raises(DataError, match="get it again"):
        Torchvision(weights=str(tmp_path / "bad.pth")).predict([noise(8, 8)])
    assert "it has" in Torchvision(model="yolo").available()


def test_torchvision_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HSC_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "HSC_OFFLINE" in Torchvision().available()


def test_torchvision_numbers_become_coco80():
    import torch

    result = {
        "boxes": torch.tensor([[0.0, 0, 9, 9]] * 3),
        "scores": torch.tensor([0.9, 0.8, 0.7]),
        "labels": torch.tensor([1, 12, 90]),
    }
    np.testing.assert_array_equal(_detections(result).labels, [0, 79])
    assert COCO80.classes[79] == "toothbrush"
    assert NUMBERS[79] == 90


def test_torchvision_masks_follow_their_boxes():
    import torch

    inside = torch.zeros(3, 1, 4, 6)
    inside[0, 0, :2], inside[1], inside[2, 0, :, :3] = 0.51, 0.9, 0.5
    result = {
        "boxes": torch.tensor([[0.0, 0, 9, 9]] * 3),
        "scores": torch.tensor([0.9, 0.8, 0.7]),
        "labels": torch.tensor([1, 12, 90]),
    }
    found = _detections({**result, "masks": inside})
    np.testing.assert_array_equal(unpack(found.masks), [np.arange(4)[:, None].repeat(6, 1) < 2, np.zeros((4, 6), bool)])
    assert _detections(result).masks is None


def check_masks(head):
    assert head.gives_masks
    images = [noise(33, 57), noise(64, 96)]
    for image, prediction in zip(images, head.predict(images), strict=True):
        drawn = unpack(prediction.masks)
        assert drawn.shape == (len(prediction.scores), *image.shape[:2])
        assert len(drawn) > 0
        assert drawn.any()


@pytest.mark.slow
def test_torchvision_mask_rcnn_end_to_end(tmp_path):
    import torch
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model("maskrcnn_resnet50_fpn", weights=None, weights_backbone=None)
    torch.nn.init.normal_(network.roi_heads.mask_predictor.mask_fcn_logits.weight)
    save_file(network.state_dict(), tmp_path / "random.safetensors")
    head = Torchvision(
        model="maskrcnn_resnet50_fpn",
        weights=str(tmp_path / "random.safetensors"),
        score_threshold=0.0,
        max_detections=5,
    )
    check_answers(head)
    check_masks(head)
    assert head.provenance()["masks_above"] == "0.5"


def test_a_detector_gives_no_masks(torchvision_weights):
    head = Torchvision(weights=str(torchvision_weights))
    assert not head.gives_masks
    assert set(head.provenance()) == {"weights_sha256", "torch", "torchvision"}


def test_ultralytics_missing_says_the_cure(tmp_path):
    reason = Ultralytics(weights=str(tmp_path / "none.pt")).available()
    assert ("AGPL-3.0" in reason) if importlib.util.find_spec("ultralytics") is None else ("give weights" in reason)
    with pytest.raises(UnavailableError):
        HEADS.build("ultralytics(weights=none.pt)").predict([noise(8, 8)])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="ultralytics is not installed")
@pytest.mark.filterwarnings("default")  # its own imports warn
@pytest.mark.parametrize("model", ["yolov8n", "yolov8n-seg"])
def test_ultralytics_end_to_end(monkeypatch, tmp_path, model):
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    threads = torch.get_num_threads()
    YOLO(f"{model}.yaml").save(str(tmp_path / "random.pt"))
    head = Ultralytics(weights=str(tmp_path / "random.pt"), side=64, score_threshold=1e-6)
    assert head.available() is None
    assert len(head.label_space.classes) == 80
    assert head.provenance()["licence"] == "AGPL-3.0"
    check_answers(head)
    if model.endswith("-seg"):
        check_masks(head)
    else:
        assert not head.gives_masks
    assert torch.get_num_threads() == threads
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    assert "damaged" in Ultralytics(weights=str(tmp_path / "bad.pt")).available()


def test_default_models_are_where_torchvision_says(tmp_path):
    import torch
    from torchvision.models import get_model_weights

    for model, file in DEFAULTS.items():
        own = get_model_weights(model)["DEFAULT"]
        assert file == (own.url, own.meta["_file_size"]), model
    assert checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ({"TORCH_HOME": "/a/torch", "XDG_CACHE_HOME": "/b"}, "/a/torch/hub/checkpoints"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/torch/hub/checkpoints"),
        ({"HOME": "/c"}, "/c/.cache/torch/hub/checkpoints"),
    ],
)
def test_weights_are_looked_for_where_torch_keeps_them_without_loading_it(settings, folder):
    code = (
        "import sys; from downstream.weights.torchvision_zoo import checkpoints; path = checkpoints(); "
        "assert 'torch' not in sys.modules; print(path)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("TORCH_HOME", "XDG_CACHE_HOME")}
    line = [sys.executable, "-c", code]
    found = subprocess.run(line, check=True, capture_output=True, text=True, env={**environment, **settings})
    assert found.stdout == f"{folder}\n"
