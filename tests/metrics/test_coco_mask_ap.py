"""coco_mask_ap against pycocotools, and a case worked by hand."""

from __future__ import annotations

import contextlib
import copy
import io
import math
from typing import Any

import numpy as np
import pytest

from benchmarks.api import METRICS, Truth
from benchmarks.metrics.coco_ap import CocoAp
from benchmarks.metrics.coco_mask_ap import CocoMaskAp
from downstream.api import Detections, Masks, from_bytes, to_bytes
from downstream.ops.masks import pack, unpack
from hsc.errors import AnnotationError, UsageError

CLASSES = ("car", "person", "boat")
SIZE = (40, 56)


def ellipse(random: np.random.Generator, centre: Any, radii: Any) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 <= 1


def box_of(mask: np.ndarray) -> list[float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [float(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)] if mask.any() else [0.0] * 4


def coded(mask: np.ndarray) -> dict[str, Any]:
    masks = pack(mask[None])
    return {"size": [*masks.image_hw], "counts": masks.counts[0].decode("ascii")}


def found_as(masks: list[np.ndarray], scores: list[float], labels: list[int]) -> Detections:
    drawn = np.array(masks, bool).reshape(-1, *SIZE)
    boxes = np.array([box_of(mask) for mask in drawn], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32), np.array(labels, np.int64), pack(drawn))


def truth_of(per_image: list[list[tuple[np.ndarray, int, int]]], classes: tuple[str, ...] = CLASSES) -> Truth:
    """per_image: (mask, label, iscrowd) of each object."""
    annotations = []
    for at, objects in enumerate(per_image):
        for mask, label, crowd in objects:
            left, top, right, bottom = box_of(mask)
            about = {
                "id": len(annotations) + 1,
                "image_id": at + 1,
                "category_id": label + 1,
                "iscrowd": crowd,
                "area": float(mask.sum()),
            }
            annotations.append({**about, "bbox": [left, top, right - left, bottom - top], "segmentation": coded(mask)})
    images = [{"id": i + 1, "height": SIZE[0], "width": SIZE[1]} for i in range(len(per_image))]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(classes)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    return Truth(tuple(str(i) for i in range(len(per_image))), classes, coco)


def scene(seed: int) -> tuple[Truth, list[Detections]]:
    """Ellipses, crowds among them, found a little off; ties, empty masks, an image without truth and one without
    answers.
    """
    random = np.random.default_rng(seed)
    objects: list[list[tuple[np.ndarray, int, int]]] = []
    answers = []
    for at in range(8):
        true, masks, scores, labels = [], [], [], []
        for _ in range(0 if at == 2 else random.integers(1, 7)):
            centre, radii, label = (
                random.uniform((4, 4), (36, 52)),
                random.uniform(1, 16, 2),
                int(random.integers(0, 2)),
            )
            true.append((ellipse(random, centre, radii), label, int(random.random() < 0.15)))
            for _ in range(0 if at == 5 else random.integers(0, 4)):
                masks.append(ellipse(random, centre + random.normal(0, 1, 2), radii * np.exp(random.normal(0, 0.1, 2))))
                scores.append(round(random.random(), 1))
                labels.append(int(random.integers(0, 3)) if random.random() < 0.2 else label)
        if at == 3:
            masks.append(np.zeros(SIZE, bool))
            scores.append(0.95)
            labels.append(0)
        objects.append([one for one in true if one[0].any()])
        answers.append(found_as(masks, scores, labels))
    return truth_of(objects), answers


