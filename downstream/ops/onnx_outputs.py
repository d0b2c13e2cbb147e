"""What an ONNX model answers, told from the shapes of its outputs and from the numbers it gives for an empty picture.

    outputs --why_unread--> a sentence, where they are none of the layouts that are read
    numbers for a grey canvas --told--> Told: how boxes are written, whether scores are logits

Exporters of one network differ in what they leave to the reader: boxes relative to the cell or in pixels (YOLOX's
``--decode_in_inference``), in pixels or as shares of the side, scores before or after the sigmoid. The shapes are the
same; the numbers are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from hsc.errors import DataError

Floats = npt.NDArray[np.float32]
Boxes = Literal["raw", "decoded", "normalised"]
Format = Literal["yolox", "yolov8", "logits", "classes"]

_FEW = 1000
"""Candidates before suppression are thousands; what is left after it is no more than this."""
_ROWS = (6, 7)
"""Numbers of one box that is left after suppression: corners, score and class, the image's too."""
_FOLLOWS = 0.7
"""How well centres that are places in the picture correlate with their cells' at the least; those relative to the cell
hardly do.
"""
_NEAR = 2.0
"""Cells that a candidate's centre lies from its own cell's, in the median, where it is understood."""
_MANY = 64
"""Candidates all of which have a size above their centre, as no detector's have."""
_SURE = 0.5
"""How far below 0 or above 1 a score must be for it to be a logit; the last layers of quantised models miss by less."""


class Output(NamedTuple):
    """One output of a model. shape: None where the model leaves a side open."""

    name: str
    shape: tuple[int | None, ...]


class Told(NamedTuple):
    """How the numbers of a detector are to be read. boxes: relative to the cell, in pixels of the input, or as shares
    of its sides.
    """

    boxes: Boxes
    logits: bool


