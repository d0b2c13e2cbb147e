"""Bits at equal scores, point by point, on made-up curves whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.api import MetricFacts, ScoreRow
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.equal_scores import EqualScore, equal_scores

RATES = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
SCORES = np.array([0.12, 0.25, 0.38, 0.47, 0.52, 0.55])
IMAGES, RESAMPLES = 40, 400
AP = MetricFacts(title="AP", main=True)
ERROR = MetricFacts(high=math.inf, higher_is_better=False, percent=False, title="error", main=True)
Curve = tuple[np.ndarray, np.ndarray]


def compared(
    anchor: Curve, codec: Curve, *, facts: MetricFacts = AP, noise: float = 0.15, own: float = 0.0, samples: bool = True
) -> list[EqualScore]:
    """The points of b against a: curves of (rates, scores), on images of which some are hard for both. own: how far
    images differ for each codec alone.
    """
    random = np.random.default_rng(3)
    hard = random.normal(0, noise, IMAGES)
    curves = {"a": anchor, "b": codec}
    ladders = tuple(Ladder(label, tuple(f"p={k}" for k in range(len(c[0])))) for label, c in curves.items())
    design = Design(ladders, ("a",), (), ("ap",), "ap", {"ap": facts})
    bootstrap, rows = Bootstrap(IMAGES, RESAMPLES if samples else 0, 0), []
    for label, (rates, scores) in curves.items():
        for k, (rate, score) in enumerate(zip(rates, scores, strict=True)):
            each = score + hard + random.normal(0, own, IMAGES)
            bits = rate * np.exp(hard)
            if samples:
                draws = bootstrap.draws / IMAGES
                bootstrap.rates[label, "", f"p={k}"] = draws @ (bits * rate / bits.mean())
                bootstrap.scores["head", "image", "ap", label, "", f"p={k}"] = draws @ (each - each.mean() + score)
            rows += [row(label, k, "", "bpp", rate), row(label, k, "head", "ap", score)]
    return list(equal_scores(design, rows, bootstrap, ["b"], "a"))


def row(codec: str, point: int, head: str, metric: str, value: float) -> ScoreRow:
    where = {"codec": codec, "ladder": "", "point": f"p={point}", "route": "image", "regime": "frozen"}
    of_run = {"task": "detection", "dataset": "squares", "split": "test", "seed": 0, "images": IMAGES}
    return ScoreRow("", head=head, part="", metric=metric, value=float(value), **where, **of_run)


def test_half_the_rate_is_minus_fifty_percent_at_every_point_since_resamples_are_paired() -> None:
    found = compared((RATES, SCORES), (RATES / 2, SCORES))
    assert [one.point for one in found] == [f"p={k}" for k in range(6)]
    for one, rate, score in zip(found, RATES, SCORES, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((-50, -50, -50), abs=1e-6)
        assert (one.bpp, one.anchor_bpp, one.score) == pytest.approx((rate / 2, rate, score))
        assert (one.codec, one.anchor, one.metric, one.head, one.method) == ("b", "a", "ap", "head", "pchip")
        assert (one.resamples, one.refused, one.images, one.status, one.reason) == (RESAMPLES, 0, IMAGES, "ok", "")


def test_between_the_points_of_the_anchor_its_curve_is_read() -> None:
    straight = (np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.30, 0.33, 0.36, 0.39]))
    codec = (np.array([1.0, 2.0, 3.0]), np.array([0.345, 0.37, 0.375]))
    found = compared(straight, codec, samples=False)
    expected = [1 / 2**1.5, 2 / 2 ** (7 / 3), 3 / 2**2.5]
    assert [one.value for one in found] == pytest.approx([100 * (ratio - 1) for ratio in expected])
    assert all(math.isnan(one.low) and one.resamples == 0 for one in found)


def test_a_score_that_the_anchor_does_not_reach_has_no_number() -> None:
    found = compared((RATES, SCORES), (RATES, SCORES + np.array([-0.1, 0, 0, 0, 0, 0.1])))
    assert [one.status for one in found] == ["n/a", "ok", "ok", "ok", "ok", "n/a"]
    assert "better" in found[0].reason
    assert "worse" in found[-1].reason
    assert math.isnan(found[0].value)


def test_where_less_is_better_the_sign_of_the_score_is_kept() -> None:
    errors = 10 - 10 * SCORES
    found = compared((RATES, errors), (RATES / 4, errors), facts=ERROR)
    assert [one.score for one in found] == pytest.approx(list(errors))
    assert [one.value for one in found] == pytest.approx([-75.0] * 6, abs=1e-6)


def test_an_interval_holds_the_noise_that_the_codecs_do_not_share() -> None:
    close, far = (compared((RATES, SCORES), (RATES * share, SCORES), own=0.05)[2] for share in (0.98, 0.4))
    assert close.low < close.value < close.high
    assert close.low < 0 < close.high
    assert far.low < far.value < far.high < 0
    assert close.high - close.low > 1


def test_an_anchor_that_dips_is_fitted_or_refused() -> None:
    slight = SCORES.copy()
    slight[3] = slight[2] - 0.002
    found = compared((RATES, slight), (RATES, SCORES), samples=False)
    assert {one.method for one in found if one.status == "ok"} <= {"fit", "isotonic"}
    assert any(one.status == "ok" for one in found)
    falling = compared((RATES, SCORES[::-1]), (RATES, SCORES), samples=False)
    assert {one.status for one in falling} == {"n/a"}
    assert all(one.reason.startswith("the anchor's curve dips") for one in falling)
