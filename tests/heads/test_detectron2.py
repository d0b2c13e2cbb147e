"""Detectron2's weights in our network: names, order of classes and colours, anchors, masks, and files that run code."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from downstream.api import HEADS
from downstream.networks.rcnn.__main__ import main
from downstream.networks.rcnn.array_pickle import read_array_pickle
from downstream.networks.rcnn.convert import read_tensors
from downstream.networks.rcnn.detectron2_keys import layout_of_tensors, own_name, to_own
from downstream.networks.rcnn.layout import Layout, layout_of
from downstream.networks.rcnn.modules import Anchors, Pooler
from downstream.networks.rcnn.network import Rcnn, paste
from hsc.errors import DataError
from hsc.files.tensor_files import outline

R50 = Layout(50, 1, 64, True, (123.675, 116.28, 103.53), (1.0, 1.0, 1.0), 80, False)
THEIRS = {
    "backbone.body.bn1.weight": "backbone.bottom_up.stem.conv1.norm.weight",
    "backbone.body.conv1.weight": "backbone.bottom_up.stem.conv1.weight",
    "backbone.body.layer1.0.downsample.0.weight": "backbone.bottom_up.res2.0.shortcut.weight",
    "backbone.body.layer3.5.bn2.running_var": "backbone.bottom_up.res4.5.conv2.norm.running_var",
    "backbone.fpn.inner_blocks.3.0.bias": "backbone.fpn_lateral5.bias",
    "backbone.fpn.layer_blocks.0.0.weight": "backbone.fpn_output2.weight",
    "rpn.head.conv.0.0.weight": "proposal_generator.rpn_head.conv.weight",
    "rpn.head.bbox_pred.bias": "proposal_generator.rpn_head.anchor_deltas.bias",
    "roi_heads.box_head.fc7.weight": "roi_heads.box_head.fc2.weight",
    "roi_heads.mask_head.3.0.weight": "roi_heads.mask_head.mask_fcn4.weight",
    "roi_heads.mask_predictor.conv5_mask.bias": "roi_heads.mask_head.deconv.bias",
}


class Calls:
    """Something that a pickle would call."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize(("own", "theirs"), THEIRS.items())
def test_names_lead_to_modules_of_our_network(own: str, theirs: str) -> None:
    assert own_name(theirs) == own
    shapes = outline(lambda: Rcnn(Layout(50, 1, 64, True, R50.mean, R50.std, 80, True)), "x")
    assert own in shapes


def test_constants_need_no_place_and_other_names_are_refused() -> None:
    assert own_name("pixel_mean") is None
    assert own_name("proposal_generator.anchor_generator.cell_anchors.0") is None
    with pytest.raises(KeyError):
        own_name("head.cls_subnet.0.weight")


def tensors(groups: int = 1) -> dict[str, torch.Tensor]:
    """A few tensors of a network of 80 classes, enough to tell its layout."""
    return {
        "backbone.bottom_up.stem.conv1.weight": torch.arange(3.0)[None, :, None, None],
        "backbone.bottom_up.res2.0.conv2.weight": torch.zeros(
            64 if groups == 1 else 256, 64 if groups == 1 else 8, 3, 3
        ),
        f"backbone.bottom_up.res4.{5 if groups == 1 else 22}.conv1.weight": torch.zeros(1, 1, 1, 1),
        "roi_heads.box_predictor.cls_score.weight": torch.arange(81.0)[:, None],
        "roi_heads.box_predictor.cls_score.bias": torch.arange(81.0),
        "roi_heads.box_predictor.bbox_pred.weight": torch.ones(320, 1),
        "roi_heads.box_predictor.bbox_pred.bias": torch.ones(320),
    }


def test_the_background_comes_first_and_red_is_read_first() -> None:
    own = to_own(tensors(), "x")
    assert own["roi_heads.box_predictor.cls_score.bias"][:3].tolist() == [80, 0, 1]
    assert own["roi_heads.box_predictor.bbox_pred.bias"][:8].tolist() == [0] * 4 + [1] * 4
    assert own["backbone.body.conv1.weight"].flatten().tolist() == [2, 1, 0]


def test_the_layout_is_read_from_shapes() -> None:
    assert layout_of_tensors(tensors(), "x") == R50
    wide = layout_of_tensors(tensors(groups=32), "x")
    assert (wide.depth, wide.groups, wide.width, wide.stride_in_1x1) == (101, 32, 8, False)
    assert wide.std == (58.395, 57.12, 57.375)
    with pytest.raises(DataError, match=r"no Faster or Mask R-CNN"):
        layout_of_tensors({"head.weight": torch.zeros(1)}, "x")
    assert layout_of({"rcnn": json.loads(json.dumps(R50.plain()))}, "x") == R50
    for broken in ({}, {"rcnn": {**R50.plain(), "depth": 34}}, {"rcnn": {**R50.plain(), "classes": 10**9}}):
        with pytest.raises(DataError, match=r"python -m downstream.networks.rcnn"):
            layout_of(broken, "x")


def test_a_first_resnet_halves_in_the_first_convolution_of_a_stage() -> None:
    with torch.device("meta"):
        stage = Rcnn(R50).backbone.body["layer2"][0]
    assert (stage.conv1.stride, stage.conv2.stride) == ((2, 2), (1, 1))