def cells_of(input_hw: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells the levels of these strides have together."""
    return sum((input_hw[0] // s) * (input_hw[1] // s) for s in strides)


def why_unread(
    outputs: Sequence[Output], form: Format, classes: int, input_hw: tuple[int, int], strides: Sequence[int]
) -> str | None:
    """One sentence where outputs are not of the layout ``form`` for so many classes, or None where they are or may be.

    input_hw: height and width of the model's input, 0 where it is open. Sides that the model leaves open are not
    judged.
    """
    shape = outputs[0].shape
    if form in ("yolox", "yolov8"):
        reason = (
            _why_not_yolox(outputs, classes, input_hw, strides)
            if form == "yolox"
            else _why_not_yolov8(outputs, classes)
        )
        suppressed = _suppressed(outputs) if reason else ""
        if suppressed:
            return (
                f"{suppressed}, so it suppresses boxes by itself, which is not read: suppression here is the same "
                f"for all detectors; export it "
                f"without (ultralytics: nms=False; YOLOv7: without --end2end), and give format=yolox or "
                f"format=yolov8; {_seen(outputs)}"
            )
        return reason
    if form == "logits":
        if len(shape) == 4 and _is(shape[1], classes):
            return None
        last = len(shape) == 4 and shape[3] == classes
        return f"the model's output is {_shape(shape)}, logits of {classes} classes are (N, {classes}, h, w)" + (
            ", with the classes before the sides and not after them; export it so"
            if last
            else "; check format and classes"
        )
    if len(shape) == 3 or (len(shape) == 4 and _is(shape[1], 1)):
        return None
    return f"the model's output is {_shape(shape)}, classes are (N, h, w) or (N, 1, h, w); format=logits is for scores"


def _why_not_yolox(
    outputs: Sequence[Output], classes: int, input_hw: tuple[int, int], strides: Sequence[int]
) -> str | None:
    shape = outputs[0].shape
    anchors = cells_of(input_hw, strides) if all(input_hw) else None
    if len(shape) == 3 and _is(shape[2], 5 + classes) and (anchors is None or _is(shape[1], anchors)):
        return None
    known = f"{anchors}" if anchors is not None else "anchors"
    three = anchors is not None and shape[1:2] == (3 * anchors,) and shape[2:] == (5 + classes,)
    return (
        f"the model's output is {_shape(shape)}, yolox with strides {tuple(strides)} and {classes} classes on "
        f"{input_hw} gives "
        f"(N, {known}, {5 + classes}); "
        + ("three anchors a cell are YOLOv5's and YOLOv7's, which are not read; " if three else "")
        + "check format, strides and classes"
        + _others(outputs)
    )


def _why_not_yolov8(outputs: Sequence[Output], classes: int) -> str | None:
    shape = outputs[0].shape
    if len(shape) == 3 and _is(shape[1], 4 + classes) and shape[2] not in _ROWS:
        return None
    turned = len(shape) == 3 and shape[2] == 4 + classes and shape[1] is not None and shape[1] > _FEW
    return (
        f"the model's output is {_shape(shape)}, yolov8 with {classes} classes gives (N, {4 + classes}, anchors)"
        + (
            ", and its axes stand the other way round; export it without the transpose"
            if turned
            else "; check format and classes"
        )
        + _others(outputs)
    )


def _suppressed(outputs: Sequence[Output]) -> str:
    """How outputs show that the model keeps only the best boxes, empty where they do not."""
    shapes = [output.shape for output in outputs]
    first = shapes[0]
    if len(shapes) == 1 and len(first) == 3 and first[2] in _ROWS and (first[1] is None or first[1] <= _FEW):
        return f"the model gives rows of {first[2]}, corners, score and class, {first[1] or 'some'} an image"
    if len(shapes) == 1 and len(first) in (2, 4) and first[-1] in _ROWS:
        return f"the model gives a list of rows of {first[-1]}: the image's number or none, corners, class and score"
    boxes = [shape for shape in shapes if len(shape) in (2, 3) and shape[-1] in (4, 5)]
    beside = [shape for shape in shapes if shape not in boxes and len(shape) in (1, 2)]
    if boxes and beside:
        return "the model gives boxes, scores and classes apart"
    return ""


def told(
    raw: Floats, form: Format, input_hw: tuple[int, int], strides: Sequence[int], boxes: Boxes | None = None
) -> Told:
    """How a detector writes its boxes and scores, from its answer ``raw`` (N, ...) to an empty picture, of one image
    and known layout.

    A candidate's centre lies near its cell's. Written as a place in the picture, in pixels or as a share, it follows
    the cells across the picture; written relative to the cell it does not, and lies near a half. boxes: how they are
    written, where that is known.

    Raises:
        DataError: centres lie far from their cells, however they are read.
    """
    if not np.isfinite(raw).all():
        raise DataError(
            "the model answers an empty picture with numbers that are not finite; its weights are damaged, or its "
            "export is"
        )
    if boxes is not None:
        return Told(boxes, _logits(raw[:, 4:] if form == "yolox" else raw[4:]))
    if form == "yolov8":
        if raw.shape[1] >= _MANY and bool((raw[2:4] >= raw[:2]).all()):
            raise DataError(
                "the model's boxes look like two corners each, yolov8 has a centre and a size; export it without "
                "that step"
            )
        return Told("decoded" if np.median(raw[:2]) > _NEAR else "normalised", _logits(raw[4:]))
    middle = np.concatenate([_middles(input_hw[0] // s, input_hw[1] // s) for s in strides])  # (anchors, 2) in cells
    stride = np.repeat(np.array(strides, np.float64), [cells_of(input_hw, (s,)) for s in strides])[:, None]
    centres = raw[:, :2].astype(np.float64)
    best: Boxes
    if min(_correlation(centres[:, axis], (middle * stride)[:, axis]) for axis in (0, 1)) < _FOLLOWS:
        best, off = "raw", np.abs(centres - 0.5)
    elif np.median(centres) > _NEAR:
        best, off = "decoded", np.abs(centres / stride - middle)
    else:
        best, off = "normalised", np.abs(centres * np.array(input_hw[::-1], np.float64) / stride - middle)
    if not np.median(off) <= _NEAR:
        raise DataError(
            f"the model's boxes lie {np.median(off):.3g} cells from their own, in the median, on an empty picture, "
            f"read as {best}; check format "
            "and strides, or say boxes=raw or boxes=decoded"
        )
    return Told(best, _logits(raw[:, 4:]))


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Pearson's, 0 where one of them does not vary."""
    return 0.0 if not one.std() or not other.std() else float(np.corrcoef(one, other)[0, 1])


def _middles(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Middles of a level's cells, in cells: (rows * columns, 2), x first."""
    y, x = np.mgrid[:rows, :columns]
    middles: npt.NDArray[np.float64] = np.stack([x, y], -1).reshape(-1, 2) + 0.5
    return middles


def _logits(scores: Floats) -> bool:
    """Whether scores are before the sigmoid."""
    return bool(scores.size) and bool(scores.min() < -_SURE or scores.max() > 1 + _SURE)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    shares: Floats = (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
    return shares


def _is(side: int | None, wanted: int) -> bool:
    return side is None or side == wanted


def _shape(shape: tuple[int | None, ...]) -> str:
    return (
        "(" + ", ".join("?" if side is None else str(side) for side in shape) + ("," if len(shape) == 1 else "") + ")"
    )


def _seen(outputs: Sequence[Output]) -> str:
    return "its outputs are " + ", ".join(f"{output.name} {_shape(output.shape)}" for output in outputs[:6])


def _others(outputs: Sequence[Output]) -> str:
    return f"; {_seen(outputs)}" if len(outputs) > 1 else ""
