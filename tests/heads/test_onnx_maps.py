"""Segmenters of the onnx head: a model that answers the strongest channel, at fixed and open sizes, in both formats."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from toy_onnx import segmenter

from downstream.api import HEADS, Detections, SegmentationMap
from downstream.heads.onnx import Onnx
from downstream.label_spaces import VOC21, space_named, space_of
from downstream.ops.segmentation_canvas import fitted, labels_from_classes, labels_from_logits, padded
from hsc.errors import DataError, SpecError, UnavailableError

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def stripes(height, width):
    """Red, green and blue thirds, side by side."""
    image = np.zeros((height, width, 3), np.uint8)
    third = np.minimum(np.arange(width) * 3 // width, 2)
    image[:, np.arange(width), third] = 200
    return image, np.broadcast_to(third.astype(np.uint8), (height, width))


@pytest.fixture
def head(tmp_path):
    def build(height, width, *, weights=None, **more):
        (tmp_path / "names.txt").write_text("red\ngreen\nblue\n", "utf-8")
        model = segmenter(
            np.eye(3) if weights is None else weights,
            height,
            width,
            classes=more.get("format") == "classes",
            batch=more.pop("batch", 1),
        )
        (tmp_path / "toy.onnx").write_bytes(model)
        return Onnx(
            **{
                "path": str(tmp_path / "toy.onnx"),
                "format": "logits",
                "classes": str(tmp_path / "names.txt"),
                **PLAIN,
                **more,
            }
        )

    return build


@pytest.mark.parametrize("form", ["logits", "classes"])
@pytest.mark.parametrize(("size", "fit"), [((32, 48), "stretch"), ((32, 48), "longest"), (("h", "w"), "stretch")])
def test_names_the_strongest_channel(head, form, size, fit):
    one = pickle.loads(pickle.dumps(head(*size, format=form, fit=fit)))
    assert one.available() is None
    assert one.output is SegmentationMap
    for height, width in ((24, 36), (50, 75), (64, 96), (32, 48)):
        image, truth = stripes(height, width)
        found = one.predict([image])[0].labels
        assert found.shape == (height, width)
        assert found.dtype == np.uint8
        assert (found == truth).mean() > 0.93
    found = one.predict([np.zeros((1, 1, 3), np.uint8), stripes(33, 57)[0]])
    assert [p.labels.shape for p in found] == [(1, 1), (33, 57)]
    assert one.predict([]) == []


def test_channel_order_and_normalisation(head):
    image, truth = stripes(32, 48)
    assert (head(32, 48, order="bgr").predict([image])[0].labels == 2 - truth).mean() > 0.9
    darkest = head(32, 48, mean=(300.0, 300.0, 300.0), std=(-1.0, -1.0, -1.0)).predict([image])[0].labels
    assert not (darkest == truth).any()
    with pytest.raises(SpecError, match="three numbers"):
        HEADS.build("onnx(path=x, format=logits, std=(1.0, 0.0, 1.0))")


def test_a_fixed_batch_is_filled(head):
    image, truth = stripes(32, 48)
    assert (head(32, 48, batch=2).predict([image] * 3)[2].labels == truth).mean() > 0.95


def test_other_outputs_are_told(head):
    image = stripes(8, 8)[0]
    with pytest.raises(DataError, match="check format and classes"):
        head(8, 8, classes="voc21").predict([image])
    logits = head(8, 8)
    with pytest.raises(DataError, match="format=logits"):
        Onnx(path=logits.path, format="classes", classes=logits.classes).predict([image])
    with pytest.raises(DataError, match="both fixed or both open"):
        head(8, "w").predict([image])
    assert head(8, 8, format="yolox").output is Detections


def test_class_names():
    assert space_of("voc21") is VOC21
    assert space_named(list(VOC21.classes), "mine") is VOC21
    assert space_named(["a", "b"], "mine").name == "mine"
    with pytest.raises(UnavailableError, match="voc21"):
        space_of("nowhere.txt")


@pytest.mark.parametrize("fit", ["stretch", "longest"])
def test_fitting_there_and_back(fit):
    _, truth = stripes(30, 60)
    image = np.repeat(truth[..., None] * 100, 3, 2).astype(np.uint8)
    placed = fitted(image, 40, 40, fit=fit, pad_value=77, smooth=False)
    assert placed.used_hw == ((40, 40) if fit == "stretch" else (20, 40))
    assert (placed.canvas[placed.used_hw[0] :] == 77).all()
    classes = (placed.canvas[..., 0].astype(int) + 50) // 100
    assert (labels_from_classes(classes, placed) == truth).mean() > 0.95
    logits = np.stack([classes == number for number in range(3)]).astype(np.float32)
    assert (labels_from_logits(logits, placed) == truth).mean() > 0.95
    assert (labels_from_classes(classes[::2, ::2], placed) == truth).mean() > 0.9


def test_own_size_is_exact():
    random = np.random.default_rng(0)
    image, labels = random.integers(0, 256, (33, 57, 3), np.uint8), random.integers(0, 9, (64, 64))
    placed = padded(image, 32, pad_value=5)
    assert placed.canvas.shape == (64, 64, 3)
    np.testing.assert_array_equal(labels_from_classes(labels, placed), labels[:33, :57])
    np.testing.assert_array_equal(labels_from_logits(np.eye(9)[:, labels], placed), labels[:33, :57])
    with pytest.raises(DataError, match="0 to 255"):
        labels_from_classes(labels + 300, placed)
    with pytest.raises(DataError, match="not whole"):
        labels_from_classes(labels / 10, placed)
    np.testing.assert_array_equal(labels_from_classes(labels.astype(np.float32), placed), labels[:33, :57])