def reference(truth: Truth, predictions: list[Detections]) -> list[float]:
    """pycocotools' twelve numbers, and AP by class; -1 stays -1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    assert truth.coco is not None
    results = []
    for image, found in zip(truth.coco["images"], predictions, strict=True):
        assert found.masks is not None
        for counts, score, label in zip(found.masks.counts, found.scores.astype(np.float64), found.labels, strict=True):
            about = {"image_id": image["id"], "category_id": int(label) + 1, "score": float(score)}
            results.append({**about, "segmentation": {"size": [*SIZE], "counts": counts}})
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(dict(truth.coco))
        gt.createIndex()
        evaluation = COCOeval(gt, gt.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    return [*evaluation.stats, *(p[p > -1].mean() if (p > -1).any() else -1.0 for p in np.moveaxis(precision, 2, 0))]


@pytest.mark.parametrize("seed", range(5))
def test_equals_pycocotools(seed: int) -> None:
    truth, predictions = scene(seed)
    ours = CocoMaskAp().compute(truth, predictions)
    assert [s.metric for s in ours] == [*CocoMaskAp.facts, *["mask_ap"] * len(CLASSES)]
    assert [s.part for s in ours] == [""] * 12 + list(CLASSES)
    values = [-1.0 if math.isnan(s.value) else s.value for s in ours]
    np.testing.assert_allclose(values, reference(truth, predictions), rtol=0, atol=1e-9)
    assert 0 < values[0] < 1


def squares() -> tuple[np.ndarray, np.ndarray]:
    first, second = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    first[2:12, 2:12] = True
    second[20:30, 30:40] = True
    return first, second


def test_a_case_worked_by_hand() -> None:
    """Two squares of 100 pixels; the surer answer covers 62 of the first and no more, the other all of the second.

    At IoU .50, .55 and .60 both are right: AP 1. At the seven others the surer one is wrong, and precision is 1/2 up to
    recall 1/2, which 51 of 101 levels do not exceed. The boxes of both are right at every IoU that COCO asks for.
    """
    first, second = squares()
    part = first.copy()
    part[2:5, 2:12] = False
    part[5, 2:10] = False  # 38 pixels less
    assert part.sum() == 62
    found = found_as([part, second], [0.9, 0.8], [0, 0])
    found = Detections(np.array([box_of(first), box_of(second)], np.float32), found.scores, found.labels, found.masks)
    truth = truth_of([[(first, 0, 0), (second, 0, 0)]], ("car",))
    value = {(s.metric, s.part): s.value for s in CocoMaskAp().compute(truth, [found])}
    assert value["mask_ap", ""] == pytest.approx((3 + 7 * 51 / 101 / 2) / 10, abs=1e-12)
    assert value["mask_ap50", ""] == pytest.approx(1.0)
    assert value["mask_ap75", ""] == pytest.approx(51 / 101 / 2, abs=1e-12)
    assert value["mask_ap", "car"] == value["mask_ap_small", ""] == value["mask_ap", ""]
    assert CocoAp().compute(truth, [found])[0].value == pytest.approx(1.0)


def test_resamples_equal_copied_images() -> None:
    truth, predictions = scene(1)
    assert truth.coco is not None
    draws = np.random.default_rng(0).multinomial(8, [1 / 8] * 8, size=3)
    unlike = [
        Detections(p.boxes_xyxy, (p.scores + np.arange(len(p.scores)) * 1e-3 + at * 1e-5), p.labels, p.masks)
        for at, p in enumerate(predictions)
    ]
    found = CocoMaskAp().resample(truth, unlike, draws)
    for row, counts in enumerate(draws):
        picked = [i for i, count in enumerate(counts) for _ in range(count)]
        images = [{**truth.coco["images"][i], "id": n + 1} for n, i in enumerate(picked)]
        copied = [
            {**a, "image_id": n + 1}
            for n, i in enumerate(picked)
            for a in truth.coco["annotations"]
            if a["image_id"] == i + 1
        ]
        again = Truth(tuple(map(str, picked)), CLASSES, {**truth.coco, "images": images, "annotations": copied})
        value = {s.metric: s.value for s in CocoMaskAp().compute(again, [unlike[i] for i in picked]) if not s.part}
        for name in ("mask_ap", "mask_ap50", "mask_ap75"):
            assert found[name][row] == pytest.approx(value[name], abs=1e-9)


def test_no_answer_is_zero_and_no_truth_is_nan() -> None:
    truth, predictions = scene(0)
    nothing = [found_as([], [], [])] * len(predictions)
    value = {(s.metric, s.part): s.value for s in CocoMaskAp().compute(truth, nothing)}
    assert value["mask_ap", ""] == value["mask_ar100", ""] == 0.0
    assert math.isnan(value["mask_ap", "boat"])
    assert all(math.isnan(s.value) for s in CocoMaskAp().compute(truth_of([[]]), nothing[:1]))


def test_what_an_evaluator_would_score_in_silence_is_refused() -> None:
    first, _ = squares()
    truth, found = truth_of([[(first, 0, 0)]]), found_as([first], [0.5], [0])
    with pytest.raises(UsageError, match="boxes alone"):
        CocoMaskAp().compute(truth, [Detections(found.boxes_xyxy, found.scores, found.labels)])
    with pytest.raises(UsageError, match=r"masks of size \(5, 6\), expected \(40, 56\)"):
        CocoMaskAp().compute(
            truth, [Detections(found.boxes_xyxy, found.scores, found.labels, pack(np.ones((1, 5, 6), bool)))]
        )
    assert truth.coco is not None
    bare = [{k: v for k, v in a.items() if k != "segmentation"} for a in truth.coco["annotations"]]
    with pytest.raises(AnnotationError, match="1 of 1 annotations have no segmentation"):
        CocoMaskAp().compute(Truth(truth.image_ids, CLASSES, {**truth.coco, "annotations": bare}), [found])


def test_masks_are_packed_as_pycocotools_does_and_kept_whole() -> None:
    from pycocotools import mask as official

    random = np.random.default_rng(3)
    drawn = random.random((4, 9, 13)) < 0.5
    drawn[1], drawn[2] = False, True
    masks = pack(drawn)
    assert masks.counts == tuple(official.encode(np.asfortranarray(one.astype(np.uint8)))["counts"] for one in drawn)
    np.testing.assert_array_equal(unpack(masks), drawn)
    np.testing.assert_array_equal(unpack(masks.kept(np.array([True, False, False, True]))), drawn[[0, 3]])
    assert unpack(Masks((), (9, 13))).shape == (0, 9, 13)
    for count in (4, 0):
        some = pack(drawn[:count])
        before = Detections(
            np.zeros((count, 4), np.float32), np.zeros(count, np.float32), np.zeros(count, np.int64), some
        )
        after = from_bytes(to_bytes(before))
        assert isinstance(after, Detections)
        assert after.masks == some
    with pytest.raises(ValueError, match="4 masks do not fit 1 boxes"):
        Detections(np.zeros((1, 4), np.float32), np.zeros(1, np.float32), np.zeros(1, np.int64), masks)


def test_is_registered() -> None:
    assert METRICS.build("coco_mask_ap") == CocoMaskAp()
