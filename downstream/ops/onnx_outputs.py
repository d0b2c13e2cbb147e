"""The output layout of an ONNX model: checked by the shapes of its outputs, detected from its numbers on a grey image.

    outputs                  --why_unreadable--> a sentence, if they have none of the layouts that we read
    numbers on a grey canvas --encoding_of-----> Encoding: how boxes are written, whether scores are logits

Exports of one network differ in the last steps that are left to the reader: boxes relative to the cell or in pixels
(YOLOX's ``--decode_in_inference``), in pixels or as fractions of the sides, scores before or after the sigmoid. The
shapes are the same in all cases, the numbers differ.
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

_MAX_SUPPRESSED = 1000
"""A model that suppresses boxes by itself gives at most this many; candidates before suppression are thousands."""
_ROW_LENGTHS = (6, 7)
"""Numbers in the row of one box after suppression: corners, score and class; in rows of 7 the image's index too."""
_MIN_CORRELATION = 0.7
"""Least correlation of box centres with those of their cells, if centres are positions in the image."""
_MAX_OFFSET = 2.0
"""Largest median distance, in cells, of box centres from their own cells under a correct reading."""
_MIN_CORNER_CANDIDATES = 64
"""If at least this many candidates all have a size above their centre, the four numbers are two corners."""
_LOGIT_MARGIN = 0.5
"""Scores further than this below 0 or above 1 are logits; scores of quantised models exceed the range by less."""


class Output(NamedTuple):
    """One output of a model. shape: its axes, None for each that is left open. whole: its numbers are integers."""

    name: str
    shape: tuple[int | None, ...]
    whole: bool = False


class Encoding(NamedTuple):
    """How a detector writes its boxes and scores.

    boxes: "raw" relative to the cell, "decoded" in pixels of the input, "normalised" as fractions of its sides. logits:
    whether scores are before the sigmoid.
    """

    boxes: Boxes
    logits: bool


