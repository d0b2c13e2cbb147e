"""Classifiers of files and of torchvision: from a file to a ranking, their input, and why they are unavailable."""

from __future__ import annotations

import importlib.util

import numpy as np
import PIL.Image
import pytest
import torch
import toy_onnx

from downstream.api import HEADS, Classification, from_bytes, ranked, to_bytes
from downstream.heads.classifier import Classifier
from downstream.heads.onnx_classifier import OnnxClassifier
from downstream.heads.tflite_classifier import TfLiteClassifier
from downstream.heads.torchvision_classifier import TorchvisionClassifier
from downstream.ops.centre_crop import centre_crop
from downstream.ops.object_views import MIDDLE_GREY, square_view
from hsc.errors import DataError, UnavailableError

COLOURS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]], np.float32)


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


def plain(level, height=40, width=30):
    return np.broadcast_to(np.array(level, np.uint8), (height, width, 3)).copy()


def names(tmp_path, *classes):
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(classes), "utf-8")
    return str(path)


def test_a_ranking_goes_through_bytes_and_ties_go_to_the_first():
    ranking = ranked(np.array([[0.5, 0.5, 0.9], [1.0, 2.0, 3.0]]))
    assert ranking.ranking.tolist() == [[2, 0, 1], [2, 1, 0]]
    back = from_bytes(to_bytes(ranking))
    assert isinstance(back, Classification)
    assert (back.ranking.dtype, back.ranking.tolist()) == (np.uint16, ranking.ranking.tolist())
    with pytest.raises(ValueError, match="shape"):
        Classification(np.zeros(3, np.uint16))


# their input


def test_the_middle_is_what_torchvisions_preset_takes():
    from torchvision.transforms._presets import ImageClassification

    preset = ImageClassification(crop_size=24, resize_size=28, mean=(0, 0, 0), std=(1, 1, 1))
    for image in (noise(61, 97), noise(97, 61), noise(28, 28), noise(1, 3)):
        expected = preset(PIL.Image.fromarray(image))
        ours = torch.from_numpy(centre_crop(image, 28, 24).copy()).permute(2, 0, 1) / 255
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_a_square_view_keeps_the_aspect_ratio():
    view = square_view(plain((10, 20, 30), 8, 32), 64)
    assert view.shape == (3, 64, 64)
    assert view[:, 24:40].mean((1, 2)).tolist() == pytest.approx([10, 20, 30])
    assert (view[:, :24] == MIDDLE_GREY).all()
    assert (view[:, 40:] == MIDDLE_GREY).all()
    assert square_view(noise(1, 500), 64).shape == (3, 64, 64)
    image = noise(64, 64)
    assert torch.equal(square_view(image, 64), torch.from_numpy(image).permute(2, 0, 1).float())


# our own


@pytest.mark.parametrize("arch", ["residual", "separable"])
def test_our_classifiers_do_not_depend_on_the_batch(arch):
    head = Classifier(arch)
    assert head.available() is None
    images = [noise(20 + n, 90 - n) for n in range(70)]
    together = head.predict(images)
    assert [p.ranking.tolist() for p in together[::9]] == [head.predict([i])[0].ranking.tolist() for i in images[::9]]


def test_our_classifiers_refuse_weights_of_another_network():
    other = "downstream/weights/small_pyramid.safetensors"
    with pytest.raises(DataError, match="classification"):
        Classifier(weights=other).predict([noise(9, 9)])
    with pytest.raises(UnavailableError, match="--task classification"):
        Classifier(weights="nowhere.safetensors").predict([noise(9, 9)])


# onnx


