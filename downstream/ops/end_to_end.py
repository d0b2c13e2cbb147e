"""Detectors that end in boxes, scores and classes: the layouts of their outputs, told by names and shapes.

rows          (N, K, 6): left, top, right, bottom, score, class            YOLOv10, YOLO26, ultralytics nms=True
indexed rows  (K, 7): image's index, left, top, right, bottom, class, score                 YOLOv7 --end2end
ssd rows      (1, 1, K, 7): image's index, class, score, left, top, right, bottom           Caffe, OpenVINO
lists         boxes (K, 4), labels (K,), scores (K,), with or without a batch axis          RT-DETR, torchvision, SSD
              detection_boxes: top, left, bottom, right; num_detections: how many count     TensorFlow
              dets (N, K, 5): left, top, right, bottom, score; labels (N, K)                MMDetection
queries       logits (N, K, classes), boxes (N, K, 4): centre and size, fractions           transformers, RF-DETR

outputs --layout_of--> Layout --answer of one image--> candidates: boxes in pixels of the input, scores, labels
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.ops.finite import require_finite
from downstream.ops.onnx_outputs import Output, outputs_in_words, sigmoid
from hsc.errors import DataError

Floats = npt.NDArray[np.float32]
Kind = Literal["rows", "indexed rows", "ssd rows", "lists", "queries"]
Unit = Literal["decoded", "normalised"]

_BOXES = frozenset({"boxes", "bboxes", "bbox", "detection_boxes", "det_boxes", "pred_boxes", "dets", "boxes_xyxy"})
_SCORES = frozenset({"scores", "score", "detection_scores", "det_scores", "confidence", "confidences", "conf"})
_LABELS = frozenset({"labels", "label", "detection_classes", "det_classes", "classes", "class_ids", "class_id"})
_COUNTS = frozenset({"num_detections", "num_dets", "num", "detection_count", "num_boxes"})
_LOGITS = frozenset({"logits", "pred_logits"})

_MAX_ROWS = 1000
"""A model that suppresses boxes by itself gives at most this many."""
_MAX_FRACTION = 2.0
"""Box coordinates are fractions of the input's sides if none is larger; boxes may reach beyond the image a little."""
_MAX_OVERSHOOT = 0.01
"""Scores of quantised models lie outside of 0 to 1 by up to this much and are clipped."""
_COCO_NUMBERS = 91
"""COCO's numbers are 1 to 90, with gaps; networks with this many classes answer in the numbers themselves."""

OPTIONS = (
    "format=auto reads rows (N, K, 6) of corners, score and class; boxes, scores and labels in outputs with these "
    "names; logits and pred_boxes; and all that format=yolox, yolov8, logits and classes read"
)


class Layout(NamedTuple):
    """How a detector's outputs hold its detections.

    kind: see the head of this file. boxes, scores, labels, counts: the places of these outputs, -1 where there is none.
    corners: the order of the numbers of a box. first_label: the number of the first class, 1 where 0 is a background.
    softmax: of logits, with "no object" as the last class; otherwise a sigmoid.
    """

    kind: Kind
    boxes: int
    scores: int = -1
    labels: int = -1
    counts: int = -1
    corners: Literal["xyxy", "yxyx", "cxcywh"] = "xyxy"
    first_label: int = 0
    softmax: bool = False

    @property
    def usual_unit(self) -> Unit:
        """The unit of boxes where their numbers leave it open."""
        fractions = self.kind in ("queries", "ssd rows") or self.corners == "yxyx"
        return "normalised" if fractions else "decoded"


class Candidates(NamedTuple):
    """Boxes (K, 4), left, top, right, bottom in pixels of the input; scores (K,); labels (K,), from 0."""

    boxes_xyxy: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]


def layout_of(outputs: Sequence[Output], classes: int) -> Layout | None:
    """The layout of end-to-end outputs; None where they have none of these layouts.

    classes: how many the head is given. Axes that are open are taken to fit.

    Raises:
        DataError: outputs are those of an end-to-end detector, and it is open which of them is which.
    """
    named = {_plain(output.name): place for place, output in enumerate(outputs)}
    if len(outputs) == 1:
        return _rows(outputs[0])
    by_name = _by_name(outputs, named, classes)
    return by_name or _by_shape(outputs)


def _plain(name: str) -> str:
    """An output's name without its number and its scope: "model/detection_boxes:0" is "detection_boxes"."""
    return name.partition(":")[0].rpartition("/")[2].casefold()


def _rows(output: Output) -> Layout | None:
    shape = output.shape
    few = len(shape) > 1 and (shape[-2] is None or shape[-2] <= _MAX_ROWS)
    if len(shape) == 3 and shape[2] == 6 and few:
        return Layout("rows", 0)
    if len(shape) == 2 and shape[1] == 7:
        return Layout("indexed rows", 0)
    if len(shape) == 4 and shape[:2] == (1, 1) and shape[3] == 7:
        return Layout("ssd rows", 0)
    return None


