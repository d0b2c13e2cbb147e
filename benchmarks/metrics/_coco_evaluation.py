"""COCO's evaluation of boxes and masks: the checks of labels and predictions, and the twelve numbers.

    AP = mean over IoU .50:.05:.95, classes and 101 recall levels of the precision envelope

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the twelve numbers are those of the official
evaluator (pycocotools, Dollár and Lin). hotcoco does the counting; our tests hold it equal to pycocotools to 1e-9.
Masks are evaluated in the same way by the IoU of pixels, and the size of a detection is the area of its mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.api import MetricFacts, Score, Truth
from benchmarks.formats.coco_checks import LARGEST_ID
from benchmarks.formats.coco_table import CocoTable
from benchmarks.metrics._coco_detections import Floats, Found, Kind
from downstream.api import Prediction
from hsc.errors import AnnotationError

if TYPE_CHECKING:
    from hotcoco import COCOeval

_AREAS = ("all", "small", "medium", "large")
_LIMITS = (1, 10, 100)
AP = {
    "ap": (None, "all"),
    "ap50": (0, "all"),
    "ap75": (5, "all"),
    "ap_small": (None, "small"),
    "ap_medium": (None, "medium"),
    "ap_large": (None, "large"),
}
AR = {
    "ar1": ("all", 1),
    "ar10": ("all", 10),
    "ar100": ("all", 100),
    "ar_small": ("small", 100),
    "ar_medium": ("medium", 100),
    "ar_large": ("large", 100),
}
"""Of each number: the index of its IoU threshold and its area; the area and how many detections of an image count."""
FACTS: dict[str, MetricFacts] = {
    "ap": MetricFacts(title="AP", main=True),
    "ap50": MetricFacts(title="AP50"),
    "ap75": MetricFacts(title="AP75"),
    "ap_small": MetricFacts(title="APs"),
    "ap_medium": MetricFacts(title="APm"),
    "ap_large": MetricFacts(title="APl"),
    "ar1": MetricFacts(title="AR1"),
    "ar10": MetricFacts(title="AR10"),
    "ar100": MetricFacts(title="AR100"),
    "ar_small": MetricFacts(title="ARs"),
    "ar_medium": MetricFacts(title="ARm"),
    "ar_large": MetricFacts(title="ARl"),
}
"""The facts of the twelve numbers."""


def numbers(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> list[Score]:
    """The twelve numbers under COCO's names, then "ap" of each class; 0 to 1, NaN where there is no truth.

    Raises:
        UsageError: predictions are not one Detections an image, a label is outside ``truth.classes``, or masks are
            needed and missing.
        AnnotationError: the truth has no COCO labels, or no masks, or its categories are not ``truth.classes``.
    """
    coco = checked_labels(truth, kind)
    return numbers_of(coco, Found.of(coco, predictions, kind), kind)


def numbers_of(coco: Mapping[str, Any], found: Found, kind: Kind) -> list[Score]:
    """``numbers`` of labels and detections that have been checked."""
    classes = [category["name"] for category in coco["categories"]]
    evaluation: Any = _evaluated(coco, found, kind).eval
    shape = (10, 101, len(classes), len(_AREAS), len(_LIMITS))
    precision = np.asarray(evaluation["precision"], np.float64).reshape(shape)  # IoU, recall level, class, area, limit
    recall = np.asarray(evaluation["recall"], np.float64).reshape(shape[0], *shape[2:])  # IoU, class, area, limit
    scores = [
        Score(name, _mean(precision[thresholds(iou), :, :, _AREAS.index(area), -1])) for name, (iou, area) in AP.items()
    ]
    scores += [
        Score(name, _mean(recall[:, :, _AREAS.index(area), _LIMITS.index(limit)])) for name, (area, limit) in AR.items()
    ]
    return scores + [Score("ap", _mean(precision[:, :, k, 0, -1]), part) for k, part in enumerate(classes)]


def thresholds(iou: int | None) -> slice:
    """The IoU thresholds of one index, or all of them."""
    return slice(None) if iou is None else slice(iou, iou + 1)


def _mean(values: Floats) -> float:
    """Mean of the defined entries; -1 marks an undefined one."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


def _evaluated(coco: Mapping[str, Any], found: Found, kind: Kind) -> COCOeval:
    """The evaluator after matching detections to the labels and accumulating, so that its numbers can be read."""
    import hotcoco

    official = {
        "images": list(coco["images"]),
        "categories": list(coco["categories"]),
        "annotations": _annotations(coco, kind),
    }
    gt = hotcoco.COCO(official)
    rows = found.results(coco)
    # The evaluator refuses an empty list of results, so a box that can neither match nor count stands in for it.
    nothing = np.array([[coco["images"][0]["id"], -9e6, -9e6, 0, 0, 0, coco["categories"][0]["id"]]], np.float64)
    evaluation = hotcoco.COCOeval(gt, gt.load_res(rows if len(rows) else nothing), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _annotations(coco: Mapping[str, Any], kind: Kind) -> list[Any]:
    """The labels' annotations with the fields that the official evaluator needs filled in: id, area, iscrowd."""
    if isinstance(coco, CocoTable):
        return list((coco if kind == "segm" else replace(coco, segmentation=None))["annotations"])
    try:
        return [_filled(annotation, number, kind) for number, annotation in enumerate(coco["annotations"], 1)]
    except (OverflowError, TypeError, ValueError) as error:
        raise AnnotationError(
            f"the COCO labels hold a box or area that is no number: {error}; mend the data set"
        ) from error


def checked_labels(truth: Truth, kind: Kind) -> Mapping[str, Any]:
    """The truth's labels, if they are of its classes and have what is matched. Raises AnnotationError."""
    coco, shapes = truth.coco, "boxes" if kind == "bbox" else "masks"
    if coco is None:
        raise AnnotationError(
            f"{shapes} came with a truth that has none to score them against; expected Truth.coco, a COCO-format dict"
        )
    names = tuple(category["name"] for category in coco["categories"])
    if names != truth.classes:
        raise AnnotationError(
            f"the COCO categories are {names}, expected the truth's classes in their order, {truth.classes}"
        )
    lacking = sum("segmentation" not in annotation for annotation in coco["annotations"]) if kind == "segm" else 0
    if lacking:
        raise AnnotationError(
            f"{lacking} of {len(coco['annotations'])} annotations have no segmentation; expected a mask's runs in each"
        )
    large = [
        str(record["id"])[:24]
        for part in ("images", "categories")
        for record in coco[part]
        if abs(record["id"]) > LARGEST_ID
    ]
    if large:
        raise AnnotationError(
            f"the COCO labels have ids beyond {LARGEST_ID} in size, first {large[0]}; number images and categories anew"
        )
    return coco


def _filled(annotation: Mapping[str, Any], number: int, kind: Kind) -> dict[str, Any]:
    box = [float(v) for v in annotation["bbox"]]
    drawn = {"segmentation": annotation["segmentation"]} if kind == "segm" else {}
    return {
        "id": number,
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "bbox": box,
        "area": float(annotation.get("area", box[2] * box[3])),
        "iscrowd": int(annotation.get("iscrowd", 0)),
        **drawn,
    }
