"""COCO's evaluation of boxes and of masks: predictions matched to the truth, the twelve numbers, and AP of many
resamples.

    AP = mean over IoU .50:.05:.95, classes and 101 recall levels of the precision envelope

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the twelve numbers are those of the official
evaluator (pycocotools, Dollár and Lin). The counting itself is done by hotcoco, which our tests hold equal to
pycocotools to 1e-9. For masks the same is done with the IoU of pixels, and the size of a detection is the area of its
mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import MetricFacts, Score, Truth
from benchmarks.formats.coco_json import LARGEST_ID
from benchmarks.metrics._ap_bootstrap import resampled_ap
from downstream.api import Detections, Prediction
from hsc.errors import AnnotationError, UsageError

if TYPE_CHECKING:
    from hotcoco import COCOeval

Floats = npt.NDArray[np.float64]
Kind = Literal["bbox", "segm"]
"""What is matched: boxes or masks."""

_AREAS = ("all", "small", "medium", "large")
_LIMITS = (1, 10, 100)
_ALL_AREAS = [0.0, 1e10]
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
"""Each number's IoU threshold, as an index, or its area; and how many detections an image and class count."""
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
"""Of the twelve numbers."""


def numbers(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> list[Score]:
    """The twelve numbers under COCO's names, then "ap" of each class; 0 to 1, NaN where there is no truth.

    Raises:
        UsageError: predictions are not one Detections an image, a label is outside ``truth.classes``, or masks are
        asked for and lack.
        AnnotationError: the truth holds no COCO labels, or no masks, or its categories are not ``truth.classes``.
    """
    evaluation: Any = evaluate(truth, predictions, kind).eval
    shape = (10, 101, len(truth.classes), len(_AREAS), len(_LIMITS))
    precision = np.asarray(evaluation["precision"], np.float64).reshape(shape)  # IoU, recall level, class, area, limit
    recall = np.asarray(evaluation["recall"], np.float64).reshape(shape[0], *shape[2:])  # IoU, class, area, limit
    found = [Score(name, _mean(precision[_at(iou), :, :, _AREAS.index(area), -1])) for name, (iou, area) in AP.items()]
    found += [
        Score(name, _mean(recall[:, :, _AREAS.index(area), _LIMITS.index(limit)])) for name, (area, limit) in AR.items()
    ]
    return found + [Score("ap", _mean(precision[:, :, k, 0, -1]), part) for k, part in enumerate(truth.classes)]


def resampled(
    truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64], kind: Kind
) -> dict[str, Floats]:
    """What "ap", "ap50" and "ap75" would be with each image counted ``draws`` times: float64 (R,), NaN where undefined.

    draws: int64 (R, N), a row for each resample, a column for each image of ``truth``. Matches once, so that a thousand
    resamples cost about as much as a few calls of ``numbers``. Raises as ``numbers`` does.
    """
    if truth.coco is None or draws.ndim != 2 or draws.shape[1] != len(truth.coco["images"]):
        raise UsageError(f"draws of shape {draws.shape} came, expected (resamples, {len(truth.image_ids)} images)")
    evaluation = _evaluator(truth, predictions, kind)
    evaluation.params.area_rng, evaluation.params.area_rng_lbl = (
        [_ALL_AREAS],
        [_AREAS[0]],
    )  # its record of each size would cost thrice this one
    evaluation.evaluate()
    matches = _matches(truth, evaluation.eval_imgs)
    by_class = np.stack(
        [resampled_ap(matched.hit, matched.miss, matched.image, matched.boxes, draws) for matched in matches], 1
    )
    return {
        name: _defined_mean(by_class[:, :, _at(iou)]) for name, (iou, area) in AP.items() if area == "all"
    }  # (R, classes, IoU) -> (R,)


class _Matched(NamedTuple):
    """One class. hit, miss: bool (10, D), best score first. image: int64 (D,). boxes: int64 (N,), true boxes an image."""

    hit: npt.NDArray[np.bool_]
    miss: npt.NDArray[np.bool_]
    image: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]


def _matches(truth: Truth, entries: Sequence[Any]) -> list[_Matched]:
    """Every class's matches, out of the evaluator's own record of each image."""
    coco: Any = truth.coco
    place = {image["id"]: i for i, image in enumerate(coco["images"])}
    found = []
    for category in coco["categories"]:
        mine = [e for e in entries if e and e["category_id"] == category["id"]]
        mine.sort(key=lambda entry: place[entry["image_id"]])
        boxes = np.zeros(len(place), np.int64)
        for entry in mine:
            boxes[place[entry["image_id"]]] = int(np.sum(entry["gtInDenominator"]))
        image = np.concatenate(
            [np.zeros(0, np.int64), *(np.full(len(e["dtScores"]), place[e["image_id"]], np.int64) for e in mine)]
        )
        scores = np.concatenate([np.zeros(0), *(np.asarray(e["dtScores"], np.float64) for e in mine)])
        matched = np.concatenate(
            [np.zeros((10, 0), bool), *(np.asarray(e["dtMatched"], bool).reshape(10, -1) for e in mine)], 1
        )
        ignored = np.concatenate(
            [np.zeros((10, 0), bool), *(np.asarray(e["dtIgnore"], bool).reshape(10, -1) for e in mine)], 1
        )
        order = np.argsort(-scores, kind="stable")
        found.append(_Matched((matched & ~ignored)[:, order], (~matched & ~ignored)[:, order], image[order], boxes))
    return found


