"""Average precision of boxes by the rules of the Open Images Challenge, at an overlap of one half.

Kuznetsova et al., "The Open Images Dataset V4", IJCV 2020, section 4.3, and the Challenge's evaluation page. It differs
from COCO's in three things. A class of an image counts only where somebody verified that it is there or is not, so that
objects nobody labelled are no mistakes. A box around a group is found by any detection that lies in it for half of its
own area, and counts as one object. The area under the curve is that of its envelope at every recall, as in PASCAL VOC.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, MetricFacts, Score, Truth
from benchmarks.metrics._coco_detections import Found
from benchmarks.metrics._coco_evaluation import checked_labels
from benchmarks.metrics._coco_tally import Labelled, labelled_shapes
from benchmarks.metrics._draws import check_draws
from benchmarks.metrics._ratio import defined_mean
from downstream.api import Detections, Prediction

Floats = npt.NDArray[np.float64]
NAME = "oid_map50"
VERIFIED = "verified"
"""The entry of an image of the labels that names the classes verified there; without it all are."""
_OVERLAP = 0.5
_BLOCK = 1 << 22
"""The most numbers of a table of resamples that are in memory at once."""


@METRICS.register("oid_ap")
@dataclass(frozen=True)
class OidAp:
    """mAP at an overlap of 0.5 by the Open Images Challenge, and AP of each class.

    A class without any box is NaN and left out of the mean. Labels that say nothing of verified classes count as if all
    were verified; crowds are groups.
    """

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {NAME: MetricFacts(title="OID mAP50", main=True)}

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score the detections of all images; values 0 to 1 or NaN.

        Raises:
            UsageError: predictions are not one Detections an image, or a label is outside ``truth.classes``.
            AnnotationError: the truth holds no COCO labels, or its categories are not ``truth.classes``.
        """
        return self.tally(truth, predictions).scores()

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """The mAP with image i counted ``draws[r, i]`` times: (R, N) -> float64 (R,).

        Raises as ``compute`` does, and UsageError where the draws are not (R, N).
        """
        return self.tally(truth, predictions).resample(draws)

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> OidTally:
        """The ranking of one operating point. Raises as ``compute`` does."""
        return OidTally(truth.classes, len(truth.image_ids), _ranked(truth, predictions))


class OidTally(NamedTuple):
    """The ranked detections of each class. images: how many."""

    classes: tuple[str, ...]
    images: int
    ranked: list[_Ranked]

    def scores(self) -> list[Score]:
        """The mAP, then AP of each class."""
        whole = np.ones((1, self.images), np.int64)
        by_class = [float(_ap(of_class, whole)[0]) for of_class in self.ranked]
        scores = [Score(NAME, value, name) for name, value in zip(self.classes, by_class, strict=True)]
        return [Score(NAME, float(defined_mean(np.array([by_class]))[0])), *scores]

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> dict[str, Floats]:
        """The mAP with image i counted ``draws[r, i]`` times.

        Raises:
            UsageError: the draws are not (R, N).
        """
        check_draws(draws, self.images)
        return {NAME: defined_mean(np.stack([_ap(of_class, draws) for of_class in self.ranked], axis=1))}


class _Ranked(NamedTuple):
    """The detections of one class, best first, and the objects they are to find.

    image: int64 (D,). hit: bool (D,), the others are mistakes. labelled: int64 (G,), the image of each object.
    """

    image: npt.NDArray[np.int64]
    hit: npt.NDArray[np.bool_]
    labelled: npt.NDArray[np.int64]


