"""Exports that end in boxes, scores and classes: every usual layout gives the same boxes in the image's own pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_onnx import constant, named

from benchmarks.harness.keys import identity
from downstream.api import HEADS, SegmentationMap
from downstream.heads._onnx_end_to_end import Placed, answers_to, stated_scaling
from downstream.heads._onnx_session import ImageInput, Network, OtherInput
from downstream.heads.onnx import Onnx
from downstream.label_spaces import COCO80
from downstream.ops.onnx_outputs import Output
from hsc.errors import DataError, SpecError

PICTURE = np.zeros((48, 96, 3), np.uint8)
"""Half as high as wide, and not of the model's size."""
SIDE = 64
BOXES = np.array([[12, 6, 48, 24], [60, 30, 90, 42]], np.float32)
"""In pixels of the picture."""
SCORES, LABELS = np.array([0.9, 0.6], np.float32), np.array([0, 2])
STRETCHED = BOXES * np.array([SIDE / 96, SIDE / 48] * 2, np.float32)
LETTERBOXED = BOXES * np.float32(SIDE / 96) + np.array([0, 16, 0, 16], np.float32)
ROWS = 5


def padded(values: np.ndarray, fill: float = 0) -> np.ndarray:
    """Values of two detections, filled up to the number of rows."""
    rest = np.full((ROWS - len(values), *values.shape[1:]), fill, values.dtype)
    return np.concatenate([values, rest])


