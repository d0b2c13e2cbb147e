"""How well label maps agree: mIoU, IoU of each class, pixel accuracy and frequency-weighted IoU, from one confusion
matrix.

                 found as: class 0 .. C-1    void
    true class c           n[c, 0 .. C-1]    n[c, C]        pixels of the whole data set

    iou(c)         = n[c, c] / (row sum c + column sum c - n[c, c])
    miou           = mean of iou(c) over the classes that occur in labels or predictions
    miou_labelled  = mean of iou(c) over the classes that occur in labels
    pixel_accuracy = sum of n[c, c] / sum of n
    fw_iou         = sum of (row sum c / sum of n) * iou(c)

IoU over a whole data set: Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
The other
two: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from downstream.api import VOID, Prediction, SegmentationMap
from hsc.errors import AnnotationError, UsageError

OF_ALL_CLASSES = ("miou", "miou_labelled", "pixel_accuracy", "fw_iou")
"""The scores over all classes; ``iou`` is that of one class."""
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@METRICS.register("confusion", aliases=("segmentation_iou",))
@dataclass(frozen=True)
class Confusion:
    """mIoU, pixel accuracy and frequency-weighted IoU of a data set, and "iou" of each class; 0 to 1.

    Pixels whose label is void count for nobody. A pixel that a head calls void, or a class that its class map drops, is
    a miss of the true class and no class's false alarm. A class found where it never is in the labels has IoU 0 and is
    in ``miou``; one that neither labels nor predictions hold is NaN and is not. Where a small set lacks classes,
    ``miou`` so falls by a false alarm's whole class, at some operating points and not at others; ``miou_labelled`` is a
    mean over the same classes at all of them.
    """

    output: ClassVar[type[Prediction]] = SegmentationMap
    version: ClassVar[str] = "2"  # since 2 with intervals of each class; the numbers are those of 1
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "miou": MetricFacts(title="mIoU", main=True),
        "miou_labelled": MetricFacts(title="mIoU labelled"),
        "pixel_accuracy": MetricFacts(title="pixel acc."),
        "fw_iou": MetricFacts(title="fwIoU"),
        "iou": MetricFacts(title="IoU"),
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score the maps of every image of ``truth``; a number without any labelled pixel behind it is NaN.

        Raises:
            UsageError: predictions are not one SegmentationMap an image, of its label map's size and of
            ``truth.classes``.
            AnnotationError: the truth holds no label maps, or they hold labels outside ``truth.classes``.
        """
        found = _numbers(*_margins(self.counts(truth, predictions)).astype(np.float64))
        whole = [Score(name, float(found[name])) for name in OF_ALL_CLASSES]
        return whole + [
            Score("iou", float(value), part) for part, value in zip(truth.classes, found["iou"], strict=True)
        ]

    def counts(self, truth: Truth, predictions: Sequence[Prediction]) -> Counts:
        """The confusion matrix of the data set, int64 (C, C + 1): true class by class found, void last. Raises as
        ``compute`` does.
        """
        return sum(matrices(truth, predictions), np.zeros((len(truth.classes), len(truth.classes) + 1), np.int64))

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """What each score over all classes, and "iou/class" of each class, would be with each image counted ``draws``
        times:
        float64 (R,).

        draws: int64 (R, N), a row for each resample, a column for each image of ``truth``. Pixels are counted once, so
        that a thousand resamples cost about as much as a call of ``compute``. NaN where undefined. Raises as
        ``compute`` does.
        """
        if draws.ndim != 2 or draws.shape[1] != len(truth.image_ids):
            raise UsageError(f"draws of shape {draws.shape} came, expected (resamples, {len(truth.image_ids)} images)")
        images = np.stack([_margins(matrix) for matrix in matrices(truth, predictions)]).astype(np.float64)  # (N, 3, C)
        # Sums of pixels stay far below 2^53, so they are exact in float64, which is multiplied much faster than int64.
        drawn = (draws.astype(np.float64) @ images.reshape(len(images), -1)).reshape(len(draws), 3, -1)  # (R, 3, C)
        found = _numbers(drawn[:, 0], drawn[:, 1], drawn[:, 2])
        by_class = {f"iou/{part}": values for part, values in zip(truth.classes, found["iou"].T, strict=True)}
        return {name: found[name] for name in OF_ALL_CLASSES} | by_class


def matrices(truth: Truth, predictions: Sequence[Prediction]) -> Iterator[Counts]:
    """The confusion matrix of each image in turn: int64 (C, C + 1), true class by class found, void last. Raises as
    ``compute`` does.
    """
    if truth.maps is None:
        raise AnnotationError("confusion was given a truth without label maps; expected Truth.maps, one a image")
    if len(predictions) != len(truth.maps):
        raise UsageError(
            f"{len(predictions)} predictions came for {len(truth.maps)} images; confusion scores one for each"
        )
    for image_id, label_map, prediction in zip(truth.image_ids, truth.maps, predictions, strict=True):
        if not isinstance(prediction, SegmentationMap):
            raise UsageError(
                f"confusion scores SegmentationMap, image {image_id} came with a {type(prediction).__name__}"
            )
        yield _matrix(image_id, len(truth.classes), label_map.labels, prediction.labels)


def _matrix(image_id: str, classes: int, true: npt.NDArray[np.uint8], found: npt.NDArray[np.uint8]) -> Counts:
    if true.shape != found.shape:
        raise UsageError(
            f"image {image_id} has a prediction of shape {found.shape} for labels of shape {true.shape}; "
            "a head must answer at the size of the image it was given"
        )
    pairs = true.astype(np.uint16) << 8 | found  # (H, W): every pair of labels that a pixel can have
    joint = np.bincount(pairs.ravel(), minlength=2**16).reshape(256, 256)
    if joint[classes:VOID].any():
        raise AnnotationError(
            f"image {image_id} has labels above {classes - 1} that are not void ({VOID}) in its label map"
        )
    if joint[:, classes:VOID].any():
        raise UsageError(
            f"image {image_id} has labels above {classes - 1} that are not void ({VOID}) in its prediction: map them "
            f"to the truth's classes first"
        )
    return joint[:classes, [*range(classes), VOID]]


def _margins(matrix: Counts) -> Counts:
    """int64 (3, C) of a confusion matrix: pixels of each class that are right, true, and found; all that the scores
    need.
    """
    return np.stack([np.diagonal(matrix), matrix.sum(1), matrix[:, :-1].sum(0)])


def _numbers(right: Floats, true: Floats, found: Floats) -> Mapping[str, Floats]:
    """All scores of pixel counts (..., C): "iou" (..., C), the others (...)."""
    union, pixels = true + found - right, true.sum(-1)
    iou = _ratio(right, union)
    occurring = union > 0
    counted = np.where(occurring, iou, 0)
    return {
        "iou": iou,
        "miou": _ratio(counted.sum(-1), occurring.sum(-1)),
        "miou_labelled": _ratio(counted.sum(-1, where=true > 0), (true > 0).sum(-1)),
        "pixel_accuracy": _ratio(right.sum(-1), pixels),
        "fw_iou": _ratio((true * counted).sum(-1), pixels),
    }


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
