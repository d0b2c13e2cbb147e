"""confusion against an implementation in plain loops and sets, and a case worked by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.api import METRICS, Truth
from benchmarks.metrics.confusion import OF_ALL_CLASSES, Confusion, matrices
from downstream.api import VOID, Detections, SegmentationMap
from hsc.errors import AnnotationError, UsageError

CLASSES = ("sky", "road", "car", "boat")


def segmentation(rows):
    return SegmentationMap(np.array(rows, np.uint8))


def truth_of(maps, classes=CLASSES):
    return Truth(tuple(f"image-{i}" for i in range(len(maps))), classes, maps=maps)


def scene(seed, classes=3, images=7):
    """Images of different, odd sizes; labels of the first ``classes`` of CLASSES and void; predictions mostly right,
    some void.
    """
    random = np.random.default_rng(seed)
    true, found = [], []
    for _ in range(images):
        shape = tuple(random.integers(1, 24, 2))
        labels = random.integers(0, classes, shape).astype(np.uint8)
        guess = np.where(random.random(shape) < 0.6, labels, random.integers(0, classes, shape)).astype(np.uint8)
        labels[random.random(shape) < 0.1] = VOID
        guess[random.random(shape) < 0.1] = VOID
        true.append(SegmentationMap(labels))
        found.append(SegmentationMap(guess))
    return truth_of(true), found


def reference(truth, predictions):
    """The definitions read aloud: sets of pixels, exact fractions, no matrix."""
    true, found, pixels = {}, {}, 0
    for image, (labels, guess) in enumerate(zip(truth.maps, predictions, strict=True)):
        for y in range(labels.labels.shape[0]):
            for x in range(labels.labels.shape[1]):
                if labels.labels[y, x] == VOID:
                    continue
                pixels += 1
                true.setdefault(labels.labels[y, x], set()).add((image, y, x))
                found.setdefault(guess.labels[y, x], set()).add((image, y, x))
    nothing = set()
    iou, right, weighted = {}, 0, Fraction(0)
    for number in range(len(truth.classes)):
        a, b = true.get(number, nothing), found.get(number, nothing)
        if a | b:
            iou[number] = Fraction(len(a & b), len(a | b))
            right += len(a & b)
            weighted += Fraction(len(a), pixels) * iou[number]
    by_class = [float(iou[n]) if n in iou else math.nan for n in range(len(truth.classes))]
    labelled = [iou[n] for n in iou if n in true]
    return [
        float(sum(iou.values()) / len(iou)),
        float(sum(labelled) / len(labelled)),
        right / pixels,
        float(weighted),
        *by_class,
    ]


@pytest.mark.parametrize("seed", range(6))
def test_equals_plain_loops(seed):
    truth, predictions = scene(seed)
    ours = Confusion().compute(truth, predictions)
    assert [s.metric for s in ours] == [*OF_ALL_CLASSES, *["iou"] * len(CLASSES)]
    assert list(Confusion.facts) == [*OF_ALL_CLASSES, "iou"]
    assert [s.part for s in ours] == [""] * 4 + list(CLASSES)
    np.testing.assert_allclose([s.value for s in ours], reference(truth, predictions), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_equals_hotcoco(seed):
    """Another project's evaluator, in Rust, after mmsegmentation's protocol; it has no predicted void."""
    from hotcoco.semantic import SemanticEval

    truth, predictions = scene(seed + 10, classes=4)
    predictions = [SegmentationMap(np.where(p.labels == VOID, 0, p.labels)) for p in predictions]
    other = SemanticEval(list(CLASSES))
    for labels, guess in zip(truth.maps, predictions, strict=True):
        other.update(labels.labels, guess.labels)
    expected = other.report()["metrics"]
    value = {
        s.metric: s.value for s in Confusion().compute(truth, predictions) if not s.part and s.metric != "miou_labelled"
    }
    assert value == pytest.approx(
        {"miou": expected["mIoU"], "pixel_accuracy": expected["aAcc"], "fw_iou": expected["fwIoU"]}, abs=1e-12
    )


def test_a_case_worked_by_hand():
    """Two images as one data set. Labelled pixels: 4 sky, 3 road, 2 car.

    sky: 3 right of 4, never a false alarm: 3/4. road: 2 right, 1 called void, 1 car called road: 2/4. car: none right
    of 2, one sky
    called car: 0/3. boat: nowhere. The pixel without a label, called car, counts for nobody.
    """
    truth = truth_of([segmentation([[0, 0, 0], [1, 1, 1]]), segmentation([[0, 2, 2, VOID]])])
    found = [segmentation([[0, 0, 2], [1, 1, VOID]]), segmentation([[0, 1, VOID, 2]])]
    value = {(s.metric, s.part): s.value for s in Confusion().compute(truth, found)}
    assert value["iou", "sky"] == pytest.approx(3 / 4)
    assert value["iou", "road"] == pytest.approx(2 / 4)
    assert value["iou", "car"] == 0.0
    assert math.isnan(value["iou", "boat"])
    assert value["miou", ""] == value["miou_labelled", ""] == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)
    assert value["pixel_accuracy", ""] == pytest.approx(5 / 9)
    assert value["fw_iou", ""] == pytest.approx((4 * 3 / 4 + 3 * 2 / 4) / 9)
    assert np.sum(list(matrices(truth, found)), axis=0).tolist() == [
        [3, 0, 1, 0, 0],
        [0, 2, 0, 0, 1],
        [0, 1, 0, 0, 1],
        [0, 0, 0, 0, 0],
    ]


def test_a_class_found_where_it_never_is_counts_as_zero_in_the_one_mean():
    truth = truth_of([segmentation([[0, 0]])])
    value = {(s.metric, s.part): s.value for s in Confusion().compute(truth, [segmentation([[0, 3]])])}
    assert value["iou", "boat"] == 0.0
    assert value["miou", ""] == pytest.approx((1 / 2 + 0) / 2)
    assert value["miou_labelled", ""] == pytest.approx(1 / 2)


def test_perfect_is_one_all_void_is_zero_and_no_label_is_nan():
    truth, _ = scene(0)
    assert [s.value for s in Confusion().compute(truth, truth.maps)][:4] == [1.0] * 4
    nothing = [SegmentationMap(np.full_like(m.labels, VOID)) for m in truth.maps]
    assert [s.value for s in Confusion().compute(truth, nothing)][:4] == [0.0] * 4
    unlabelled = truth_of([segmentation([[VOID, VOID]])])
    assert all(math.isnan(s.value) for s in Confusion().compute(unlabelled, [segmentation([[0, 1]])]))


def test_resamples_equal_copied_images():
    """Each resample against the same metric on a data set in which the drawn images really stand several times."""
    truth, predictions = scene(4)
    draws = np.random.default_rng(0).multinomial(7, [1 / 7] * 7, size=6)
    found = Confusion().resample(truth, predictions, draws)
    assert tuple(found) == (*OF_ALL_CLASSES, *(f"iou/{name}" for name in CLASSES))
    for row, counts in enumerate(draws):
        picked = [i for i, count in enumerate(counts) for _ in range(count)]
        copied = truth_of([truth.maps[i] for i in picked])
        value = {
            f"{s.metric}/{s.part}" if s.part else s.metric: s.value
            for s in Confusion().compute(copied, [predictions[i] for i in picked])
        }
        assert {name: found[name][row] for name in found} == pytest.approx(value, abs=1e-12, nan_ok=True)


def test_resamples_without_a_label_are_nan():
    truth = truth_of([segmentation([[VOID]]), segmentation([[1]])])
    found = Confusion().resample(truth, [segmentation([[0]]), segmentation([[1]])], np.array([[2, 0], [0, 2]]))
    assert found["miou"].tolist()[1] == 1.0
    assert all(math.isnan(values[0]) for values in found.values())
    with pytest.raises(UsageError, match=r"expected \(resamples, 2 images\)"):
        Confusion().resample(truth, truth.maps, np.ones((3, 1), np.int64))


@pytest.mark.parametrize("classes", [1, 150, 255])
def test_any_number_of_classes(classes):
    names = tuple(f"class {i}" for i in range(classes))
    labels = np.arange(classes, dtype=np.uint8)[None]
    ours = Confusion().compute(truth_of([SegmentationMap(labels)], names), [SegmentationMap(labels)])
    assert all(s.value == 1.0 for s in ours)


def test_refuses_what_does_not_fit():
    truth, predictions = scene(0)
    with pytest.raises(UsageError, match="6 predictions came for 7 images"):
        Confusion().compute(truth, predictions[1:])
    one = truth_of([segmentation([[0, 1]])])
    with pytest.raises(UsageError, match=r"image-0 has a prediction of shape \(2, 1\) for labels of shape \(1, 2\)"):
        Confusion().compute(one, [segmentation([[0], [1]])])
    for label in (4, 254):
        with pytest.raises(UsageError, match="map them"):
            Confusion().compute(one, [segmentation([[0, label]])])
        with pytest.raises(AnnotationError, match="image-0 has labels above 3"):
            Confusion().compute(truth_of([segmentation([[label, 1]])]), [segmentation([[0, 1]])])
    boxes = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    with pytest.raises(UsageError, match="came with a Detections"):
        Confusion().compute(one, [boxes])
    with pytest.raises(AnnotationError, match="without label maps"):
        Confusion().compute(Truth(("a",), CLASSES), [segmentation([[0]])])


def test_is_registered():
    assert METRICS.build("confusion") == Confusion()
