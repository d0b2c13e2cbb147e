"""Agreement of label maps: mIoU, IoU of each class, pixel accuracy and frequency-weighted IoU of one confusion matrix.

                 predicted: class 0 .. C-1    void
    true class c            n[c, 0 .. C-1]    n[c, C]        pixels of the whole data set

    iou(c)         = n[c, c] / (row sum c + column sum c - n[c, c])
    miou           = mean of iou(c) over the classes that occur in labels or predictions
    miou_labelled  = mean of iou(c) over the classes that occur in labels
    pixel_accuracy = sum of n[c, c] / sum of n
    fw_iou         = sum of (row sum c / sum of n) * iou(c)

IoU over a whole data set: Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
Pixel accuracy and frequency-weighted IoU: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._draws import check_draws
from benchmarks.metrics._ratio import ratio
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

    Pixels labelled void are not counted. A pixel predicted as void, or as a class that the class map drops, is a miss
    of the true class and a false alarm of none. A class that is predicted but never labelled has IoU 0 and counts in
    ``miou``; one that is neither labelled nor predicted is NaN and does not. On a small set that lacks classes, one
    false alarm therefore adds a class to ``miou`` at some operating points and not at others; ``miou_labelled`` is the
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
        """Score the maps of all images of ``truth``; a score without any labelled pixel is NaN.

        Raises:
            UsageError: predictions are not one SegmentationMap an image, of its label map's size and of
            ``truth.classes``.
            AnnotationError: the truth holds no label maps, or they hold labels outside ``truth.classes``.
        """
        return self.tally(truth, predictions).scores()

    def counts(self, truth: Truth, predictions: Sequence[Prediction]) -> Counts:
        """The confusion matrix of the data set, int64 (C, C + 1): true by predicted class, void last. Raises as
        ``compute`` does.
        """
        return self.tally(truth, predictions).counts()

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Each score over all classes, and "iou/class" of each class, with image i counted ``draws[r, i]`` times:
        float64 (R,), NaN where undefined.

        draws: int64 (R, N), a row for each resample, a column for each image of ``truth``. Pixels are counted once, so
        a thousand resamples cost about as much as a call of ``compute``. Raises as ``compute`` does, and UsageError
        where the draws are not (R, N).
        """
        return self.tally(truth, predictions).resample(draws)

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> ConfusionTally:
        """The pixel counts of one operating point; maps are read one after another. Raises as ``compute`` does."""
        classes = len(truth.classes)
        matrix, margins = np.zeros((classes, classes + 1), np.int64), np.zeros((len(truth.image_ids), 3, classes))
        for number, of_image in enumerate(matrices(truth, predictions)):
            matrix += of_image
            margins[number] = _margins(of_image)
        return ConfusionTally(truth.classes, matrix, margins)


@dataclass(frozen=True)
class ConfusionTally:
    """The pixel counts of a data set.

    matrix: int64 (C, C + 1), true by predicted class, void last. margins: float64 (N, 3, C), of each image the correct,
    true and predicted pixels of each class; their sums stay far below 2^53 and are exact.
    """

    classes: tuple[str, ...]
    matrix: Counts
    margins: Floats

    def scores(self) -> list[Score]:
        """The scores over all classes, then "iou" of each class."""
        values = _numbers(*_margins(self.matrix).astype(np.float64))
        whole = [Score(name, float(values[name])) for name in OF_ALL_CLASSES]
        return whole + [Score("iou", float(iou), part) for part, iou in zip(self.classes, values["iou"], strict=True)]

    def counts(self) -> Counts:
        """The confusion matrix of the data set."""
        return self.matrix

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
        """Each score over all classes, and "iou/class" of each class, with image i counted ``draws[r, i]`` times.

        Raises:
            UsageError: the draws are not (R, N).
        """
        images = len(self.margins)
        check_draws(draws, images)
        # float64 is multiplied much faster than integers
        drawn = (draws.astype(np.float64) @ self.margins.reshape(images, -1)).reshape(len(draws), 3, -1)  # (R, 3, C)
        values = _numbers(drawn[:, 0], drawn[:, 1], drawn[:, 2])
        by_class = {f"iou/{part}": iou for part, iou in zip(self.classes, values["iou"].T, strict=True)}
        return {name: values[name] for name in OF_ALL_CLASSES} | by_class


def matrices(truth: Truth, predictions: Sequence[Prediction]) -> Iterator[Counts]:
    """The confusion matrix of each image in turn: int64 (C, C + 1), true by predicted class, void last. Raises as
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


def _matrix(image_id: str, classes: int, true: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> Counts:
    if true.shape != predicted.shape:
        raise UsageError(
            f"image {image_id} has a prediction of shape {predicted.shape} for labels of shape {true.shape}; "
            "a head must answer at the size of the image it was given"
        )
    pairs = true.astype(np.uint16) << 8 | predicted  # (H, W): one number for each pair of labels
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
    """Correct, true and predicted pixels of each class, which is all that the scores need: int64 (3, C)."""
    return np.stack([np.diagonal(matrix), matrix.sum(1), matrix[:, :-1].sum(0)])


def _numbers(right: Floats, true: Floats, predicted: Floats) -> Mapping[str, Floats]:
    """All scores of pixel counts (..., C): "iou" (..., C), the others (...)."""
    union, pixels = true + predicted - right, true.sum(-1)
    iou = ratio(right, union)
    occurring = union > 0
    counted = np.where(occurring, iou, 0)
    return {
        "iou": iou,
        "miou": ratio(counted.sum(-1), occurring.sum(-1)),
        "miou_labelled": ratio(counted.sum(-1, where=true > 0), (true > 0).sum(-1)),
        "pixel_accuracy": ratio(right.sum(-1), pixels),
        "fw_iou": ratio((true * counted).sum(-1), pixels),
    }
