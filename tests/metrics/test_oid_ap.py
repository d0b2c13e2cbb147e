"""mAP by the Open Images Challenge, in cases worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.api import Truth
from benchmarks.metrics.oid_ap import NAME, VERIFIED, OidAp
from downstream.api import Detections

CLASSES = ("cat", "dog")


def truth(*images: dict[str, Any]) -> Truth:
    """Labels: of each image its verified classes, and its boxes as (class, left, top, side, group)."""
    entries, annotations = [], []
    for number, image in enumerate(images, 1):
        verified = {VERIFIED: image["verified"]} if "verified" in image else {}
        entries.append({"id": number, "file_name": f"{number}", "height": 100, "width": 100, **verified})
        for name, left, top, side, group in image.get("boxes", ()):
            box = {"bbox": [float(left), float(top), float(side), float(side)], "area": float(side * side)}
            ids = {"id": len(annotations) + 1, "image_id": number, "category_id": CLASSES.index(name) + 1}
            annotations.append({**ids, **box, "iscrowd": group})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    coco = {"images": entries, "annotations": annotations, "categories": categories}
    return Truth(tuple(entry["file_name"] for entry in entries), CLASSES, coco=coco)


def found(*boxes: tuple[str, float, float, float, float]) -> Detections:
    """Detections as (class, left, top, side, score)."""
    corners = np.array([(left, top, left + side, top + side) for _, left, top, side, _ in boxes], np.float32)
    scores = np.array([score for *_, score in boxes], np.float32)
    return Detections(corners.reshape(-1, 4), scores, np.array([CLASSES.index(name) for name, *_ in boxes], np.int64))


def ap(labels: Truth, *answers: Detections) -> dict[str, float]:
    """The mAP under "", and AP of each class."""
    return {score.part: score.value for score in OidAp().compute(labels, answers)}


def test_a_class_that_nobody_verified_is_no_mistake() -> None:
    labels = truth({"verified": ("cat",), "boxes": [("cat", 0, 0, 20, 0)]}, {"verified": ("dog",)})
    seen = found(("cat", 0, 0, 20, 0.5), ("dog", 50, 50, 20, 0.9))
    assert ap(labels, seen, found(("cat", 5, 5, 20, 0.9)))["cat"] == 1.0
    everywhere = truth({"boxes": [("cat", 0, 0, 20, 0)]}, {})
    assert ap(everywhere, seen, found(("cat", 5, 5, 20, 0.9)))["cat"] == 0.5


def test_a_verified_class_that_is_not_there_is_a_mistake() -> None:
    labels = truth({"verified": ("cat",), "boxes": [("cat", 0, 0, 20, 0)]}, {"verified": ("cat",)})
    assert ap(labels, found(("cat", 0, 0, 20, 0.5)), found(("cat", 5, 5, 20, 0.9)))["cat"] == 0.5


def test_a_group_is_found_once_by_detections_inside_it() -> None:
    labels = truth({"boxes": [("cat", 0, 0, 80, 1), ("cat", 85, 85, 10, 0)]})
    inside = found(("cat", 5, 5, 10, 0.9), ("cat", 30, 30, 10, 0.8), ("cat", 85, 85, 10, 0.7))
    assert ap(labels, inside)["cat"] == 1.0
    assert ap(labels, found(("cat", 85, 85, 10, 0.7)))["cat"] == 0.5  # the group was not found
    half_out = found(("cat", 74, 0, 10, 0.9), ("cat", 85, 85, 10, 0.7))  # 60 % of its area is in the group
    assert ap(labels, half_out)["cat"] == 1.0
    outside = found(("cat", 78, 0, 10, 0.9), ("cat", 85, 85, 10, 0.7))
    assert ap(labels, outside)["cat"] == pytest.approx(0.5 * 0.5)


def test_a_second_detection_of_a_box_is_a_mistake_and_the_area_is_that_of_the_envelope() -> None:
    labels = truth({"boxes": [("cat", 0, 0, 20, 0), ("cat", 40, 40, 20, 0)]})
    seen = found(("cat", 0, 0, 20, 0.9), ("cat", 1, 1, 20, 0.8), ("cat", 40, 40, 20, 0.7))
    # recall 1/2 at precision 1, then 1 at 2/3
    assert ap(labels, seen)["cat"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert ap(labels, seen)["dog"] != ap(labels, seen)["dog"]  # no dog is labelled
    assert ap(labels, seen)[""] == ap(labels, seen)["cat"]


def test_resamples_are_those_of_copied_images() -> None:
    images = [{"boxes": [("cat", 0, 0, 20, 0)]}, {"boxes": [("cat", 40, 40, 20, 0), ("dog", 0, 0, 30, 1)]}, {}]
    answers = [
        found(("cat", 0, 0, 20, 0.6), ("dog", 3, 3, 9, 0.2)),
        found(("cat", 41, 41, 20, 0.5), ("cat", 0, 60, 20, 0.55), ("dog", 2, 2, 9, 0.3)),
        found(("cat", 0, 0, 20, 0.9)),
    ]
    draws = np.array([[1, 1, 1], [2, 0, 1], [0, 3, 0], [0, 0, 3]])
    resampled = OidAp().resample(truth(*images), answers, draws)[NAME]
    for row, value in zip(draws, resampled, strict=True):
        places = np.repeat(np.arange(3), row).tolist()
        copied = ap(truth(*(images[place] for place in places)), *(answers[place] for place in places))[""]
        np.testing.assert_allclose(value, copied, equal_nan=True)
