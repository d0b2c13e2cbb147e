"""Detected encodings of ONNX exports: boxes raw, decoded or normalised, scores before or after the sigmoid; and layouts
that are not supported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_onnx import constant

from downstream.api import HEADS
from downstream.heads.onnx import Onnx
from downstream.ops.onnx_outputs import Encoding, Output, cells_of, encoding_of, sigmoid, why_unreadable
from downstream.ops.yolo_boxes import decode_yolox
from hsc.errors import DataError, SpecError

SIDE, STRIDES, CLASSES = 64, (8, 16, 32), 3
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2
PICTURE = np.zeros((SIDE, SIDE, 3), np.uint8)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Cells' left top corners in pixels and their strides, (anchors, 2) and (anchors, 1)."""
    corners, steps = [], []
    for stride in STRIDES:
        for y in range(SIDE // stride):
            for x in range(SIDE // stride):
                corners.append((x * stride, y * stride))
                steps.append((stride,))
    return np.array(corners, np.float64), np.array(steps, np.float64)


def detector() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres, sizes in pixels and (objectness, classes) logits of a detector that is sure of two boxes and of nothing
    else.
    """
    rng = np.random.default_rng(5)
    corners, steps = grid()
    centres = corners + steps * rng.uniform(-0.2, 1.2, (ANCHORS, 2))
    sizes = steps * np.exp(rng.normal(0, 0.7, (ANCHORS, 2)))
    scores = rng.normal(-7, 1, (ANCHORS, 1 + CLASSES))
    for at, label in ((20, 0), (70, 2)):
        scores[at, [0, 1 + label]] = 4
    return centres, sizes, scores


def exports() -> dict[str, np.ndarray]:
    """The same detector as different exporters write it, (1, anchors, 5 + classes)."""
    centres, sizes, scores = detector()
    corners, steps = grid()
    probable = 1 / (1 + np.exp(-scores))
    raw = np.concatenate([(centres - corners) / steps, np.log(sizes / steps)], 1)
    boxes = np.concatenate([centres, sizes], 1)
    made = {"raw": raw, "decoded": boxes, "normalised": boxes / SIDE}
    found = {name: np.concatenate([numbers, probable], 1) for name, numbers in made.items()}
    found |= {f"{name} logits": np.concatenate([numbers, scores], 1) for name, numbers in made.items()}
    return {name: one.astype(np.float32)[None] for name, one in found.items()}


def head(
    folder: Path, answers: list[np.ndarray], *, stated: bool = True, classes: int = CLASSES, **settings: Any
) -> Onnx:
    names = folder / f"{classes}.txt"
    names.write_text("".join(f"class {n}\n" for n in range(classes)), "utf-8")
    (folder / "model.onnx").write_bytes(constant(answers, SIDE, SIDE, stated=stated))
    return Onnx(str(folder / "model.onnx"), classes=str(names), **settings)


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("name", list(exports()))
def test_every_export_of_one_yolox_gives_the_same_boxes(tmp_path: Path, name: str, stated: bool) -> None:
    one = head(tmp_path, [exports()[name]], stated=stated)
    assert one.available() is None
    (found,) = one.predict([PICTURE])
    centres, sizes, _ = detector()
    expected = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)[[20, 70]]
    best = np.argsort(-found.scores, kind="stable")[:2]
    sure = (1 / (1 + np.exp(-4.0))) ** 2
    np.testing.assert_allclose(found.scores[best], [sure, sure], rtol=1e-3)
    order = np.argsort(found.labels[best])
    assert found.labels[best][order].tolist() == [0, 2]
    np.testing.assert_allclose(found.boxes_xyxy[best][order], expected, atol=1e-2)


@pytest.mark.parametrize("name", ["decoded", "normalised", "decoded logits", "normalised logits"])
def test_every_export_of_one_yolov8_gives_the_same_boxes(tmp_path: Path, name: str) -> None:
    answer = np.delete(exports()[name], 4, 2).transpose(0, 2, 1)  # no objectness; (1, 4 + classes, anchors)
    (found,) = head(tmp_path, [answer], format="yolov8").predict([PICTURE])
    centres, sizes, _ = detector()
    best = np.argsort(-found.scores, kind="stable")[:2]
    order = np.argsort(found.labels[best])
    np.testing.assert_allclose(found.scores[best], [1 / (1 + np.exp(-4.0))] * 2, rtol=1e-3)
    np.testing.assert_allclose(
        found.boxes_xyxy[best][order],
        np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)[[20, 70]],
        atol=1e-2,
    )


def test_what_the_user_says_of_boxes_is_believed(tmp_path: Path) -> None:
    twice = head(tmp_path, [exports()["decoded"]], boxes="raw").predict([PICTURE])[0]
    once = head(tmp_path, [exports()["decoded"]], boxes="decoded").predict([PICTURE])[0]
    assert once.boxes_xyxy.max() < 300
    assert len(twice.scores) == 0 or twice.boxes_xyxy.max() > 300
    with pytest.raises(SpecError, match="yolox alone"):
        HEADS.build("onnx(path=x, format=yolov8, boxes=raw)")


def test_a_setting_of_boxes_does_not_change_what_is_detected(tmp_path: Path) -> None:
    """Heads of one model share what was detected, each with its own setting."""
    forced = head(tmp_path, [exports()["decoded"]], boxes="raw")
    forced.predict([PICTURE])
    detected = head(tmp_path, [exports()["decoded"]]).predict([PICTURE])[0]
    given = head(tmp_path, [exports()["decoded"]], boxes="decoded").predict([PICTURE])[0]
    assert len(detected.scores)
    np.testing.assert_array_equal(detected.boxes_xyxy, given.boxes_xyxy)


def test_numbers_that_are_neither_are_refused() -> None:
    far = np.full((ANCHORS, 5 + CLASSES), 500.0, np.float32)
    with pytest.raises(DataError, match=r"cells from their own cells .* read as raw"):
        encoding_of(far, "yolox", (SIDE, SIDE), STRIDES)
    with pytest.raises(DataError, match="not finite"):
        encoding_of(np.full_like(far, np.nan), "yolox", (SIDE, SIDE), STRIDES)
    centres, sizes, scores = detector()
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2, scores[:, 1:]], 1).T.astype(np.float32)
    with pytest.raises(DataError, match="two corners"):
        encoding_of(corners, "yolov8", (SIDE, SIDE), STRIDES)
    assert encoding_of(exports()["raw logits"][0], "yolox", (SIDE, SIDE), STRIDES) == Encoding("raw", logits=True)
    np.testing.assert_allclose(sigmoid(np.array([-1000.0, 0.0, 1000.0], np.float32)), [0, 0.5, 1])


def test_scores_that_become_logits_on_a_picture_are_refused(tmp_path: Path) -> None:
    one = head(tmp_path, [exports()["raw"]])
    numbers = exports()["raw"][0].copy()
    numbers[3, 5] = 7.0
    with pytest.raises(DataError, match=r"scores are .* to 7, expected 0 to 1"):
        decode_yolox(numbers, CLASSES, (SIDE, SIDE), STRIDES)
    assert one.available() is None


SUPPRESSED = [
    [(1, 300, 6)],
    [(100, 7)],
    [(None, 7)],
    [(1, None, 6)],
    [(1, 1, 50, 7)],
    [(1, 1), (1, 100, 4), (1, 100), (1, 100)],
    [(20, 4), (20,), (20,)],
    [(20, 4), (20,), (20,), (20, 1, 64, 64)],
    [(1, 100, 5), (1, 100)],
]


@pytest.mark.parametrize("shapes", SUPPRESSED)
@pytest.mark.parametrize("form", ["yolox", "yolov8"])
def test_suppression_inside_is_named(shapes: list[tuple[int | None, ...]], form: Any) -> None:
    outputs = [Output(f"out{n}", shape) for n, shape in enumerate(shapes)]
    reason = why_unreadable(outputs, form, 80, (640, 640), STRIDES)
    assert reason is not None
    assert "suppresses boxes by itself" in reason
    assert "out0" in reason


@pytest.mark.parametrize(
    ("shape", "form", "classes", "said"),
    [
        ((1, 25200, 85), "yolox", 80, "YOLOv5"),
        ((1, 8400, 85), "yolox", 79, "check format, strides and classes"),
        ((1, 8400, 84), "yolov8", 80, "axes are swapped"),
        ((1, 116, 8400), "yolov8", 80, "check format and classes"),
        ((1, 512, 512, 21), "logits", 21, "with the classes before height and width"),
        ((1, 19, 128, 128), "logits", 21, "check format and classes"),
        ((1, 512, 512), "logits", 21, "logits of 21 classes"),
        ((1, 21, 512, 512), "classes", 21, "format=logits"),
        ((1, 1000), "classes", 21, "format=logits"),
    ],
)
def test_layouts_that_do_not_fit_are_told_by_their_shape(
    shape: tuple[int, ...], form: Any, classes: int, said: str
) -> None:
    reason = why_unreadable([Output("out", shape)], form, classes, (640, 640), STRIDES)
    assert reason is not None
    assert said in reason
    assert str(shape[1]) in reason


@pytest.mark.parametrize(
    ("shape", "form", "classes"),
    [
        ((1, 8400, 85), "yolox", 80),
        ((None, None, None), "yolox", 80),
        (
            (1, cells_of((96, 96), STRIDES), 6),
            "yolox",
            1,
        ),  # few candidates of one class are not what is left of suppression
        ((1, 84, 8400), "yolov8", 80),
        ((None, 84, None), "yolov8", 80),
        ((1, 21, 64, 64), "logits", 21),
        ((1, 512, 512), "classes", 21),
        ((None, 1, None, None), "classes", 21),
    ],
)
def test_layouts_that_fit_or_may_fit_are_taken(shape: tuple[int | None, ...], form: Any, classes: int) -> None:
    side = 96 if shape[1] == cells_of((96, 96), STRIDES) else 640
    assert why_unreadable([Output("out", shape)], form, classes, (side, side), STRIDES) is None


@pytest.mark.parametrize(
    ("shape", "said"), [((1, 64, 64, 3), "channels last"), ((1, 1, 64, 64), "expected three channels")]
)
def test_an_input_that_is_no_picture_is_told(tmp_path: Path, shape: tuple[int, ...], said: str) -> None:
    one = head(tmp_path, [exports()["raw"]])
    (tmp_path / "model.onnx").write_bytes(constant([exports()["raw"]], *shape[2:], channels=shape[1]))
    assert said in str(one.available())


@pytest.mark.parametrize("stated", [True, False])
def test_a_layout_that_is_not_read_is_said_by_available(tmp_path: Path, stated: bool) -> None:
    one = head(tmp_path, [np.zeros((1, 300, 6), np.float32)], stated=stated)
    assert "suppresses boxes by itself" in str(one.available())
    with pytest.raises(DataError, match="suppresses"):
        one.predict([PICTURE])
    wrong = head(tmp_path, [exports()["raw"]], classes=4, stated=stated)
    assert "check format, strides and classes" in str(wrong.available())