def _ranked(truth: Truth, predictions: Sequence[Prediction]) -> list[_Ranked]:
    """The ranking of each class. Raises as ``OidAp.compute``."""
    coco = checked_labels(truth, "bbox")
    found: list[Any] = list(predictions)
    Found.of(coco, found, "bbox")  # checks them
    objects = _objects(labelled_shapes(coco, "bbox"))
    answers: list[list[tuple[float, int, bool]]] = [[] for _ in truth.classes]
    for number, (image, answer) in enumerate(zip(coco["images"], found, strict=True)):
        verified = image.get(VERIFIED)
        for label in np.unique(answer.labels).tolist():
            boxes, groups = objects.get((number, label), (_NO_BOXES, _NO_BOXES))
            if verified is not None and truth.classes[label] not in verified and not len(boxes) + len(groups):
                continue
            own = answer.labels == label
            marks = _judged(answer.boxes_xyxy[own].astype(np.float64), answer.scores[own], boxes, groups)
            answers[label] += [(score, number, hit) for score, hit in marks]
    labelled: list[list[int]] = [[] for _ in truth.classes]
    for (number, label), (boxes, groups) in objects.items():
        labelled[label] += [number] * (len(boxes) + len(groups))
    ranked = []
    for of_class, images in zip(answers, labelled, strict=True):
        of_class.sort(key=lambda answer: -answer[0])
        ranked.append(
            _Ranked(
                np.array([image for _, image, _ in of_class], np.int64),
                np.array([hit for _, _, hit in of_class], bool),
                np.array(images, np.int64),
            )
        )
    return ranked


_NO_BOXES: Floats = np.zeros((0, 4))


def _objects(labelled: Labelled) -> dict[tuple[int, int], tuple[Floats, Floats]]:
    """Boxes and groups, left, top, right, bottom, by the place of their image and class."""
    objects = labelled.objects
    corners = objects.boxes.copy()
    corners[:, 2:] += corners[:, :2]
    lists: dict[tuple[int, int], tuple[list[Floats], list[Floats]]] = defaultdict(lambda: ([], []))
    keys = zip(objects.image.tolist(), objects.label.tolist(), strict=True)
    for key, box, crowd in zip(keys, corners, labelled.crowd.tolist(), strict=True):
        lists[key][crowd].append(box)
    return {
        key: (np.array(boxes).reshape(-1, 4), np.array(groups).reshape(-1, 4)) for key, (boxes, groups) in lists.items()
    }


def _judged(found: Floats, scores: Any, boxes: Floats, groups: Floats) -> list[tuple[float, bool]]:
    """Score, and hit or mistake, of the detections of one class in one image; those inside a group give one hit.

    A detection is matched with the box that it overlaps most; where a better one has found that box, it is a mistake.
    """
    order = np.argsort(-scores, kind="stable")
    shared = _shared(found, boxes)
    area, of_boxes = _area(found), _area(boxes)
    with np.errstate(divide="ignore", invalid="ignore"):
        overlap = shared / (area[:, None] + of_boxes[None] - shared)
        inside = _shared(found, groups) / area[:, None]
    taken: set[int] = set()
    marks: list[tuple[float, bool]] = []
    best_of_group: dict[int, float] = {}
    for place in order.tolist():
        score = float(scores[place])
        box = int(np.argmax(overlap[place])) if len(boxes) else -1
        if box >= 0 and overlap[place, box] >= _OVERLAP and box not in taken:
            taken.add(box)
            marks.append((score, True))
            continue
        group = int(np.argmax(inside[place])) if len(groups) else -1
        if group >= 0 and inside[place, group] >= _OVERLAP:
            best_of_group[group] = max(best_of_group.get(group, -math.inf), score)
        else:
            marks.append((score, False))
    return [*marks, *((score, True) for score in best_of_group.values())]


def _shared(first: Floats, second: Floats) -> Floats:
    """The area that each of N boxes shares with each of M: (N, 4), (M, 4) -> (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))


def _ap(of_class: _Ranked, draws: npt.NDArray[np.integer[Any]]) -> Floats:
    """AP of one class with each image counted as often as drawn: (R, N) -> (R,), NaN where no object was drawn."""
    values = np.full(len(draws), np.nan)
    rows = max(1, _BLOCK // max(1, len(of_class.image)))
    for start in range(0, len(draws), rows):
        part = draws[start : start + rows].astype(np.float64)
        objects = part[:, of_class.labelled].sum(axis=1)  # (r,)
        counts = part[:, of_class.image]  # (r, D)
        hits = np.cumsum(counts * of_class.hit, axis=1)
        ranks = np.cumsum(counts, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(ranks > 0, hits / ranks, 0.0)
            envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            gained = counts * of_class.hit / objects[:, None]
            area = (gained * envelope).sum(axis=1)
        values[start : start + rows] = np.where(objects > 0, area, np.nan)
    return values
