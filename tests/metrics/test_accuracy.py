"""accuracy against torch's topk, torchmetrics and plain fractions, and a case worked by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from benchmarks.api import METRICS, Truth
from benchmarks.metrics.accuracy import MAX_PARTS, Accuracy
from downstream.api import NO_CLASS, Classification, ranked
from hsc.errors import AnnotationError, UsageError

CLASSES = tuple(f"class-{number}" for number in range(9))


def scene(seed, images=12, classes=9):
    """Labels of some objects an image, some of them not scored, and logits that are often right."""
    random = np.random.default_rng(seed)
    labels = [random.integers(0, classes - 1, random.integers(0, 5)) for _ in range(images)]
    logits = [random.normal(0, 1, (len(one), classes)) + 1.5 * np.eye(classes)[one] for one in labels]
    labels = [np.where(random.random(len(one)) < 0.1, -1, one) for one in labels]
    return labels, logits


def truth_of(labels, classes=CLASSES):
    return Truth(tuple(f"image-{i}" for i in range(len(labels))), tuple(classes), labels=labels)


def values(truth, predictions):
    return {(s.metric, s.part): s.value for s in Accuracy().compute(truth, predictions)}


@pytest.mark.parametrize("seed", range(4))
def test_equals_torch_topk_and_plain_fractions(seed):
    labels, logits = scene(seed)
    ours = values(truth_of(labels), [ranked(one) for one in logits])
    flat = torch.from_numpy(np.concatenate(labels))
    best = torch.from_numpy(np.concatenate(logits)).topk(5, dim=1).indices
    scored = flat >= 0
    hits = (best == flat[:, None])[scored]
    assert ours["top1", ""] == pytest.approx(hits[:, 0].double().mean().item(), abs=1e-12)
    assert ours["top5", ""] == pytest.approx(hits.any(1).double().mean().item(), abs=1e-12)
    by_class = {}
    for label, right in zip(flat[scored].tolist(), hits[:, 0].tolist(), strict=True):
        by_class.setdefault(label, []).append(right)
    shares = {label: Fraction(sum(right), len(right)) for label, right in by_class.items()}
    assert ours["balanced_accuracy", ""] == pytest.approx(float(sum(shares.values()) / len(shares)), abs=1e-12)
    for label, name in enumerate(CLASSES):
        assert ours["top1", name] == pytest.approx(float(shares.get(label, math.nan)), abs=1e-12, nan_ok=True)


def test_equals_torchmetrics():
    """Another project's implementation, on whole images of one class each."""
    classification = pytest.importorskip("torchmetrics.classification")
    random = np.random.default_rng(9)
    labels = np.arange(90) % len(CLASSES)
    logits = random.normal(0, 1, (90, len(CLASSES))) + 1.5 * np.eye(len(CLASSES))[labels]
    ours = values(truth_of([np.array([label]) for label in labels]), [ranked(row[None]) for row in logits])
    given = torch.from_numpy(logits), torch.from_numpy(labels)
    for name, average, top_k in (("top1", "micro", 1), ("top5", "micro", 5), ("balanced_accuracy", "macro", 1)):
        theirs = classification.MulticlassAccuracy(len(CLASSES), top_k=top_k, average=average)(*given)
        assert ours[name, ""] == pytest.approx(theirs.item(), abs=1e-6)


def test_a_case_worked_by_hand():
    """Five scored objects in two images: two of class 0, right and wrong; three of class 1, of ranks 0, 4 and 5."""
    rows = [[0, *range(1, 9)], [1, 0, *range(2, 9)], [1, 0, *range(2, 9)], [0, 2, 3, 4, 1, 5, 6, 7, 8]]
    rows += [[0, 2, 3, 4, 5, 1, 6, 7, 8], [3, *range(3), *range(4, 9)]]
    predictions = [Classification(np.array(part, np.uint16)) for part in (rows[:2], rows[2:])]
    ours = values(truth_of([np.array([0, 0]), np.array([1, 1, 1, -1])]), predictions)
    assert ours["top1", ""] == pytest.approx(2 / 5)
    assert ours["top5", ""] == pytest.approx(4 / 5)
    assert ours["top1", "class-0"] == pytest.approx(1 / 2)
    assert ours["top1", "class-1"] == pytest.approx(1 / 3)
    assert ours["balanced_accuracy", ""] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert math.isnan(ours["top1", "class-2"])


def test_a_ranking_of_no_scored_class_is_wrong():
    nothing = Classification(np.full((1, 1), NO_CLASS, np.uint16))
    assert values(truth_of([np.array([0])]), [nothing])["top1", ""] == 0.0
    assert values(truth_of([np.array([0])]), [Classification(np.zeros((1, 0), np.uint16))])["top5", ""] == 0.0


def test_there_is_no_top5_of_five_classes_and_the_reason_is_told():
    truth = truth_of([np.array([4])], CLASSES[:5])
    prediction = ranked(np.arange(5.0)[None])
    assert {name for name, part in values(truth, [prediction]) if not part} == {"top1", "balanced_accuracy"}
    assert "5 classes" in Accuracy().left_out(CLASSES[:5])
    assert Accuracy().left_out(CLASSES[:6]) == ""


def test_of_a_thousand_classes_there_are_no_scores_of_single_ones():
    labels, logits = scene(3, classes=MAX_PARTS + 1)
    truth = truth_of(labels, [str(number) for number in range(MAX_PARTS + 1)])
    assert {part for _, part in values(truth, [ranked(one) for one in logits])} == {""}


def test_a_head_without_objects_has_no_accuracy():
    assert math.isnan(values(truth_of([np.zeros(0, int)]), [Classification(np.zeros((0, 0), np.uint16))])["top1", ""])


@pytest.mark.parametrize(
    ("labels", "ranking", "error"),
    [
        ([np.array([0, 1])], [[0, 1]], UsageError),
        ([np.array([0])], [[9, 1]], UsageError),
        ([np.array([9])], [[0, 1]], AnnotationError),
    ],
)
def test_what_does_not_fit_is_refused(labels, ranking, error):
    with pytest.raises(error, match="image-0"):
        Accuracy().compute(truth_of(labels), [Classification(np.array(ranking, np.uint16))])


def test_agreement_is_top1_against_the_likeliest_classes_of_the_originals():
    labels, logits = scene(5)
    originals = [ranked(one) for one in logits]
    truth = truth_of([one.ranking[:, 0].astype(np.int64) for one in originals])
    (whole, *_) = METRICS.build("class_agreement").compute(truth, originals)
    assert (whole.metric, whole.value) == ("agreement", 1.0)
    noisy = [ranked(one + np.random.default_rng(0).normal(0, 2, one.shape)) for one in logits]
    same = sum(int((a.ranking[:, 0] == b.ranking[:, 0]).sum()) for a, b in zip(originals, noisy, strict=True))
    (whole, *_) = METRICS.build("class_agreement").compute(truth, noisy)
    assert whole.value == pytest.approx(same / sum(map(len, labels)))
    assert whole.value < 1
