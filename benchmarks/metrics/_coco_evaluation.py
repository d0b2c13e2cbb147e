"""COCO's evaluation of boxes and masks: the checks of labels and predictions, and the twelve numbers.

    AP = mean over IoU .50:.05:.95, classes and 101 recall levels of the precision envelope

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the twelve numbers are those of the official
evaluator (pycocotools, Dollár and Lin). hotcoco does the counting; our tests hold it equal to pycocotools to 1e-9.
Masks are evaluated in the same way by the IoU of pixels, and the size of a detection is the area of its mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.api import MetricFacts, Score, Truth
from benchmarks.formats.coco_checks import LARGEST_ID
from downstream.api import Detections, Masks, Prediction
from hsc.errors import AnnotationError, UsageError

if TYPE_CHECKING:
    from hotcoco import COCOeval

Floats = npt.NDArray[np.float64]
Kind = Literal["bbox", "segm"]
"""The shapes that are matched: boxes or masks."""

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
    evaluation: Any = evaluate(truth, predictions, kind).eval
    shape = (10, 101, len(truth.classes), len(_AREAS), len(_LIMITS))
    precision = np.asarray(evaluation["precision"], np.float64).reshape(shape)  # IoU, recall level, class, area, limit
    recall = np.asarray(evaluation["recall"], np.float64).reshape(shape[0], *shape[2:])  # IoU, class, area, limit
    scores = [
        Score(name, _mean(precision[thresholds(iou), :, :, _AREAS.index(area), -1])) for name, (iou, area) in AP.items()
    ]
    scores += [
        Score(name, _mean(recall[:, :, _AREAS.index(area), _LIMITS.index(limit)])) for name, (area, limit) in AR.items()
    ]
    return scores + [Score("ap", _mean(precision[:, :, k, 0, -1]), part) for k, part in enumerate(truth.classes)]


def thresholds(iou: int | None) -> slice:
    """The IoU thresholds of one index, or all of them."""
    return slice(None) if iou is None else slice(iou, iou + 1)


def _mean(values: Floats) -> float:
    """Mean of the defined entries; -1 marks an undefined one."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


def evaluate(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> COCOeval:
    """The evaluator after matching detections to the truth and accumulating, so that its numbers can be read."""
    evaluation = _evaluator(truth, predictions, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _evaluator(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> COCOeval:
    import hotcoco

    coco = _official(truth, kind)
    check_predictions(coco, predictions, kind)
    gt = hotcoco.COCO(coco)
    rows: Any = _masks(coco, predictions) if kind == "segm" else _boxes(coco, predictions)
    # The evaluator refuses an empty list of results, so a box that can neither match nor count stands in for it.
    nothing = np.array([[coco["images"][0]["id"], -9e6, -9e6, 0, 0, 0, coco["categories"][0]["id"]]], np.float64)
    return hotcoco.COCOeval(gt, gt.load_res(rows if len(rows) else nothing), kind)


def _official(truth: Truth, kind: Kind) -> dict[str, Any]:
    """The truth's labels with the fields that the official evaluator needs filled in: id, area, iscrowd."""
    coco = checked_labels(truth, kind)
    try:
        annotations = [_filled(annotation, number, kind) for number, annotation in enumerate(coco["annotations"], 1)]
    except (OverflowError, TypeError, ValueError) as error:
        raise AnnotationError(
            f"the COCO labels hold a box or area that is no number: {error}; mend the data set"
        ) from error
    return {"images": list(coco["images"]), "categories": list(coco["categories"]), "annotations": annotations}


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


def check_predictions(coco: Mapping[str, Any], predictions: Sequence[Prediction], kind: Kind) -> None:
    """Refuse predictions that the evaluator would score wrongly without an error."""
    images, classes = coco["images"], len(coco["categories"])
    if len(predictions) != len(images):
        raise UsageError(
            f"{len(predictions)} predictions came for {len(images)} images; COCO scores one for each, empty ones too"
        )
    for image, answer in zip(images, predictions, strict=True):
        if not isinstance(answer, Detections):
            raise UsageError(f"COCO scores Detections, image {image['id']} came with a {type(answer).__name__}")
        if answer.labels.size and not (answer.labels.min() >= 0 and answer.labels.max() < classes):
            raise UsageError(
                f"image {image['id']} has labels up to {answer.labels.max()}, expected 0 to {classes - 1}: map them "
                f"to the truth's classes first"
            )
        if not (np.isfinite(answer.boxes_xyxy).all() and np.isfinite(answer.scores).all()):
            raise UsageError(
                f"image {image['id']} has a box or score that is not finite; a head must leave such boxes out"
            )
        if kind == "segm":
            _check_masks(image, answer)


def _check_masks(image: Mapping[str, Any], answer: Detections) -> None:
    size = (image["height"], image["width"])
    if answer.masks is None:
        raise UsageError(f"image {image['id']} came with boxes alone; masks are scored, so take a head that gives them")
    if answer.masks.image_hw != size:
        raise UsageError(
            f"image {image['id']} has masks of size {answer.masks.image_hw}, expected {size}, the image's height and "
            f"width"
        )


def _boxes(coco: Mapping[str, Any], predictions: Sequence[Any]) -> Floats:
    """float64 (N, 7): image id, left, top, width, height, score, category id."""
    ids = np.array([category["id"] for category in coco["categories"]], np.float64)
    parts = [np.zeros((0, 7))]
    for image, answer in zip(coco["images"], predictions, strict=True):
        boxes = answer.boxes_xyxy.astype(np.float64)
        rows = np.empty((len(boxes), 7))
        rows[:, 0] = image["id"]
        rows[:, 1:3] = boxes[:, :2]
        rows[:, 3:5] = boxes[:, 2:] - boxes[:, :2]
        rows[:, 5] = answer.scores
        rows[:, 6] = ids[answer.labels]
        parts.append(rows)
    return np.concatenate(parts)


def _masks(coco: Mapping[str, Any], predictions: Sequence[Any]) -> list[dict[str, Any]]:
    """A result for each mask in COCO's form, without boxes, so that the evaluator takes areas from the masks."""
    ids = [category["id"] for category in coco["categories"]]
    return [
        {
            "image_id": image["id"],
            "category_id": ids[label],
            "segmentation": runs_of(answer.masks, counts),
            "score": score,
        }
        for image, answer in zip(coco["images"], predictions, strict=True)
        for counts, score, label in zip(
            answer.masks.counts, answer.scores.astype(np.float64).tolist(), answer.labels.tolist(), strict=True
        )
    ]


def runs_of(masks: Masks, counts: bytes) -> dict[str, Any]:
    return {"size": [*masks.image_hw], "counts": counts.decode("ascii")}