def test_anchors_have_exact_areas_and_fixed_strides() -> None:
    features = [torch.zeros(1, 1, *hw) for hw in ((2, 3), (1, 2), (1, 1), (1, 1), (1, 1))]
    images = type("Images", (), {"image_sizes": [(8, 12)]})()
    (anchors,) = Anchors()(images, features)
    assert len(anchors) == 3 * (6 + 2 + 1 + 1 + 1)
    width, height = (anchors[:, 2:] - anchors[:, :2]).T
    torch.testing.assert_close((width * height)[:3], torch.full((3,), 32.0**2))
    torch.testing.assert_close((height / width)[:3], torch.tensor([0.5, 1.0, 2.0]))
    centres = ((anchors[:, :2] + anchors[:, 2:]) / 2)[:18:3]
    assert centres.tolist() == [[0, 0], [4, 0], [8, 0], [0, 4], [4, 4], [8, 4]]


def test_regions_are_pooled_from_the_level_of_their_size_and_aligned() -> None:
    """On a ramp, the mean of a region is the ramp at its centre, half a pixel before that of the corners."""
    levels = {str(n): torch.arange(64.0).expand(1, 1, 64, 64) + 1000 * n for n in range(4)} | {"pool": torch.zeros(1)}
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [0.0, 0.0, 224.0, 224.0]])
    pooled = Pooler(7)(levels, [boxes], [(256, 256)])
    assert pooled.shape == (2, 1, 7, 7)
    assert float(pooled[0].mean()) == pytest.approx(24 / 4 - 0.5, abs=1e-3)  # stride 4
    assert float(pooled[1].mean()) == pytest.approx(2000 + 112 / 16 - 0.5, abs=1e-3)  # stride 16


def test_a_mask_covers_its_box_and_is_cut_at_the_picture() -> None:
    masks = torch.ones(2, 28, 28)
    masks[1, :, 14:] = 0  # the left half alone
    boxes = torch.tensor([[-4.0, 2.0, 6.0, 8.0], [2.0, 0.0, 10.0, 4.0]])
    planes = paste(masks, boxes, (10, 12))
    expected = np.zeros((2, 10, 12), bool)
    expected[0, 2:8, 0:6] = True
    expected[1, 0:4, 2:6] = True
    np.testing.assert_array_equal(planes.numpy(), expected)


def test_a_pickle_of_arrays_is_read_and_one_that_runs_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = tmp_path / "model_final.pkl"
    arrays.write_bytes(pickle.dumps({"model": {"a": np.arange(3.0), "b": np.float32(1)}, "__author__": "x"}))
    assert read_tensors(arrays)["a"].tolist() == [0, 1, 2]
    evil = tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps({"model": {"a": np.zeros(1)}, "x": Calls()}))
    with pytest.raises(DataError, match=r"builtins\.print.*Nothing was run"):
        read_array_pickle(evil)
    assert main([str(evil), str(tmp_path / "out.safetensors")]) == 1
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "out.safetensors").exists()
    assert read_array_pickle(evil, allow_pickle=True)["model"]["a"].tolist() == [0]
    for damaged in (b"", b"\x80", b"text"):
        (tmp_path / "damaged.pkl").write_bytes(damaged)
        with pytest.raises(DataError):
            read_tensors(tmp_path / "damaged.pkl")


def test_names_of_files_are_checked_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pkl").write_bytes(b"x")
    (tmp_path / "b.safetensors").write_bytes(b"x")
    for source, target in (("no.pkl", "c.safetensors"), ("a.pkl", "c.pth"), ("a.pkl", "b.safetensors")):
        assert main([str(tmp_path / source), str(tmp_path / target)]) == 2
        assert capsys.readouterr().err.startswith("error: ")
    assert main([str(tmp_path / "b.safetensors"), str(tmp_path / "b.safetensors"), "--overwrite"]) == 2
    assert (tmp_path / "b.safetensors").read_bytes() == b"x"


def test_the_head_says_what_is_missing_or_wrong(tmp_path: Path) -> None:
    missing = HEADS.build(f'detectron2(weights="{tmp_path / "no.safetensors"}")').available()
    assert "convert a file of Detectron2's zoo once: python -m downstream.networks.rcnn" in missing
    path = tmp_path / "few.safetensors"
    few = Layout(50, 1, 64, True, R50.mean, R50.std, 3, False)
    save_file({"a": torch.zeros(1)}, path, {"about": json.dumps({"rcnn": few.plain()})})
    assert "knows 3 classes" in HEADS.build(f'detectron2(weights="{path}")').available()
    save_file({"a": torch.zeros(1)}, path, {"about": json.dumps({"rcnn": R50.plain()})})
    assert "lacks" in HEADS.build(f'detectron2(weights="{path}")').available()


def test_weights_of_the_home_folder_have_a_provenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    provenance = HEADS.build('detectron2(weights="~/weights.safetensors")').provenance()
    assert provenance["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.slow
def test_random_weights_go_from_a_pickle_to_boxes_in_the_picture(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Rcnn(Layout(50, 1, 64, True, R50.mean, R50.std, 80, True))
    own = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    path = tmp_path / "random.safetensors"
    save_file(own, path, {"about": json.dumps({"rcnn": network.layout.plain()})})
    head = HEADS.build(f'detectron2(weights="{path}", short=64, most=96, max_detections=5)')
    assert head.available() is None
    assert head.gives_masks
    picture = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    (found,) = head.predict([picture])
    assert 1 <= len(found.scores) <= 5
    assert len(found.masks.counts) == len(found.scores)
    assert found.boxes_xyxy.min() >= 0
    assert (found.boxes_xyxy.max(axis=0) <= np.array([50, 40, 50, 40]) + 1e-3).all()
    assert math.isclose(float(found.scores.max()), found.scores[0], rel_tol=1e-6)
    assert ((found.labels >= 0) & (found.labels < 80)).all()
