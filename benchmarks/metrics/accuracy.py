"""Accuracy of classifiers: top-1, top-5, balanced, and that of each class.

                  rank of the true class in a prediction's ranking: 0 .. K-1, or not in it

top1              = share of objects whose true class has rank 0
top5              = share of objects whose true class has a rank below 5; given of more than five classes alone
balanced_accuracy = mean over the classes that occur in the labels of top1 among the objects of that class

An object is an image as a whole, or one of its regions. Objects are pooled over the data set, and resamples draw
images, so the objects of one image stay together. Top-5 error: Russakovsky et al., "ImageNet Large Scale Visual
Recognition Challenge", IJCV 2015, section 4.1. Balanced accuracy: Brodersen, Ong, Stephan, Buhmann, "The balanced
accuracy and its posterior distribution", ICPR 2010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._draws import check_draws
from benchmarks.metrics._ratio import ratio
from downstream.api import NO_CLASS, Classification, Prediction
from hsc.errors import AnnotationError, UsageError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

FIVE = 5
MAX_PARTS = 200
"""Of more classes than this there are no scores of single classes."""


@METRICS.register("accuracy", aliases=("topk", "top_k"))
@dataclass(frozen=True)
class Accuracy:
    """Top-1 and top-5 accuracy of a data set, balanced accuracy, and "top1" of each class; 0 to 1.

    Of five classes or fewer there is no top-5, since any ranking would have all of them. An object whose ranking holds
    none of the scored classes counts as wrong. Objects of classes that the head cannot know are left out. Top-1 of
    single classes is given up to 200 classes.
    """

    output: ClassVar[type[Prediction]] = Classification
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {
        "top1": MetricFacts(title="top-1", main=True),
        "top5": MetricFacts(title="top-5"),
        "balanced_accuracy": MetricFacts(title="balanced acc."),
    }

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score the rankings of all images of ``truth``; a score without any labelled object is NaN.

        Raises:
            UsageError: predictions are not one Classification an image, with a row for each label, of
            ``truth.classes``.
            AnnotationError: the truth holds no class labels, or labels outside ``truth.classes``.
        """
        return self.tally(truth, predictions).scores()

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Each score over all classes, and "top1/class" of each class, with image i counted ``draws[r, i]`` times:
        float64 (R,), NaN where undefined.

        draws: int64 (R, N). Raises as ``compute`` does, and UsageError where the draws are not (R, N).
        """
        return self.tally(truth, predictions).resample(draws)

    def left_out(self, classes: Sequence[str]) -> str:
        """Why there is no top-5 of a few classes."""
        if len(classes) > FIVE:
            return ""
        return (
            f"top-5 is left out: {len(classes)} classes are scored, all of which are among any first five, so it needs "
            f"six or more"
        )

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> AccuracyTally:
        """The counts of one operating point; predictions are read one after another. Raises as ``compute`` does."""
        if truth.labels is None:
            raise AnnotationError("accuracy was given a truth without class labels; expected Truth.labels, one a image")
        if len(predictions) != len(truth.labels):
            raise UsageError(
                f"{len(predictions)} predictions came for {len(truth.labels)} images; accuracy scores one for each"
            )
        images, labels, ranks = [], [], []
        for number, (image_id, of_image, prediction) in enumerate(
            zip(truth.image_ids, truth.labels, predictions, strict=True)
        ):
            if not isinstance(prediction, Classification):
                raise UsageError(
                    f"accuracy scores Classification, image {image_id} came with a {type(prediction).__name__}"
                )
            rank = _ranks(image_id, of_image, prediction.ranking, len(truth.classes))
            scored = of_image >= 0
            images.append(np.full(int(scored.sum()), number))
            labels.append(of_image[scored])
            ranks.append(rank[scored])
        joined = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (images, labels, ranks))
        return AccuracyTally(truth.classes, len(truth.image_ids), *joined)


@dataclass(frozen=True)
class AccuracyTally:
    """The objects of a data set. images: how many. image, label, rank: int64 (M,), of each object the number of its
    image, its true class, and the rank of that class in the prediction, the number of classes where it is missing.
    """

    classes: tuple[str, ...]
    images: int
    image: Counts
    label: Counts
    rank: Counts

    def scores(self) -> list[Score]:
        """The scores over all classes, then "top1" of each class."""
        values = self.resample(np.ones((1, self.images), np.int64))
        return [Score(name.partition("/")[0], float(v[0]), name.partition("/")[2]) for name, v in values.items()]

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
        """Each score over all classes, and "top1/class" of each class, with image i counted ``draws[r, i]`` times.

        Raises:
            UsageError: the draws are not (R, N).
        """
        check_draws(draws, self.images)
        first = self._by_class(draws, self.rank == 0)
        objects = self._by_class(draws, np.ones(len(self.rank), bool))
        of_classes = ratio(first, objects)  # (R, C)
        occurring = objects > 0
        values = {"top1": ratio(first.sum(1), objects.sum(1))}
        if len(self.classes) > FIVE:
            values["top5"] = ratio(self._by_class(draws, self.rank < FIVE).sum(1), objects.sum(1))
        values["balanced_accuracy"] = ratio(np.where(occurring, of_classes, 0).sum(1), occurring.sum(1))
        if len(self.classes) <= MAX_PARTS:
            values |= {f"top1/{name}": column for name, column in zip(self.classes, of_classes.T, strict=True)}
        return values

    def _by_class(self, draws: npt.NDArray[np.integer[Any]], counted: npt.NDArray[np.bool_]) -> Floats:
        """The number of counted objects of each class in each resample: float64 (R, C), exact."""
        sums = np.zeros((len(draws), len(self.classes)))
        for label in np.unique(self.label[counted]).tolist():
            of_class = self.image[counted & (self.label == label)]
            numbers, times = np.unique(of_class, return_counts=True)
            sums[:, label] = draws[:, numbers] @ times
        return sums


def _ranks(image_id: str, labels: Counts, ranking: npt.NDArray[np.uint16], classes: int) -> Counts:
    """The rank of each object's label in its row, int64 (N,); ``classes`` where it is missing."""
    if len(labels) != len(ranking):
        raise UsageError(
            f"image {image_id} has {len(ranking)} rankings for {len(labels)} labels; a head must answer for each object"
        )
    if len(labels) and not (int(labels.min()) >= -1 and int(labels.max()) < classes):
        raise AnnotationError(f"image {image_id} has the label {int(labels.max())}, expected 0 to {classes - 1}")
    if ((ranking >= classes) & (ranking != NO_CLASS)).any():
        raise UsageError(
            f"image {image_id} has classes above {classes - 1} in its ranking: map them to the truth's classes first"
        )
    hits = ranking.astype(np.int64) == labels[:, None]  # (N, K)
    return np.where(hits.any(1), hits.argmax(1) if ranking.shape[1] else 0, classes)