def _by_name(outputs: Sequence[Output], named: dict[str, int], classes: int) -> Layout | None:
    kinds = (_BOXES, _SCORES, _LABELS, _COUNTS, _LOGITS)
    boxes, scores, labels, counts, logits = (_place(named, names) for names in kinds)
    if boxes < 0:
        return None
    shape = outputs[boxes].shape
    if logits < 0 and labels >= 0 and len(outputs[labels].shape) == 3 and len(shape) == 3 and shape[2] == 4:
        return Layout("queries", boxes, labels, corners="cxcywh")  # RF-DETR calls its logits labels
    if logits >= 0:
        width = outputs[logits].shape[-1:]
        softmax = width != (classes,) and width in ((classes + 1,), (_COCO_NUMBERS + 1,))
        return Layout("queries", boxes, logits, corners="cxcywh", softmax=softmax)
    if labels < 0:
        return None
    if shape[-1:] == (5,):
        return Layout("lists", boxes, labels=labels)
    if scores < 0:
        return None
    if "detection_boxes" in named:
        return Layout("lists", boxes, scores, labels, counts, corners="yxyx", first_label=1)
    return Layout("lists", boxes, scores, labels, counts, first_label=1 if len(shape) == 2 else 0)


def _place(named: dict[str, int], known: frozenset[str]) -> int:
    return next((place for name, place in named.items() if name in known), -1)


def _by_shape(outputs: Sequence[Output]) -> Layout | None:
    """The layout of outputs without telling names, such as torchvision's; whole numbers are labels.

    Raises:
        DataError: scores and labels have the same shape and the same kind of numbers.
    """
    boxes = [k for k, output in enumerate(outputs) if output.shape[-1:] in ((4,), (5,)) and len(output.shape) in (2, 3)]
    if len(boxes) != 1:
        return None
    shape = outputs[boxes[0]].shape
    lists = [k for k, output in enumerate(outputs) if k != boxes[0] and len(output.shape) == len(shape) - 1 > 0]
    whole = [k for k in lists if outputs[k].whole]
    others = [k for k in lists if k not in whole]
    if shape[-1] == 5 and len(whole) == 1:
        return Layout("lists", boxes[0], labels=whole[0])
    if shape[-1] == 4 and len(whole) == 1 and len(others) == 1:
        return Layout("lists", boxes[0], others[0], whole[0], first_label=1 if len(shape) == 2 else 0)
    if shape[-1] == 4 and len(lists) == 2:
        raise DataError(
            f"{outputs_in_words(outputs)}: boxes beside two outputs of which either may be the scores and the other "
            f"the labels; export it with outputs called boxes, scores and labels"
        )
    return None


def unit_of(boxes: npt.NDArray[Any], layout: Layout) -> Unit:
    """Whether boxes are in pixels of the input or fractions of its sides, from their numbers on a grey image."""
    largest = float(np.abs(boxes).max(initial=0))
    if layout.kind == "queries":
        return "normalised"
    return layout.usual_unit if largest == 0 else "normalised" if largest <= _MAX_FRACTION else "decoded"


def boxes_in(answers: Sequence[npt.NDArray[Any]], layout: Layout) -> npt.NDArray[Any]:
    """The numbers of all boxes of the first image, (K, 4), as the model writes them."""
    first = answers[layout.boxes]
    if layout.kind == "rows":
        return first[0, :, :4]
    if layout.kind == "indexed rows":
        return first[:, 1:5]
    if layout.kind == "ssd rows":
        return first[0, 0, :, 3:7]
    boxes = first[0] if first.ndim == 3 else first
    if layout.counts >= 0:
        boxes = boxes[: int(np.ravel(answers[layout.counts])[0])]
    return boxes[:, :4]


def candidates_in(
    answers: Sequence[npt.NDArray[Any]],
    layout: Layout,
    unit: Unit,
    input_hw: tuple[int, int],
    classes: Classes,
    *,
    multi_label: bool,
) -> Candidates:
    """The candidates of the first image in a model's answers, those of no class left out.

    multi_label: of a sigmoid's classes each counts as a candidate, not only the best.

    Raises:
        DataError: scores are no probabilities, or labels are no numbers of the head's classes.
    """
    boxes = _corners(boxes_in(answers, layout).astype(np.float32), layout)
    if unit == "normalised":
        boxes = boxes * np.array([*input_hw[::-1], *input_hw[::-1]], np.float32)
    if layout.kind == "queries":
        queries, scores, labels = _of_queries(answers[layout.scores], layout, classes, multi_label)
        boxes = boxes[queries]
    else:
        scores, numbers = _scores_and_labels(answers, layout, len(boxes))
        _check_scores(scores)
        labels = classes.labels(numbers, layout.first_label, scores)
    known = labels >= 0
    return Candidates(boxes[known], np.clip(scores[known], 0, 1).astype(np.float32), labels[known])