def columns(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([part.reshape(len(part), -1) for part in parts], 1).astype(np.float32)


def as_queries(boxes: np.ndarray, classes: int, *, softmax: bool) -> tuple[np.ndarray, np.ndarray]:
    """Logits (1, rows, classes or one more) and boxes (1, rows, 4), of the same detections."""
    fractions = boxes / SIDE
    centres = np.concatenate([(fractions[:, :2] + fractions[:, 2:]) / 2, fractions[:, 2:] - fractions[:, :2]], 1)
    logits = np.full((ROWS, classes + softmax), -30, np.float32)
    if softmax:
        logits[:, -1] = 0
        logits[range(2), LABELS] = np.log(SCORES / (1 - SCORES))
    else:
        logits[range(2), LABELS] = np.log(SCORES / (1 - SCORES))
    return logits[None], padded(centres.astype(np.float32))[None]


def exports() -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """The same two detections in each layout, and the input of its models."""
    plain = {"image": (1, 3, SIDE, SIDE)}
    index = np.zeros(2)
    softmax, boxes = as_queries(STRETCHED, 3, softmax=True)
    sigmoid, _ = as_queries(STRETCHED, 3, softmax=False)
    fractions = STRETCHED / SIDE
    filled = padded(SCORES)[None], padded(LABELS)[None]
    sizes = {"orig_target_sizes": ("int64", (1, 2))}
    return {
        "yolo26": ({"output0": padded(columns(LETTERBOXED, SCORES, LABELS))[None]}, plain),
        "yolo26 fractions": ({"output0": padded(columns(LETTERBOXED / SIDE, SCORES, LABELS))[None]}, plain),
        "yolov7": ({"output": columns(index, LETTERBOXED, LABELS, SCORES)}, plain),
        "openvino": ({"detection_out": padded(columns(index, LABELS, SCORES, fractions), -1)[None, None]}, plain),
        "rtdetr": (
            {"labels": filled[1], "boxes": padded(STRETCHED)[None], "scores": filled[0]},
            {**plain, "others": sizes},
        ),
        "rtdetr fractions": ({"labels": filled[1], "boxes": padded(fractions)[None], "scores": filled[0]}, plain),
        "nms plugin": (
            {
                "num_dets": np.array([[2]], np.int32),
                "det_boxes": padded(STRETCHED, 7)[None],
                "det_scores": padded(SCORES, 0.99)[None],
                "det_classes": padded(LABELS, 1)[None].astype(np.int32),
            },
            plain,
        ),
        "mmdet": ({"dets": padded(columns(STRETCHED, SCORES))[None], "labels": filled[1]}, plain),
        "torchvision": ({"boxes": STRETCHED, "labels": LABELS + 1, "scores": SCORES}, plain),
        "torchvision by numbers": ({"3187": STRETCHED, "3185": SCORES, "3190": LABELS + 1}, {"image": (3, SIDE, SIDE)}),
        "tensorflow": (
            {
                "detection_boxes:0": padded(fractions[:, [1, 0, 3, 2]])[None],
                "detection_classes:0": padded(LABELS + 1.0, 1)[None].astype(np.float32),
                "detection_scores:0": filled[0],
                "num_detections:0": np.array([2], np.float32),
            },
            {"image": (1, SIDE, SIDE, 3), "kind": "uint8"},
        ),
        "detr": ({"logits": softmax, "pred_boxes": boxes}, plain),
        "detr with a mask": (
            {"logits": softmax, "pred_boxes": boxes},
            {**plain, "others": {"pixel_mask": ("int64", (1, SIDE, SIDE))}},
        ),
        "rtdetr of transformers": ({"logits": sigmoid, "pred_boxes": boxes}, plain),
        "rfdetr": ({"dets": boxes, "labels": sigmoid}, plain),
        "half": ({"output0": padded(columns(LETTERBOXED, SCORES, LABELS))[None]}, {**plain, "kind": "float16"}),
    }


def head(folder: Path, answers: Mapping[str, np.ndarray], given: Mapping[str, Any], **settings: Any) -> Onnx:
    names = settings.pop("names", "a\nb\nc\n")
    (folder / "names.txt").write_text(names, "utf-8")
    (folder / "model.onnx").write_bytes(named(answers, **given))
    settings = {"classes": str(folder / "names.txt"), "format": "auto", **settings}
    return Onnx(str(folder / "model.onnx"), **settings)


@pytest.mark.parametrize("form", ["auto", "end_to_end"])
@pytest.mark.parametrize("name", list(exports()))
def test_every_layout_gives_the_same_boxes(tmp_path: Path, name: str, form: Any) -> None:
    detector = head(tmp_path, *exports()[name], format=form)
    assert detector.available() is None
    (found,) = detector.predict([PICTURE])
    sure = found.scores > 0.01
    np.testing.assert_allclose(found.boxes_xyxy[sure], BOXES, atol=1e-3)
    np.testing.assert_allclose(found.scores[sure], SCORES, atol=1e-5)
    assert found.labels[sure].tolist() == LABELS.tolist()


def test_open_shapes_and_varying_lists_are_read(tmp_path: Path) -> None:
    answers, _ = exports()["torchvision"]
    shapes = {"boxes": ("n", 4), "labels": ("n",), "scores": ("n",)}
    own = {**answers, "boxes": BOXES}  # a model that resizes by itself gets the picture at its own size
    open_input = {"image": (1, 3, "h", "w"), "shapes": shapes}
    (found,) = head(tmp_path, own, open_input).predict([PICTURE])
    np.testing.assert_allclose(found.boxes_xyxy, BOXES, atol=1e-3)
    answers, _ = exports()["yolo26"]
    detector = head(tmp_path, answers, {"image": ("n", 3, "h", "w"), "shapes": {"output0": ("n", "k", "c")}}, side=SIDE)
    np.testing.assert_allclose(detector.predict([PICTURE])[0].boxes_xyxy, BOXES, atol=1e-3)


@pytest.mark.parametrize("fit", ["stretch", "longest"])
def test_boxes_come_back_from_either_fit(tmp_path: Path, fit: Any) -> None:
    answers, given = exports()["rtdetr fractions"]
    if fit == "longest":
        answers = {**answers, "boxes": padded(BOXES / 96)[None]}
    np.testing.assert_allclose(
        head(tmp_path, answers, given, fit=fit).predict([PICTURE])[0].boxes_xyxy, BOXES, atol=1e-3
    )


def test_nothing_is_suppressed_and_limits_hold(tmp_path: Path) -> None:
    answers, given = exports()["yolo26"]
    rows = answers["output0"].copy()
    rows[0, 1] = rows[0, 0]
    rows[0, 1, 4] = 0.5
    assert len(head(tmp_path, {"output0": rows}, given).predict([PICTURE])[0].scores) == 2
    assert len(head(tmp_path, {"output0": rows}, given, max_detections=1).predict([PICTURE])[0].scores) == 1
    assert len(head(tmp_path, {"output0": rows}, given, score_threshold=0.6).predict([PICTURE])[0].scores) == 1


def test_coco_is_counted_in_its_own_numbers(tmp_path: Path) -> None:
    stop, brush = COCO80.classes.index("stop sign"), 79
    answers, given = exports()["torchvision"]
    numbered = {**answers, "labels": np.array([13, 90])}
    found = head(tmp_path, numbered, given, classes="coco80").predict([PICTURE])[0]
    assert found.labels.tolist() == [stop, brush]
    unused = {**answers, "labels": np.array([12, 90])}
    assert head(tmp_path, unused, given, classes="coco80").predict([PICTURE])[0].labels.tolist() == [brush]
    logits = np.full((1, ROWS, 92), -30, np.float32)
    logits[..., -1] = 0
    logits[0, 0, 13], logits[0, 1, 90] = 3, 2
    _, boxes = as_queries(STRETCHED, 3, softmax=True)
    detr = {"logits": logits, "pred_boxes": boxes}
    found = head(tmp_path, detr, exports()["detr"][1], classes="coco80", score_threshold=0.1).predict([PICTURE])[0]
    assert found.labels.tolist() == [stop, brush]
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-2))], atol=1e-5)


