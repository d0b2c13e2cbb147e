"""The huggingface head: tiny random models saved to a folder, read as transformers itself reads them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from downstream.api import HEADS, Detections, SegmentationMap
from downstream.heads.huggingface import HuggingFace
from downstream.label_spaces import COCO80, NUMBERS
from hsc.errors import DataError, UnavailableError

NAMES = {0: "cat", 1: "dog", 2: "cow"}
PICTURE = np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)
PICTURE.flags.writeable = False  # as the harness lends images


@pytest.fixture
def transformers() -> Any:
    return pytest.importorskip("transformers")


def yolos(transformers: Any, folder: Path, names: dict[int, str] | None = None) -> Any:
    import torch

    torch.manual_seed(1)
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 64],
        num_detection_tokens=5,
        id2label=names or NAMES,
    )
    network = transformers.YolosForObjectDetection(config).eval()
    network.save_pretrained(folder)
    transformers.YolosImageProcessor(size={"height": 32, "width": 64}).save_pretrained(folder)
    return network


def segformer(transformers: Any, folder: Path) -> Any:
    import torch

    torch.manual_seed(2)
    config = transformers.SegformerConfig(
        hidden_sizes=[4, 4, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        id2label=NAMES,
    )
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    network.save_pretrained(folder)
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return network


def test_boxes_are_those_of_transformers_in_the_images_pixels(transformers: Any, tmp_path: Path) -> None:
    import torch

    network = yolos(transformers, tmp_path)
    head = pickle.loads(pickle.dumps(HuggingFace(str(tmp_path))))
    assert head.available() is None
    assert head.output is Detections
    assert head.label_space.classes == tuple(NAMES.values())
    (found,) = head.predict([PICTURE])
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    with torch.inference_mode():
        answer = network(**processor(images=PICTURE.copy(), return_tensors="pt"))
    scores, labels = answer.logits[0].softmax(-1)[:, :-1].max(-1)
    x, y, w, h = (answer.pred_boxes[0] * torch.tensor([80, 48, 80, 48])).unbind(-1)
    expected = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
    order = scores.argsort(descending=True, stable=True)
    np.testing.assert_allclose(found.scores, scores[order].numpy(), rtol=1e-4)
    np.testing.assert_allclose(found.boxes_xyxy, expected[order].numpy(), atol=1e-2)
    np.testing.assert_array_equal(found.labels, labels[order].numpy())
    assert len(HuggingFace(str(tmp_path), max_detections=2).predict([PICTURE])[0].scores) == 2
    assert HuggingFace(str(tmp_path), score_threshold=1.0).predict([PICTURE])[0].scores.tolist() == []


def test_maps_are_those_of_transformers_at_the_images_size(transformers: Any, tmp_path: Path) -> None:
    import torch

    network = segformer(transformers, tmp_path)
    head = HuggingFace(str(tmp_path))
    assert head.available() is None
    assert head.output is SegmentationMap
    (found,) = head.predict([PICTURE])
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    with torch.inference_mode():
        logits = network(**processor(images=PICTURE.copy(), return_tensors="pt")).logits
    expected = torch.nn.functional.interpolate(logits, (48, 80), mode="bilinear", align_corners=False)[0].argmax(0)
    assert found.labels.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, expected.numpy())


def test_provenance_follows_the_files(transformers: Any, tmp_path: Path) -> None:
    segformer(transformers, tmp_path)
    head = HuggingFace(str(tmp_path))
    before = head.provenance()
    assert {"weights_sha256", "transformers", "torch"} <= set(before)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text("utf-8"))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, "do_normalize": False}), "utf-8")
    assert head.provenance()["weights_sha256"] != before["weights_sha256"]


def test_cocos_numbers_and_classes_of_ones_own(transformers: Any, tmp_path: Path) -> None:
    numbered = dict(zip(NUMBERS, COCO80.classes, strict=True))
    yolos(transformers, tmp_path, {n: numbered.get(n, "N/A") for n in range(91)})
    head = HuggingFace(str(tmp_path))
    assert head.label_space == COCO80
    labels = head.predict([PICTURE])[0].labels
    assert labels.min() >= 0
    assert labels.max() < 80
    again = HuggingFace(str(tmp_path), classes="coco80").predict([PICTURE])[0]
    np.testing.assert_array_equal(again.labels, labels)
    wrong = HuggingFace(str(tmp_path), classes="voc21")
    assert "answers in 91 classes" in str(wrong.available())


def test_missing_and_unfit_models_say_the_cure(transformers: Any, tmp_path: Path) -> None:
    head = HEADS.build(f'huggingface(path="{tmp_path}/none")')
    assert "download=true" in str(head.available())
    with pytest.raises(UnavailableError):
        head.predict([PICTURE])
    segformer(transformers, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}), "utf-8")
    assert "BertModel" in str(HuggingFace(str(tmp_path)).available())
    unnamed = {**config, "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}
    (tmp_path / "config.json").write_text(json.dumps(unnamed), "utf-8")
    assert "id2label" in str(HuggingFace(str(tmp_path)).available())
    (tmp_path / "names.txt").write_text("a\nb\nc\n", "utf-8")
    assert HuggingFace(str(tmp_path), classes=str(tmp_path / "names.txt")).available() is None
    wrong = HuggingFace(str(tmp_path), classes=str(tmp_path / "names.txt"), task="detection")
    assert "is for segmentation, task came as detection" in str(wrong.available())
    (tmp_path / "config.json").write_text("[]", "utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        HuggingFace(str(tmp_path)).label_space  # noqa: B018


def test_weights_that_are_not_there_are_refused(transformers: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    segformer(transformers, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    name = next(key for key in state if key.startswith("decode_head.classifier"))
    save_file(
        {key: value for key, value in state.items() if key != name}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    assert "lacks 1 of its network's weights" in str(HuggingFace(str(tmp_path)).available())


def test_the_task_can_be_read_or_named_without_the_package(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["UperNetForSemanticSegmentation"]}', "utf-8")
    assert HuggingFace(str(tmp_path)).output is SegmentationMap
    assert HuggingFace("nobody/nothing", task="segmentation").output is SegmentationMap
    assert HuggingFace("nobody/nothing").output is Detections


def test_without_the_package_the_extra_is_named() -> None:
    import importlib.util

    if importlib.util.find_spec("transformers"):
        pytest.skip("transformers is installed")
    assert "hsc-bench[huggingface]" in str(HuggingFace("x").available())
    assert HuggingFace("x").output is Detections
