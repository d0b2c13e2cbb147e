"""coco_ap against pycocotools, and a case worked by hand."""

from __future__ import annotations

import contextlib
import copy
import io
import math

import numpy as np
import pytest

from benchmarks.api import METRICS, Truth
from benchmarks.metrics.coco_ap import CocoAp
from downstream.api import Detections
from hsc.errors import UsageError

CLASSES = ("car", "person", "sign", "tram", "boat")


def detections(rows):
    rows = np.asarray(rows, np.float64).reshape(-1, 6)
    return Detections(rows[:, :4].astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.int64))


def scene(seed):
    """Truth with crowds, specks and two classes without truth; detections with ties, over 100 an image, one image
    empty.
    """
    random = np.random.default_rng(seed)
    images = [{"id": 7 * i + 3, "width": 200, "height": 150} for i in range(10)]
    annotations, found = [], [[] for _ in images]
    for i, image in enumerate(images):
        for _ in range(0 if i in (2, 5) else random.integers(0, 25)):
            w, h = (0.01, 0.02) if random.random() < 0.1 else np.exp(random.uniform(0, 5, 2))
            x, y, label = *random.uniform(0, 150, 2), int(random.integers(0, 3))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": 10 * label + 1,
                    "bbox": [float(x), float(y), float(w), float(h)],
                    "area": float(w * h * random.uniform(0.5, 1)),
                    "iscrowd": int(random.random() < 0.15),
                }
            )
            for _ in range(0 if i == 3 else random.integers(0, 4)):
                dx, dy, dw, dh = random.normal(0, 0.12, 4)
                left, top = x + dx * w, y + dy * h
                label_found = int(random.integers(0, 5)) if random.random() < 0.2 else label
                found[i].append(
                    [left, top, left + w * np.exp(dw), top + h * np.exp(dh), round(random.random(), 1), label_found]
                )
    for _ in range(130):
        x, y, w, h = *random.uniform(0, 150, 2), *np.exp(random.uniform(0, 5, 2))
        found[0].append([x, y, x + w, y + h, round(random.random(), 1), 0])
    coco = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 10 * i + 1, "name": n} for i, n in enumerate(CLASSES)],
    }
    return Truth(tuple(str(i["id"]) for i in images), CLASSES, coco), [detections(f) for f in found]


def reference(truth, predictions):
    """pycocotools' twelve numbers, and AP by class; -1 stays -1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = []
    for image, found in zip(truth.coco["images"], predictions, strict=True):
        for box, score, label in zip(
            found.boxes_xyxy.astype(np.float64), found.scores.astype(np.float64), found.labels, strict=True
        ):
            rows.append([image["id"], *box[:2], *(box[2:] - box[:2]), score, truth.coco["categories"][label]["id"]])
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(dict(truth.coco))
        gt.createIndex()
        evaluation = COCOeval(gt, gt.loadRes(np.array(rows)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    by_class = [p[p > -1].mean() if (p > -1).any() else -1.0 for p in np.moveaxis(precision, 2, 0)]
    return [*evaluation.stats, *by_class]


@pytest.mark.parametrize("seed", range(6))
def test_equals_pycocotools(seed):
    truth, predictions = scene(seed)
    ours = CocoAp().compute(truth, predictions)
    assert [s.metric for s in ours] == [*CocoAp.facts, *["ap"] * len(CLASSES)]
    assert [s.part for s in ours] == [""] * 12 + list(CLASSES)
    values = [-1.0 if math.isnan(s.value) else s.value for s in ours]
    np.testing.assert_allclose(values, reference(truth, predictions), rtol=0, atol=1e-9)


def one_image(boxes):
    annotations = [{"image_id": 1, "category_id": 1, "bbox": b} for b in boxes]
    return Truth(
        ("a",),
        ("car",),
        {
            "images": [{"id": 1, "width": 99, "height": 99}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "car"}],
        },
    )


def test_a_case_worked_by_hand():
    """Two cars; the best box is exact, the second a miss: precision 1 up to recall 1/2, so 51 of 101 recall levels hold
    1.
    """
    truth = one_image([[0, 0, 10, 10], [50, 50, 10, 10]])
    found = detections([[0, 0, 10, 10, 0.9, 0], [20, 20, 30, 30, 0.8, 0]])
    value = {(s.metric, s.part): s.value for s in CocoAp().compute(truth, [found])}
    assert value["ap", ""] == pytest.approx(51 / 101, abs=1e-12)
    assert value["ap", "car"] == value["ap_small", ""] == value["ap50", ""] == value["ap", ""]
    assert value["ar100", ""] == pytest.approx(0.5)
    assert math.isnan(value["ap_large", ""])


def test_no_detection_at_all_is_zero_and_no_truth_is_nan():
    truth, _ = scene(0)
    value = {(s.metric, s.part): s.value for s in CocoAp().compute(truth, [detections([])] * len(truth.image_ids))}
    assert value["ap", ""] == 0.0
    assert value["ar100", ""] == 0.0
    assert math.isnan(value["ap", "boat"])
    assert all(math.isnan(s.value) for s in CocoAp().compute(one_image([]), [detections([])]))


def test_resamples_equal_copied_images():
    """Each resample against the same metric on a data set in which the drawn images really stand several times."""
    truth, predictions = scene(4)
    random = np.random.default_rng(0)
    predictions = [
        Detections(p.boxes_xyxy, random.permutation(len(p.scores)).astype(np.float32) + random.random(), p.labels)
        for p in predictions
    ]
    predictions = [Detections(p.boxes_xyxy, p.scores / 1000, p.labels) for p in predictions]
    draws = random.multinomial(10, [0.1] * 10, size=5)
    found = CocoAp().resample(truth, predictions, draws)
    for row, counts in enumerate(draws):
        value = {s.metric: s.value for s in CocoAp().compute(*copied(truth, predictions, counts)) if not s.part}
        for name in ("ap", "ap50", "ap75"):
            assert found[name][row] == pytest.approx(value[name], abs=1e-9)


def copied(truth, predictions, counts):
    images, annotations, found = [], [], []
    for image, prediction, count in zip(truth.coco["images"], predictions, counts, strict=True):
        for _ in range(count):
            number = len(images) + 1
            annotations += [
                {**a, "image_id": number} for a in truth.coco["annotations"] if a["image_id"] == image["id"]
            ]
            images.append({**image, "id": number})
            found.append(prediction)
    return Truth(
        tuple(str(i["id"]) for i in images), CLASSES, {**truth.coco, "images": images, "annotations": annotations}
    ), found


def test_resamples_without_truth_are_nan():
    found = CocoAp().resample(one_image([]), [detections([[0, 0, 5, 5, 0.5, 0]])], np.ones((3, 1), np.int64))
    assert np.isnan(found["ap"]).all()
    with pytest.raises(UsageError, match="expected"):
        CocoAp().resample(one_image([]), [detections([])], np.ones((3, 2), np.int64))


def test_refuses_what_does_not_fit():
    truth, predictions = scene(0)
    with pytest.raises(UsageError, match="9 predictions came for 10 images"):
        CocoAp().compute(truth, predictions[1:])
    with pytest.raises(UsageError, match="map them"):
        CocoAp().compute(one_image([]), [detections([[0, 0, 1, 1, 0.5, 3]])])
    with pytest.raises(UsageError, match="not finite"):
        CocoAp().compute(one_image([]), [detections([[0, 0, math.nan, 1, 0.5, 0]])])


def test_is_registered():
    assert METRICS.build("coco_ap") == CocoAp()