def cells_of(input_hw: tuple[int, int], strides: Sequence[int]) -> int:
    """The number of cells that the levels of these strides have together."""
    return sum((input_hw[0] // s) * (input_hw[1] // s) for s in strides)


def why_unreadable(
    outputs: Sequence[Output], form: Format, classes: int, input_hw: tuple[int, int], strides: Sequence[int]
) -> str | None:
    """One sentence on why outputs do not have the layout ``form`` for this number of classes; None if they may have it.

    input_hw: height and width of the model's input, 0 where it is open. Axes that the model leaves open are not
    checked.
    """
    if form == "logits":
        return _why_not_logits(outputs[0].shape, classes)
    if form == "classes":
        return _why_not_classes(outputs[0].shape)
    reason = (
        _why_not_yolox(outputs, classes, input_hw, strides) if form == "yolox" else _why_not_yolov8(outputs, classes)
    )
    suppressed = _suppressed(outputs) if reason else ""
    if suppressed:
        return (
            f"{suppressed}, so it suppresses boxes by itself; format=auto reads it as it is; or export it without "
            f"(ultralytics: nms=False; YOLOv7: without --end2end), so that suppression is the same for all detectors, "
            f"and give format=yolox or format=yolov8; {outputs_in_words(outputs)}"
        )
    return reason


def dense_formats(
    outputs: Sequence[Output], classes: int, input_hw: tuple[int, int], strides: Sequence[int]
) -> list[Format]:
    """The formats that outputs may have for this number of classes, by their shapes; arguments as ``why_unreadable``.

    An output is a map of classes if its numbers are integers, and only then.
    """
    forms: tuple[Format, ...] = ("yolox", "yolov8", "logits", "classes")
    if not outputs[0].shape:
        return []
    return [
        form
        for form in forms
        if why_unreadable(outputs, form, classes, input_hw, strides) is None and (form == "classes") == outputs[0].whole
    ]


def _why_not_logits(shape: tuple[int | None, ...], classes: int) -> str | None:
    if len(shape) == 4 and _may_be(shape[1], classes):
        return None
    channels_last = len(shape) == 4 and shape[3] == classes
    return f"the model's output is {_shape(shape)}, logits of {classes} classes are (N, {classes}, h, w)" + (
        ", with the classes before height and width; export it so" if channels_last else "; check format and classes"
    )


def _why_not_classes(shape: tuple[int | None, ...]) -> str | None:
    if len(shape) == 3 or (len(shape) == 4 and _may_be(shape[1], 1)):
        return None
    return f"the model's output is {_shape(shape)}, classes are (N, h, w) or (N, 1, h, w); format=logits is for scores"


def _why_not_yolox(
    outputs: Sequence[Output], classes: int, input_hw: tuple[int, int], strides: Sequence[int]
) -> str | None:
    shape = outputs[0].shape
    anchors = cells_of(input_hw, strides) if all(input_hw) else None
    if len(shape) == 3 and _may_be(shape[2], 5 + classes) and (anchors is None or _may_be(shape[1], anchors)):
        return None
    known = f"{anchors}" if anchors is not None else "anchors"
    three = anchors is not None and shape[1:2] == (3 * anchors,) and shape[2:] == (5 + classes,)
    return (
        f"the model's output is {_shape(shape)}, yolox with strides {tuple(strides)} and {classes} classes on "
        f"{input_hw} gives (N, {known}, {5 + classes}); "
        + ("three anchors a cell are the layout of YOLOv5 and YOLOv7, which is not supported; " if three else "")
        + "check format, strides and classes"
        + _if_several(outputs)
    )


def _why_not_yolov8(outputs: Sequence[Output], classes: int) -> str | None:
    shape = outputs[0].shape
    if len(shape) == 3 and _may_be(shape[1], 4 + classes) and shape[2] not in _ROW_LENGTHS:
        return None
    transposed = len(shape) == 3 and shape[2] == 4 + classes and shape[1] is not None and shape[1] > _MAX_SUPPRESSED
    return (
        f"the model's output is {_shape(shape)}, yolov8 with {classes} classes gives (N, {4 + classes}, anchors)"
        + (
            ", and its last two axes are swapped; export it without the transpose"
            if transposed
            else "; check format and classes"
        )
        + _if_several(outputs)
    )


def _suppressed(outputs: Sequence[Output]) -> str:
    """How the outputs show that the model suppresses boxes by itself, as a clause; empty if they do not."""
    shapes = [output.shape for output in outputs]
    first = shapes[0]
    if (
        len(shapes) == 1
        and len(first) == 3
        and first[2] in _ROW_LENGTHS
        and (first[1] is None or first[1] <= _MAX_SUPPRESSED)
    ):
        return f"the model gives rows of {first[2]}, corners, score and class, {first[1] or 'some'} an image"
    if len(shapes) == 1 and len(first) in (2, 4) and first[-1] in _ROW_LENGTHS:
        return f"the model gives a list of rows of {first[-1]}: the image's index or none, corners, class and score"
    boxes = [shape for shape in shapes if len(shape) in (2, 3) and shape[-1] in (4, 5)]
    others = [shape for shape in shapes if shape not in boxes and len(shape) in (1, 2)]
    if boxes and others:
        return "the model gives boxes, scores and classes in separate outputs"
    return ""


def encoding_of(
    raw: Floats, form: Format, input_hw: tuple[int, int], strides: Sequence[int], boxes: Boxes | None = None
) -> Encoding:
    """How a detector writes its boxes and scores, from its answer to a grey image.

    A candidate's centre lies near the centre of its cell. Written as a position in the image, in pixels or as a
    fraction, it follows the cells across the image; written relative to the cell it does not, and is near one half.

    raw: the answer for one image in its known layout, yolox (anchors, 5 + classes) or yolov8 (4 + classes, anchors).
    boxes: how boxes are written, if that is known.

    Raises:
        DataError: an answer is not finite, or centres are far from their cells under every reading.
    """
    if not np.isfinite(raw).all():
        raise DataError(
            "the model's answer to a grey image is not finite; its weights are damaged, or the export is faulty"
        )
    scores = raw[:, 4:] if form == "yolox" else raw[4:]
    if boxes is None:
        boxes = _yolov8_boxes(raw) if form == "yolov8" else _yolox_boxes(raw, input_hw, strides)
    return Encoding(boxes, _are_logits(scores))


def _yolov8_boxes(raw: Floats) -> Boxes:
    if raw.shape[1] >= _MIN_CORNER_CANDIDATES and bool((raw[2:4] >= raw[:2]).all()):
        raise DataError(
            "the model's boxes look like two corners each, yolov8 has a centre and a size; export it without that step"
        )
    return "decoded" if np.median(raw[:2]) > _MAX_OFFSET else "normalised"


def _yolox_boxes(raw: Floats, input_hw: tuple[int, int], strides: Sequence[int]) -> Boxes:
    cells = np.concatenate([_cell_centres(input_hw[0] // s, input_hw[1] // s) for s in strides])  # (anchors, 2)
    stride = np.repeat(np.array(strides, np.float64), [cells_of(input_hw, (s,)) for s in strides])[:, None]
    centres = raw[:, :2].astype(np.float64)
    boxes: Boxes
    if min(_correlation(centres[:, axis], (cells * stride)[:, axis]) for axis in (0, 1)) < _MIN_CORRELATION:
        boxes, offsets = "raw", np.abs(centres - 0.5)
    elif np.median(centres) > _MAX_OFFSET:
        boxes, offsets = "decoded", np.abs(centres / stride - cells)
    else:
        boxes, offsets = "normalised", np.abs(centres * np.array(input_hw[::-1], np.float64) / stride - cells)
    if not np.median(offsets) <= _MAX_OFFSET:
        raise DataError(
            f"the model's boxes lie {np.median(offsets):.3g} cells from their own cells in the median, on a grey image "
            f"and read as {boxes}; check format and strides, or give boxes=raw or boxes=decoded"
        )
    return boxes


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Pearson's correlation of two vectors; 0 if either is constant."""
    return 0.0 if not a.std() or not b.std() else float(np.corrcoef(a, b)[0, 1])


def _cell_centres(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Centres of a level's cells, in cells: (rows * columns, 2), x first."""
    y, x = np.mgrid[:rows, :columns]
    centres: npt.NDArray[np.float64] = np.stack([x, y], -1).reshape(-1, 2) + 0.5
    return centres


def _are_logits(scores: Floats) -> bool:
    return bool(scores.size) and bool(scores.min() < -_LOGIT_MARGIN or scores.max() > 1 + _LOGIT_MARGIN)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    probabilities: Floats = (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
    return probabilities


def _may_be(side: int | None, wanted: int) -> bool:
    return side is None or side == wanted


def _shape(shape: tuple[int | None, ...]) -> str:
    sides = ", ".join("?" if side is None else str(side) for side in shape)
    return f"({sides},)" if len(shape) == 1 else f"({sides})"


def outputs_in_words(outputs: Sequence[Output]) -> str:
    """The names and shapes of a model's first six outputs, as a clause."""
    return "its outputs are " + ", ".join(f"{output.name} {_shape(output.shape)}" for output in outputs[:6])


def _if_several(outputs: Sequence[Output]) -> str:
    return f"; {outputs_in_words(outputs)}" if len(outputs) > 1 else ""