def _corners(boxes: Floats, layout: Layout) -> Floats:
    if layout.corners == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if layout.corners == "cxcywh":
        half = boxes[:, 2:] / 2
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)
    return boxes


def _scores_and_labels(
    answers: Sequence[npt.NDArray[Any]], layout: Layout, count: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Scores and class numbers of the first image, (count,) each, as the model writes them."""
    first = answers[layout.boxes]
    if layout.kind == "rows":
        return first[0, :, 4], first[0, :, 5]
    if layout.kind == "indexed rows":
        return np.where(first[:, 0] == 0, first[:, 6], 0), first[:, 5]
    if layout.kind == "ssd rows":
        return np.where(first[0, 0, :, 0] == 0, first[0, 0, :, 2], 0), first[0, 0, :, 1]
    rows = first[0] if first.ndim == 3 else first
    labels = answers[layout.labels]
    labels = labels[0] if labels.ndim == 2 else labels
    if layout.scores < 0:
        return rows[:count, 4], labels[:count]
    scores = answers[layout.scores]
    return (scores[0] if scores.ndim == 2 else scores)[:count], labels[:count]


def _of_queries(
    logits: npt.NDArray[Any], layout: Layout, classes: Classes, multi_label: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Query, score and label of each candidate: the best class of a softmax, or each class of a sigmoid."""
    values = np.asarray(logits[0], np.float32)  # (N, K, classes) -> (K, classes)
    require_finite(values, "logits")
    if layout.softmax:
        powers = np.exp(values - values.max(1, keepdims=True))
        scores = (powers / powers.sum(1, keepdims=True))[:, :-1]
    else:
        scores = sigmoid(values)
    width = scores.shape[1]
    if layout.softmax or not multi_label:
        queries, numbers = np.arange(len(scores)), scores.argmax(1)
        return queries, scores[queries, numbers], classes.of_width(width, numbers)
    queries, numbers = np.divmod(np.arange(scores.size), width)
    return queries, scores.ravel(), classes.of_width(width, numbers)


def _check_scores(scores: npt.NDArray[Any]) -> None:
    if scores.size and not (np.nanmin(scores) >= -_MAX_OVERSHOOT and np.nanmax(scores) <= 1 + _MAX_OVERSHOOT):
        raise DataError(
            f"the model's scores are {np.nanmin(scores):.3g} to {np.nanmax(scores):.3g}, expected 0 to 1; its outputs "
            f"have the shape of an end-to-end detector with another order of numbers; {OPTIONS}"
        )


class Classes(NamedTuple):
    """The head's classes as a model counts them.

    size: how many the head knows. background: whether the first of them is a background. numbers: COCO's number of
    each class where the head knows COCO's 80, empty otherwise.
    """

    size: int
    background: bool = False
    numbers: tuple[int, ...] = ()

    def labels(self, written: npt.NDArray[Any], first_label: int, scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The head's label of each number that a model writes for a class, -1 for the background and unused numbers.

        Raises:
            DataError: a number of a candidate with a score is not whole, or is of no class.
        """
        numbers = np.where(scores > 0, written, first_label)  # what fills a list up has any label
        if not np.array_equal(numbers, np.trunc(numbers)):
            raise DataError(
                f"the model's classes are not whole numbers, such as {numbers[numbers != np.trunc(numbers)][0]:.3g}; "
                f"its outputs have the shape of an end-to-end detector with another order of numbers; {OPTIONS}"
            )
        whole = numbers.astype(np.int64)
        if first_label and self.numbers:
            return self._of_coco(whole)
        labels = whole if self.background else whole - first_label
        if labels.size and not (labels.min() >= -first_label and labels.max() < self.size):
            raise DataError(
                f"the model answers classes {whole.min()} to {whole.max()}, the head knows {self.size} from "
                f"{0 if self.background else first_label}; check classes: one name a line, with background as the "
                f"first if the model counts it"
            )
        return np.where(labels == 0, -1, labels) if self.background else labels

    def of_width(self, width: int, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The head's labels of numbers from 0 in a model that has scores for ``width`` classes.

        Raises:
            DataError: the head knows another number of classes.
        """
        if width == self.size:
            return np.where(numbers == 0, -1, numbers) if self.background else numbers
        if self.numbers and width in (_COCO_NUMBERS, _COCO_NUMBERS - 1):
            return self._of_coco(numbers + (width == _COCO_NUMBERS - 1))
        raise DataError(
            f"the model has logits of {width} classes, the head knows {self.size}; check classes, or give a text file "
            f"with one name a line in the model's order"
        )

    def _of_coco(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        table = np.full(_COCO_NUMBERS + 1, -1, np.int64)
        table[list(self.numbers)] = np.arange(len(self.numbers))
        if numbers.size and not (numbers.min() >= 0 and numbers.max() <= _COCO_NUMBERS):
            raise DataError(f"the model answers classes {numbers.min()} to {numbers.max()}, COCO's numbers are 1 to 90")
        return table[numbers]