def test_a_background_among_the_names_is_counted(tmp_path: Path) -> None:
    answers, given = exports()["torchvision"]
    found = head(tmp_path, answers, given, names="background\na\nb\nc\n").predict([PICTURE])[0]
    assert found.labels.tolist() == [1, 3]


def test_a_query_counts_for_all_or_for_its_best_class(tmp_path: Path) -> None:
    answers, given = exports()["rtdetr of transformers"]
    logits = answers["logits"].copy()
    logits[0, 0, 1] = 0
    several = {**answers, "logits": logits}
    every = head(tmp_path, several, given, score_threshold=0.1).predict([PICTURE])[0]
    assert every.labels.tolist() == [0, 2, 1]
    best = head(tmp_path, several, given, score_threshold=0.1, multi_label=False).predict([PICTURE])[0]
    assert best.labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("answers", "given", "parts"),
    [
        ({"a": BOXES, "b": SCORES, "c": SCORES}, {}, ["a (2, 4)", "either may be the scores"]),
        (
            {"output": np.zeros((1, 11, 9), np.float32)},
            {},
            ["output (1, 11, 9)", "no known layout", "format=auto reads"],
        ),
        ({"output": columns(np.zeros(2), LABELS, SCORES, BOXES)}, {}, ["scores are"]),
        ({"output0": columns(BOXES, SCORES, LABELS + 0.5)[None]}, {}, ["whole numbers", "0.5"]),
        ({"output0": columns(LABELS, SCORES, BOXES)[None]}, {}, ["scores are", "another order"]),
        ({"output0": columns(BOXES, SCORES, LABELS + 5)[None]}, {}, ["classes 5 to 7", "knows 3"]),
        ({"logits": np.zeros((1, 5, 9), np.float32), "pred_boxes": np.zeros((1, 5, 4), np.float32)}, {}, ["9 classes"]),
        ({"output0": columns(BOXES, SCORES, LABELS)[None]}, {"others": {"scale": ("float32", (1, 2))}}, ["scale"]),
        ({"boxes": BOXES, "labels": LABELS, "scores": SCORES}, {"image": (1, SIDE, SIDE, 3)}, ["channels last"]),
    ],
)
def test_what_is_not_read_is_said_with_what_was_seen(
    tmp_path: Path, answers: dict[str, np.ndarray], given: dict[str, Any], parts: list[str]
) -> None:
    detector = head(tmp_path, answers, {"image": (1, 3, SIDE, SIDE), **given})
    reason = str(detector.available())
    for part in parts:
        assert part in reason
    with pytest.raises(DataError):
        detector.predict([PICTURE])


def test_one_class_rows_that_may_be_yolox_are_refused_and_can_be_named(tmp_path: Path) -> None:
    cells = 8 * 8 + 4 * 4 + 2 * 2
    rows = np.zeros((1, cells, 6), np.float32)
    rows[0, :2] = columns(LETTERBOXED, SCORES, np.zeros(2))
    given = {"image": (1, 3, SIDE, SIDE)}
    assert "yolox and end_to_end" in str(head(tmp_path, {"output0": rows}, given, names="a\n").available())
    found = head(tmp_path, {"output0": rows}, given, names="a\n", format="end_to_end").predict([PICTURE])[0]
    np.testing.assert_allclose(found.boxes_xyxy, BOXES, atol=1e-3)


