"""Weights of other classes or of another network: one sentence with both numbers and the cure, no list of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.models import get_model

from downstream.api import HEADS
from downstream.weights.state_dicts import misfit
from downstream.weights.weights_file import packaged


def assert_one_sentence(reason: str | None, *parts: str) -> None:
    assert reason is not None
    assert "\n" not in reason
    assert len(reason) < 500
    for part in parts:
        assert part in reason


@pytest.mark.parametrize(
    ("model", "numbers"),
    [
        (
            "fasterrcnn_mobilenet_v3_large_320_fpn",
            ("cls_score.bias gives 4 numbers where 91 are expected", "4 tensors"),
        ),
        ("ssdlite320_mobilenet_v3_large", ("numbers where", "are expected")),
    ],
)
def test_a_fine_tuned_detector_of_torchvision(model: str, numbers: tuple[str, ...], tmp_path: Path) -> None:
    torch.save(
        get_model(model, weights=None, weights_backbone=None, num_classes=4).state_dict(), tmp_path / "tuned.pth"
    )
    reason = HEADS.build(f'torchvision(model={model}, weights="{tmp_path}/tuned.pth")').available()
    assert_one_sentence(
        reason, "tuned.pth is not of", "it was trained for other classes", *numbers, "onnx(path=..., classes=...)"
    )


def test_a_fine_tuned_segmenter_of_torchvision_needs_its_class_names(tmp_path: Path) -> None:
    model = "lraspp_mobilenet_v3_large"
    torch.save(
        get_model(model, weights=None, weights_backbone=None, num_classes=5).state_dict(), tmp_path / "tuned.pth"
    )
    wrong = HEADS.build(f'torchvision_segmentation(model={model}, weights="{tmp_path}/tuned.pth")')
    assert_one_sentence(wrong.available(), "gives 5 numbers where 21 are expected", "classes=FILE")
    (tmp_path / "classes.txt").write_text("background\na\nb\nc\nd\n")
    right = HEADS.build(
        f'torchvision_segmentation(model={model}, weights="{tmp_path}/tuned.pth", classes="{tmp_path}/classes.txt")'
    )
    assert right.available() is None


def test_weights_wrapped_in_something_else_are_refused(tmp_path: Path) -> None:
    model = "lraspp_mobilenet_v3_large"
    for name, content in (("list.pth", [1, 2]), ("wrapped.pth", {"model": {"a": torch.zeros(1)}, "epoch": 3})):
        torch.save(content, tmp_path / name)
        reason = HEADS.build(f'torchvision_segmentation(model={model}, weights="{tmp_path}/{name}")').available()
        assert_one_sentence(reason, name)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("small_hourglass", 'small(arch=hourglass, weights="{}")'),
        ("small_adapted_hourglass", 'small_adapted(weights="{}")'),
        ("segmenter_context_camvid", 'segmenter(arch=context, weights="{}")'),
        ("latent_detector_both", 'latent_detector(weights="{}")'),
    ],
)
def test_our_own_networks_of_other_widths(name: str, spec: str, tmp_path: Path) -> None:
    tensors = load_file(packaged(name))
    with safe_open(packaged(name), "pt") as file:
        about = file.metadata()
    wide = max(tensors, key=lambda key: tensors[key].ndim * 10**6 + tensors[key].numel())
    save_file(
        {key: torch.cat([t, t]).contiguous() if key == wide else t for key, t in tensors.items()},
        tmp_path / "wide.safetensors",
        about,
    )
    assert_one_sentence(
        HEADS.build(spec.format(tmp_path / "wide.safetensors")).available(),
        "wide.safetensors is not of",
        "it was trained for other classes",
        wide,
    )
    gone = [key for key in tensors if key.endswith(".weight")][:3]
    save_file({key: tensor for key, tensor in tensors.items() if key not in gone}, tmp_path / "less.safetensors", about)
    assert_one_sentence(
        HEADS.build(spec.format(tmp_path / "less.safetensors")).available(), "it lacks 3 tensors and has 0 others"
    )


def test_what_fits_fits() -> None:
    network: Any = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    state = network.state_dict()
    assert misfit(network, state) == ""
    assert (
        misfit(network, {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")})
        == ""
    )
    assert "0.weight has the shape (4, 5, 1, 1), expected (4, 3, 1, 1)" in misfit(
        network, state | {"0.weight": torch.zeros(4, 5, 1, 1)}
    )