@pytest.mark.parametrize(("side", "batch"), [(16, 1), ("side", 1), (16, "n"), (16, 3)])
def test_onnx_ranks_classes(tmp_path, side, batch):
    path = tmp_path / "colours.onnx"
    path.write_bytes(toy_onnx.classifier(COLOURS, side, batch))
    classes = names(tmp_path, "red", "green", "blue", "dark")
    head = HEADS.build(f"onnx_classifier(path={str(path)!r}, classes={classes!r}, crop=16)")
    assert head.available() is None
    found = head.predict([plain((250, 90, 20)), plain((0, 5, 0)), plain((90, 100, 240))])
    assert [p.ranking[0].tolist() for p in found] == [[0, 3, 1, 2], [3, 2, 1, 0], [2, 1, 0, 3]]
    assert found[0].ranking.dtype == np.uint16
    bgr = HEADS.build(f"onnx_classifier(path={str(path)!r}, classes={classes!r}, crop=16, order=bgr)")
    assert bgr.predict([plain((250, 90, 20))])[0].ranking[0, 0] == 2
    assert {"weights_sha256", "classes_sha256"} <= set(head.provenance())


def test_onnx_of_another_number_of_classes_is_refused(tmp_path):
    path = tmp_path / "colours.onnx"
    path.write_bytes(toy_onnx.classifier(COLOURS, 16))
    with pytest.raises(DataError, match="1000"):
        OnnxClassifier(str(path)).predict([noise(9, 9)])
    assert "16" in (OnnxClassifier(str(path), crop=24).available() or "")
    assert "missing" in (OnnxClassifier(str(tmp_path / "none.onnx")).available() or "")
    with pytest.raises(ValueError, match="resize"):
        OnnxClassifier(str(path), resize=10, crop=20)


# tflite


def test_tflite_says_what_it_lacks(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"no model")
    head = TfLiteClassifier(str(tmp_path / "model.tflite"))
    if importlib.util.find_spec("ai_edge_litert") is None:
        assert "hsc-bench[tflite]" in (head.available() or "")
    else:
        assert "model.tflite" in (head.available() or "")
    assert head.label_space.classes[:2] == ("background", "tench")
    with pytest.raises(ValueError, match="std"):
        TfLiteClassifier("m.tflite", std=0)


# torchvision


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model("squeezenet1_1", weights=None, num_classes=4).eval()
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(network.state_dict(), path)
    return network, str(path)


def test_torchvision_computes_what_its_own_preset_and_network_do(squeezenet, tmp_path):
    from torchvision.models import SqueezeNet1_1_Weights

    network, path = squeezenet
    head = TorchvisionClassifier("squeezenet1_1", weights=path, classes=names(tmp_path, *"abcd"))
    assert head.available() is None
    preset = SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()
    for image in (noise(50, 80), noise(7, 5)):
        with torch.inference_mode():
            expected = network(preset(PIL.Image.fromarray(image))[None])[0].argsort(descending=True, stable=True)
        assert head.predict([image])[0].ranking[0].tolist() == expected.tolist()
    assert "resize_size=[256]" in head.provenance()["transforms"]
    smaller = TorchvisionClassifier("squeezenet1_1", weights=path, classes=head.classes, resize=72, crop=64)
    assert "crop_size=[64]" in smaller.provenance()["transforms"]


def test_torchvision_says_why_it_cannot(squeezenet, tmp_path, monkeypatch):
    _, path = squeezenet
    monkeypatch.setenv("HSC_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    try:
        assert "HSC_OFFLINE" in (TorchvisionClassifier().available() or "")
        assert "11ad3fa6" in TorchvisionClassifier().unfetched()
        assert "0676ba61" in TorchvisionClassifier(version="IMAGENET1K_V1").unfetched()
        assert "IMAGENET1K_V2" in (TorchvisionClassifier(version="V9").available() or "")
        assert "no classifier" in (TorchvisionClassifier("resnet5").available() or "")
        assert "classes" in (TorchvisionClassifier("squeezenet1_1", weights=path).available() or "")
    finally:
        torch.hub.set_dir(before)
    with pytest.raises(ValueError, match="classes"):
        TorchvisionClassifier(classes="coco80")