def test_auto_reads_dense_outputs_and_maps_as_their_formats_do(tmp_path: Path) -> None:
    answer = np.zeros((1, 7, 84), np.float32)
    answer[0, :4] = [[30], [30], [10], [10]]
    answer[0, 4:, 0] = [0.1, 0.8, 0.2]
    auto = head(tmp_path, {"output0": answer}, {"image": (1, 3, SIDE, SIDE)})
    named_format = head(tmp_path, {"output0": answer}, {"image": (1, 3, SIDE, SIDE)}, format="yolov8")
    (one,), (other,) = auto.predict([PICTURE]), named_format.predict([PICTURE])
    assert len(one.scores) == 3
    np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
    assert auto.output is named_format.output
    logits = np.zeros((1, 3, 8, 8), np.float32)
    logits[0, 2] = 1
    maps = head(tmp_path, {"logits": logits}, {"image": (1, 3, SIDE, SIDE)})
    assert maps.output is SegmentationMap
    assert (maps.predict([PICTURE])[0].labels == 2).all()  # type: ignore[union-attr]
    (tmp_path / "model.onnx").write_bytes(constant([answer], SIDE, SIDE, stated=False))
    assert len(auto.predict([PICTURE])[0].scores) == 3


class Recorder:
    """A session that keeps what it is given."""

    def run(self, _names: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.given = given
        return []


@pytest.mark.parametrize(
    ("form", "scaling", "bgr", "expected"),
    [
        (ImageInput(), ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)), False, [0.2, 0.4, 0.6]),
        (ImageInput(), ((51.0, 0.0, 3.0), (1.0, 2.0, 10.0)), True, [102, 51, 4.8]),
        (ImageInput("tensor(uint8)", "nhwc"), ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)), False, [51, 102, 153]),
        (ImageInput("tensor(float16)", "chw"), ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)), False, [0.2, 0.4, 0.6]),
    ],
)
def test_pixels_come_as_the_model_takes_them(form: ImageInput, scaling: Any, bgr: bool, expected: list[float]) -> None:
    session = Recorder()
    others = tuple(OtherInput(n, "tensor(int64)", (0, 0)) for n in ("orig_target_sizes", "target_sizes"))
    mask = OtherInput("pixel_mask", "tensor(int64)", (0, 0, 0))
    network = Network(session, "pixels", (0, 0), 2, (Output("x", ()),), form._replace(others=(*others, mask)))
    canvas = np.full((4, 6, 3), [51, 102, 153], np.uint8)
    answers_to(network, canvas, scaling, bgr)
    pixels = session.given["pixels"]
    shape = {"nchw": (2, 3, 4, 6), "nhwc": (2, 4, 6, 3), "chw": (3, 4, 6)}[form.axes]
    assert pixels.shape == shape
    assert f"tensor({pixels.dtype})".replace("float32", "float") == form.kind
    first = pixels if form.axes == "chw" else pixels[0]
    np.testing.assert_allclose(first[0, 0] if form.axes == "nhwc" else first[:, 0, 0], expected, rtol=1e-3)
    assert session.given["orig_target_sizes"].tolist() == [[6, 4]] * 2
    assert session.given["target_sizes"].tolist() == [[4, 6]] * 2
    assert session.given["pixel_mask"].shape == (2, 4, 6)


def test_the_preprocessor_beside_a_model_states_its_scaling(tmp_path: Path) -> None:
    model = str(tmp_path / "model.onnx")
    assert stated_scaling(model) is None
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({"do_normalize": False, "rescale_factor": 1 / 255}))
    assert stated_scaling(model) == ((0, 0, 0), pytest.approx((255, 255, 255)))
    file.write_text(json.dumps({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 1]}))
    assert stated_scaling(model) == (pytest.approx((127.5,) * 3), pytest.approx((63.75, 127.5, 255)))
    file.write_text("[]")
    with pytest.raises(DataError, match=r"preprocessor_config\.json"):
        stated_scaling(model)


def test_identities_of_the_older_formats_stay_and_auto_holds_its_rules(tmp_path: Path) -> None:
    answers, given = exports()["detr"]
    (tmp_path / "preprocessor_config.json").write_text("{}")
    auto, older = head(tmp_path, answers, given), head(tmp_path, answers, given, format="yolov8")
    assert set(auto.provenance()) - set(older.provenance()) == {"reading", "preprocessor_sha256"}
    assert set(older.provenance()) == {"weights_sha256", "onnxruntime", "classes_sha256"}
    assert list(identity(older)["config"]) == [
        *("path", "format", "classes", "score_threshold", "nms_iou", "max_detections", "multi_label", "resize"),
        *("strides", "side", "boxes", "fit", "mean", "std", "order"),
    ]
    with pytest.raises(SpecError, match="yolox alone"):
        HEADS.build("onnx(path=x, format=auto, boxes=raw)")


def test_boxes_go_back_by_scale_and_shift() -> None:
    placed = Placed(PICTURE, (2.0, 4.0), (1.0, 3.0))
    np.testing.assert_allclose(placed.back(np.array([[1, 3, 5, 11]], np.float32)), [[0, 0, 2, 2]])