def _defined_mean(values: Floats) -> Floats:
    """Mean over all but the first axis, of what is not NaN; (R, ...) -> (R,)."""
    flat = values.reshape(len(values), -1)
    defined = ~np.isnan(flat)
    return np.where(defined.any(1), np.where(defined, flat, 0).sum(1) / np.maximum(defined.sum(1), 1), np.nan)


def _at(iou: int | None) -> slice:
    return slice(None) if iou is None else slice(iou, iou + 1)


def _mean(values: Floats) -> float:
    """Mean of the defined entries; -1 marks an undefined one."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


def evaluate(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> COCOeval:
    """Match detections to the truth and accumulate; the evaluator, ready to be read."""
    evaluation = _evaluator(truth, predictions, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _evaluator(truth: Truth, predictions: Sequence[Prediction], kind: Kind) -> COCOeval:
    import hotcoco

    coco = _official(truth, kind)
    _check(coco, predictions, kind)
    gt = hotcoco.COCO(coco)
    rows: Any = _masks(coco, predictions) if kind == "segm" else _boxes(coco, predictions)
    # The evaluator refuses an empty result list, so a run without any answer becomes one of a box that cannot match or
    # count.
    nothing = np.array([[coco["images"][0]["id"], -9e6, -9e6, 0, 0, 0, coco["categories"][0]["id"]]], np.float64)
    return hotcoco.COCOeval(gt, gt.load_res(rows if len(rows) else nothing), kind)


def _official(truth: Truth, kind: Kind) -> dict[str, Any]:
    """The truth's labels with the fields that the official evaluator needs filled in: id, area, iscrowd."""
    coco, what = truth.coco, "boxes" if kind == "bbox" else "masks"
    if coco is None:
        raise AnnotationError(
            f"{what} were to be scored against a truth without them; expected Truth.coco, a COCO-format dict"
        )
    names = tuple(category["name"] for category in coco["categories"])
    if names != truth.classes:
        raise AnnotationError(
            f"the COCO categories {names} are not the truth's classes {truth.classes}; they must stand in the same "
            f"order"
        )
    lacking = sum("segmentation" not in annotation for annotation in coco["annotations"]) if kind == "segm" else 0
    if lacking:
        raise AnnotationError(
            f"{lacking} of {len(coco['annotations'])} annotations have no segmentation; expected the runs of a mask "
            f"in each"
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
    try:
        annotations = [_filled(annotation, number, kind) for number, annotation in enumerate(coco["annotations"], 1)]
    except (OverflowError, TypeError, ValueError) as error:
        raise AnnotationError(
            f"the COCO labels hold a box or area that is no number: {error}; mend the data set"
        ) from error
    return {"images": list(coco["images"]), "categories": list(coco["categories"]), "annotations": annotations}


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


def _check(coco: Mapping[str, Any], predictions: Sequence[Prediction], kind: Kind) -> None:
    """Refuse what an evaluator would score in silence."""
    images, classes = coco["images"], len(coco["categories"])
    if len(predictions) != len(images):
        raise UsageError(
            f"{len(predictions)} predictions came for {len(images)} images; COCO scores one for each, empty ones too"
        )
    for image, found in zip(images, predictions, strict=True):
        if not isinstance(found, Detections):
            raise UsageError(f"COCO scores Detections, image {image['id']} came with a {type(found).__name__}")
        if found.labels.size and not (found.labels.min() >= 0 and found.labels.max() < classes):
            raise UsageError(
                f"image {image['id']} has labels up to {found.labels.max()}, expected 0 to {classes - 1}: map them "
                f"to the truth's classes first"
            )
        if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
            raise UsageError(
                f"image {image['id']} has a box or score that is not finite; a head must leave such boxes out"
            )
        if kind == "segm":
            size = (image["height"], image["width"])
            if found.masks is None:
                raise UsageError(
                    f"image {image['id']} came with boxes alone; masks are scored, so take a head that gives them"
                )
            if found.masks.image_hw != size:
                raise UsageError(
                    f"image {image['id']} has masks of size {found.masks.image_hw}, expected {size}, the image's "
                    f"height and width"
                )


def _boxes(coco: Mapping[str, Any], predictions: Sequence[Any]) -> Floats:
    """float64 (N, 7): image id, left, top, width, height, score, category id."""
    ids = np.array([category["id"] for category in coco["categories"]], np.float64)
    parts = [np.zeros((0, 7))]
    for image, found in zip(coco["images"], predictions, strict=True):
        boxes = found.boxes_xyxy.astype(np.float64)
        rows = np.empty((len(boxes), 7))
        rows[:, 0] = image["id"]
        rows[:, 1:3] = boxes[:, :2]
        rows[:, 3:5] = boxes[:, 2:] - boxes[:, :2]
        rows[:, 5] = found.scores
        rows[:, 6] = ids[found.labels]
        parts.append(rows)
    return np.concatenate(parts)


def _masks(coco: Mapping[str, Any], predictions: Sequence[Any]) -> list[dict[str, Any]]:
    """A result a mask in COCO's form; without boxes, so that an evaluator takes areas from the masks."""
    ids = [category["id"] for category in coco["categories"]]
    return [
        {
            "image_id": image["id"],
            "category_id": ids[label],
            "segmentation": {"size": [*found.masks.image_hw], "counts": counts.decode("ascii")},
            "score": score,
        }
        for image, found in zip(coco["images"], predictions, strict=True)
        for counts, score, label in zip(
            found.masks.counts, found.scores.astype(np.float64).tolist(), found.labels.tolist(), strict=True
        )
    ]
