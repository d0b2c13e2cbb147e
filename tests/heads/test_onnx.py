"""The onnx head: geometry, and the published AP of YOLOX-nano on COCO128."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from downstream.api import HEADS
from downstream.heads.onnx import Onnx
from downstream.label_spaces import COCO80, NUMBERS
from downstream.ops.letterbox import letterbox, resize_bilinear
from downstream.ops.nms import best_boxes
from downstream.ops.yolo_boxes import decode_yolov8, decode_yolox
from hsc.errors import DataError, HeadError, UnavailableError

SHARED = Path(os.environ.get("HSC_SHARED") or Path(__file__).parents[3] / "shared")
MODEL = SHARED / "models" / "yolox_nano.onnx"
COCO128 = SHARED / "data" / "coco128"
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="the development models are not here")


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("old", "new"), [((48, 64), (31, 41)), ((20, 30), (55, 80)), ((1, 1), (7, 5)), ((33, 57), (33, 57))]
)
def test_resize_samples_like_opencv(old, new):
    cv2 = pytest.importorskip("cv2")
    expected = cv2.resize(noise(*old), new[::-1], interpolation=cv2.INTER_LINEAR)
    difference = np.abs(resize_bilinear(noise(*old), *new).astype(int) - expected)
    assert difference.max() <= 1


def test_smooth_resize_is_pillows():
    expected = np.asarray(Pillow.fromarray(noise(60, 80)).resize((37, 29), Pillow.Resampling.BILINEAR)).astype(int)
    assert np.abs(resize_bilinear(noise(60, 80), 29, 37, smooth=True) - expected).max() <= 1


@pytest.mark.parametrize("centred", [False, True])
def test_letterbox_places_and_finds_back(centred):
    canvas, placement = letterbox(noise(30, 60), 40, 40, centred=centred)
    assert canvas.shape == (40, 40, 3)
    assert placement.top == (10 if centred else 0)
    assert (canvas[30:] == 114).all()
    corners = np.array([[0, placement.top, 40, placement.top + 20]], np.float32)
    np.testing.assert_allclose(placement.back(corners), [[0, 0, 60, 30]], atol=1e-4)


def test_decode_yolox_by_hand():
    """Cell (1, 0) of stride 8 on a 16x16 input, centre in its middle, 8 wide and 16 high."""
    raw = np.zeros((5, 7), np.float32)
    raw[1] = [0.5, 0.5, 0, np.log(2), 0.5, 0.2, 0.8]
    boxes, scores = decode_yolox(raw, 2, (16, 16), (8, 16))
    np.testing.assert_allclose(boxes[1], [8, -4, 16, 12], atol=1e-5)
    np.testing.assert_allclose(scores[1], [0.1, 0.4], atol=1e-6)
    with pytest.raises(DataError, match="check format, strides and classes"):
        decode_yolox(raw, 3, (16, 16), (8, 16))


def test_decode_yolov8_by_hand():
    raw = np.array([[10], [20], [4], [6], [0.3], [0.7]], np.float32)
    boxes, scores = decode_yolov8(raw, 2, (32, 32), ())
    np.testing.assert_allclose(boxes, [[8, 17, 12, 23]])
    np.testing.assert_allclose(scores, [[0.3, 0.7]])


def test_best_boxes_suppresses_within_a_class():
    boxes = np.array(
        [[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [5, 5, 5, 9], [5, 5, 5, 9], [50, 50, 60, 60]], np.float32
    )
    scores = np.array([0.5, 0.9, 0.4, 1, 1, 0.0005], np.float32)
    found = best_boxes(boxes, scores, np.array([0, 0, 1, 0, 0, 0]), score_threshold=0.001, iou=0.5, max_detections=100)
    np.testing.assert_array_equal(found.scores, np.array([0.9, 0.4], np.float32))
    np.testing.assert_array_equal(found.labels, [0, 1])


@pytest.mark.parametrize(("box", "score"), [(np.inf, 0.9), (np.nan, 0.9), (1, np.nan), (1, np.inf)])
def test_best_boxes_refuses_what_is_not_finite(box, score):
    boxes, scores = np.array([[0, 0, 10, 10], [0, 0, 9, box]], np.float32), np.array([0.5, score], np.float32)
    with pytest.raises(HeadError, match=r"1 of the network's .* not finite"):
        best_boxes(boxes, scores, np.array([0, 0]), score_threshold=0.001, iou=0.5, max_detections=100)


def test_a_box_of_no_score_may_be_anything():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 9, np.inf]], np.float32)
    found = best_boxes(
        boxes, np.array([0.5, 0.0], np.float32), np.array([0, 0]), score_threshold=0.001, iou=0.5, max_detections=100
    )
    np.testing.assert_array_equal(found.boxes_xyxy, [[0, 0, 10, 10]])


def test_coco_numbers():
    assert len(NUMBERS) == len(COCO80.classes) == 80
    assert NUMBERS[-1] == 90
    assert dict(zip(COCO80.classes, NUMBERS, strict=True))["stop sign"] == 13


def test_missing_and_damaged_models_say_the_cure(tmp_path):
    missing = HEADS.build(f'onnx(path="{tmp_path}/none.onnx")')
    assert "give the path" in missing.available()
    with pytest.raises(UnavailableError):
        missing.predict([noise(8, 8)])
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    bad = Onnx(path=str(tmp_path / "bad.onnx"))
    assert "get it again" in bad.available()
    with pytest.raises(DataError, match="damaged"):
        bad.predict([noise(8, 8)])


@needs_model
def test_answers_for_any_size_and_travels():
    head = pickle.loads(pickle.dumps(Onnx(path=str(MODEL))))
    assert head.available() is None
    images = [noise(1, 1), noise(33, 57), noise(256, 384)]
    together = head.predict(images)
    assert [len(d.scores) <= 100 and bool(np.isfinite(d.boxes_xyxy).all()) for d in together] == [True] * 3
    assert head.predict([]) == []
    np.testing.assert_array_equal(head.predict(images[2:])[0].boxes_xyxy, together[2].boxes_xyxy)


@pytest.mark.slow
@needs_model
@pytest.mark.parametrize(("quality", "ap", "ap50"), [(None, 0.336, 0.516), (10, 0.240, 0.395)])
def test_yolox_nano_on_coco128(quality, ap, ap50):
    """The figures of the reference implementation, each to .005."""
    from benchmarks.api import Truth
    from benchmarks.metrics.coco_ap import CocoAp

    coco = json.loads((COCO128 / "annotations" / "instances_val2017.json").read_text("utf-8"))
    images = []
    for entry in coco["images"]:
        image = Pillow.open(COCO128 / "val2017" / entry["file_name"]).convert("RGB")
        if quality:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
            image = Pillow.open(buffer).convert("RGB")
        images.append(np.asarray(image))
    truth = Truth(tuple(str(i["id"]) for i in coco["images"]), tuple(c["name"] for c in coco["categories"]), coco)
    value = {s.metric: s.value for s in CocoAp().compute(truth, Onnx(path=str(MODEL)).predict(images)) if not s.part}
    assert value["ap"] == pytest.approx(ap, abs=0.005)
    assert value["ap50"] == pytest.approx(ap50, abs=0.005)
