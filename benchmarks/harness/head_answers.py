"""Checks of a head's answers: type, shape, dtype, range, finiteness. An answer that passes can be kept and scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.text import one_line
from downstream.api import (
    NO_CLASS,
    VOID,
    Classification,
    Detections,
    FeaturePair,
    Fidelity,
    Prediction,
    SegmentationMap,
)
from downstream.ops.masks import why_damaged
from hsc.errors import HeadError

MAX_BOXES = 100_000
"""Boxes in one image. Evaluators take the best 100 of a class; more than this comes from a broken decoder."""
_ROUNDING = 1e-5
"""By which a score may pass 1: a softmax in float32 does."""


def checked_prediction(prediction: Any, head: Any, image_hw: tuple[int, int]) -> Prediction:
    """A head's prediction on one image of this height and width.

    Raises:
        HeadError: it is of another type than ``head.output``; an array has another dtype, shape or length; a number is
            not finite or out of its range; a label is none of the head's classes; a box ends before it begins; a mask
            is of another size.
    """
    kind = head.output
    if not isinstance(prediction, kind):
        raise HeadError(f"the head gave {type(prediction).__name__}, expected {kind.__name__}")
    if isinstance(prediction, Detections):
        return _checked_boxes(prediction, len(head.label_space.classes), image_hw)
    if isinstance(prediction, SegmentationMap):
        return _checked_map_of_classes(prediction, len(head.label_space.classes), image_hw)
    if isinstance(prediction, Classification):
        return _checked_ranking(prediction, len(head.label_space.classes))
    if isinstance(prediction, Fidelity):
        return _checked_fidelity(prediction, head)
    if isinstance(prediction, FeaturePair):
        return _checked_features(prediction, head)
    raise HeadError(f"the head gave {type(prediction).__name__}, which nothing here scores")


def _numbers(values: Any, noun: str, kinds: str, dimensions: int) -> npt.NDArray[Any]:
    """An array of numbers. noun: for the message. kinds: numpy's letters, "f" for floats, "iu" for whole numbers."""
    expected = "floats" if kinds == "f" else "whole numbers"
    if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
        came = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise HeadError(f"the head's {noun} came as {came}, expected an array of {expected}")
    if values.ndim != dimensions:
        raise HeadError(f"the head's {noun} came in the shape {values.shape}, expected {dimensions} axes")
    return values


def _check_finite(values: npt.NDArray[Any], noun: str) -> None:
    bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise HeadError(
            f"{bad} of the head's {values.size} {noun} are not finite (NaN or infinite), expected numbers; "
            "its weights are damaged, or it overflows (try float32)"
        )


def _checked_boxes(answer: Detections, classes: int, image_hw: tuple[int, int]) -> Detections:
    boxes = _numbers(answer.boxes_xyxy, "boxes", "f", 2)
    scores = _numbers(answer.scores, "scores", "f", 1)
    labels = _numbers(answer.labels, "labels", "iu", 1)
    if boxes.shape != (len(scores), 4) or labels.shape != scores.shape:
        raise HeadError(
            f"the head gave boxes {boxes.shape}, scores {scores.shape} and labels {labels.shape}, expected (N, 4), "
            f"(N,) and (N,)"
        )
    if len(scores) > MAX_BOXES:
        raise HeadError(
            f"the head gave {len(scores):,} boxes for one image, expected {MAX_BOXES:,} at the most; raise its "
            f"score threshold"
        )
    _check_finite(boxes, "box coordinates")
    _check_finite(scores, "scores")
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1 + _ROUNDING):
        raise HeadError(
            f"the head's scores run from {scores.min():g} to {scores.max():g}, expected 0 to 1; are they logits, or "
            f"percent?"
        )
    turned = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if turned.any():
        raise HeadError(
            f"{int(turned.sum())} of the head's {len(boxes)} boxes end before they begin, as "
            f"{boxes[turned][0].tolist()}; expected left, top, right, bottom in pixels, not left, top, width, height"
        )
    _check_labels(labels, classes)
    _check_masks(answer, image_hw)
    return answer


def _check_masks(answer: Detections, image_hw: tuple[int, int]) -> None:
    if answer.masks is None:
        return
    counts, mask_hw = answer.masks.counts, tuple(answer.masks.image_hw)
    if mask_hw != tuple(image_hw) or len(counts) != len(answer.scores):
        raise HeadError(
            f"the head gave {len(counts)} masks of {mask_hw}, expected {len(answer.scores)} of {tuple(image_hw)}"
        )
    damage = next((text for runs in counts if (text := why_damaged(runs, image_hw))), None)
    if damage:
        raise HeadError(f"a mask of the head is damaged: {damage}")


def _check_labels(labels: npt.NDArray[Any], classes: int) -> None:
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise HeadError(
            f"the head's labels run from {int(labels.min())} to {int(labels.max())}, expected 0 to {classes - 1}, one "
            f"for each of its {classes} classes; does it count the background, or know other classes?"
        )


def _checked_map_of_classes(answer: SegmentationMap, classes: int, image_hw: tuple[int, int]) -> SegmentationMap:
    labels = answer.labels
    if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8 or labels.shape != tuple(image_hw):
        came = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise HeadError(f"the head's map came as {came}, expected uint8 {tuple(image_hw)}, the image's size")
    _check_labels(labels[labels != VOID], classes)
    return answer


def _checked_ranking(answer: Classification, classes: int) -> Classification:
    ranking = _numbers(answer.ranking, "ranking", "iu", 2)
    if ranking.dtype != np.uint16 or len(ranking) != 1 or not ranking.shape[1]:
        raise HeadError(
            f"the head's ranking of one image came as {ranking.dtype} {ranking.shape}, expected uint16 (1, K); "
            f"downstream.ranked makes it from scores"
        )
    labels = ranking[ranking != NO_CLASS]
    _check_labels(labels, classes)
    if len(np.unique(labels)) < len(labels):
        raise HeadError("a class stands twice in the head's ranking of one image, expected each once")
    return answer


def _check_measure(answer: Fidelity | FeaturePair, head: Any) -> None:
    if answer.measure != head.measure:
        raise HeadError(
            f"the fidelity head measures {one_line(answer.measure)!r}, expected {head.measure!r}, as it says of itself"
        )


def _checked_fidelity(answer: Fidelity, head: Any) -> Fidelity:
    _check_measure(answer, head)
    numbers = _numbers(answer.numbers, "numbers", "f", 1)
    if not len(numbers):
        raise HeadError("the fidelity head gave no number at all, expected at least one")
    _check_finite(numbers, "numbers")
    return answer


def _checked_features(answer: FeaturePair, head: Any) -> FeaturePair:
    _check_measure(answer, head)
    pair = {"features of the original": answer.original, "features of the decoded image": answer.decoded}
    for noun, values in pair.items():
        _check_finite(_numbers(values, noun, "f", 2), noun)
    if answer.original.shape != answer.decoded.shape or not answer.original.size:
        raise HeadError(
            f"the features are {answer.original.shape} and {answer.decoded.shape}, expected two of one shape that is "
            f"not empty"
        )
    return answer
