"""Matches in arrays against those that hotcoco's evaluator writes down image by image, and AP of many resamples."""

from __future__ import annotations

from dataclasses import replace

import hotcoco
import numpy as np
import pytest
from test_coco_ap import detections, one_image, scene

from benchmarks.formats.coco_table import CocoTable
from benchmarks.metrics._ap_bootstrap import resampled_ap
from benchmarks.metrics._coco_matching import IOU_THRESHOLDS, Matched
from benchmarks.metrics._coco_tally import matches
from benchmarks.metrics.coco_ap import CocoAp


def written_down(truth, predictions):
    """The evaluator's records of each class: hits, ignored detections and images, best first; objects by image."""
    rows = [
        [image["id"], *box[:2], *(box[2:] - box[:2]), score, truth.coco["categories"][label]["id"]]
        for image, found in zip(truth.coco["images"], predictions, strict=True)
        for box, score, label in zip(
            found.boxes_xyxy.astype(np.float64), found.scores.astype(np.float64), found.labels, strict=True
        )
    ]
    gt = hotcoco.COCO({key: list(records) for key, records in truth.coco.items()})
    evaluation = hotcoco.COCOeval(gt, gt.load_res(np.array(rows)), "bbox")
    evaluation.params.area_rng, evaluation.params.area_rng_lbl = [[0.0, 1e10]], ["all"]
    evaluation.evaluate()
    place = {image["id"]: number for number, image in enumerate(truth.coco["images"])}
    for category in truth.coco["categories"]:
        records = [e for e in evaluation.eval_imgs if e and e["category_id"] == category["id"]]
        records.sort(key=lambda record: place[record["image_id"]])
        scores = np.concatenate([np.zeros(0), *(record["dtScores"] for record in records)])
        order = np.argsort(-scores, kind="stable")
        matched, ignored = (
            np.concatenate([np.zeros((10, 0), bool), *(np.array(r[name], bool).reshape(10, -1) for r in records)], 1)
            for name in ("dtMatched", "dtIgnore")
        )
        image = np.concatenate(
            [np.zeros(0, int), *(np.full(len(r["dtScores"]), place[r["image_id"]]) for r in records)]
        )
        labelled = [(place[r["image_id"]], int(np.sum(r["gtInDenominator"]))) for r in records]
        yield (matched & ~ignored)[:, order], ignored[:, order], image[order], {i: n for i, n in labelled if n}


def flags(bits):
    """Bits of each detection as bool (T, D)."""
    return (bits & (1 << np.arange(len(IOU_THRESHOLDS)))[:, None]) > 0


@pytest.mark.parametrize("seed", range(8))
def test_matches_are_the_evaluators(seed):
    truth, predictions = scene(seed)
    tabled = replace(truth, coco=CocoTable.of(truth.coco))
    for of_dicts, of_table, (hit, ignored, image, labelled) in zip(
        matches(truth, predictions, "bbox"),
        matches(tabled, predictions, "bbox"),
        written_down(truth, predictions),
        strict=True,
    ):
        assert np.array_equal(flags(of_dicts.hit), hit)
        assert np.array_equal(flags(of_dicts.ignored), ignored)
        assert np.array_equal(of_dicts.image, image)
        assert dict(zip(*np.unique(of_dicts.labelled, return_counts=True), strict=True)) == labelled
        assert all(np.array_equal(a, b) for a, b in zip(of_dicts, of_table, strict=True))


def test_objects_too_large_to_count_are_taken_and_ignored():
    truth = one_image([[0, 0, 2e5, 1e5]])
    (matched,) = matches(truth, [detections([[0, 0, 2e5, 1e5, 0.9, 0], [0, 0, 4e5, 1e5, 0.8, 0]])], "bbox")
    assert matched.hit.tolist() == [0, 0]
    assert matched.ignored.tolist() == [1023, 1023]
    assert not len(matched.labelled)


def slow_ap(matched, row):
    """AP by the definition, at each threshold: detections copied as often as their image was drawn."""
    total = int(row[matched.labelled].sum())
    values = []
    for hit, ignored in zip(flags(matched.hit), flags(matched.ignored), strict=True):
        hits = np.repeat(hit[~ignored], row[matched.image[~ignored]])
        if not total:
            values.append(np.nan)
            continue
        right = np.cumsum(hits)
        recall, precision = right / total, right / (np.arange(len(hits)) + 1)
        best = [precision[recall >= level].max(initial=0) for level in np.linspace(0, 1, 101)]
        values.append(np.mean(best))
    return values


@pytest.mark.parametrize("seed", range(3))
def test_ap_of_resamples_is_that_of_copied_detections(seed):
    truth, predictions = scene(seed)
    draws = np.random.default_rng(seed).integers(0, 3, (90, len(predictions))).astype(np.int32)
    draws[0] = 0
    matched = matches(truth, predictions, "bbox")
    ap = resampled_ap(matched, draws)
    assert np.isnan(ap[0]).all()
    slow = [[slow_ap(of_class, row) for of_class in matched] for row in draws]
    np.testing.assert_allclose(ap, slow, rtol=0, atol=1e-12)
    blocks = [resampled_ap(matched, draws[start : start + 7]) for start in range(0, 90, 7)]
    assert np.array_equal(np.concatenate(blocks), ap, equal_nan=True)


def test_a_class_that_nothing_was_found_of_has_no_precision():
    nothing = np.zeros(0, np.uint16)
    matched = Matched(nothing, nothing, np.zeros(0, np.int32), np.array([0, 1, 1], np.int32))
    assert resampled_ap([matched], np.array([[1, 0], [0, 0]]))[:, 0].tolist() == [
        [0.0] * 10,
        pytest.approx([np.nan] * 10, nan_ok=True),
    ]


def test_a_tally_gives_the_numbers_of_the_metric():
    truth, predictions = scene(0)
    tally, draws = CocoAp().tally(truth, predictions), np.ones((2, len(predictions)), np.int64)
    value = {(score.metric, score.part): score.value for score in tally.scores()}
    for name, samples in tally.resample(draws).items():
        np.testing.assert_allclose(samples, value[name, ""], rtol=0, atol=1e-12)
