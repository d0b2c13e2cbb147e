"""The share of a score that is kept, its interval, and how often a choice by it holds on other images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.harness.scale_search import Scale
from benchmarks.stats.bootstrap import MIN_IMAGES_KEPT, Draws
from benchmarks.stats.retained_share import retained, share_of, tail_of

SETTINGS = np.arange(41)
SHARES = 1 - 0.35 * np.exp(-SETTINGS / 12.0)
"""The true share of each setting."""


def test_shares_of_scores_of_either_direction() -> None:
    assert share_of(0.3, 0.3) == 1.0
    assert share_of(2.5, 2.0, higher_is_better=False) == pytest.approx(0.8)
    assert share_of(1.9, 2.0, higher_is_better=False) > 1
    assert share_of(0.0, 0.4) == 0.0
    for original in (0.0, -0.1, math.inf, math.nan):
        assert math.isnan(share_of(0.2, original))
    assert math.isnan(share_of(0.2, 0.0, higher_is_better=False))


def test_the_interval_is_that_of_the_paired_shares() -> None:
    rng = np.random.default_rng(0)
    original = rng.normal(0.5, 0.05, 2000)
    kept = retained(0.45, 0.5, 0.9 * original, original, 64)
    assert kept[:3] == pytest.approx((0.9, 0.9, 0.9))  # of one factor, however uncertain both scores are
    apart = retained(0.45, 0.5, rng.normal(0.45, 0.05, 2000), original, 1_000_000)
    shares = rng.normal(0.45, 0.05, 200_000) / rng.normal(0.5, 0.05, 200_000)
    assert (apart.low, apart.high) == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.02)


def test_resamples_without_a_share_count_beyond_both_ends() -> None:
    original, samples = np.full(1000, 0.5), np.linspace(0.4, 0.5, 1000)
    whole = retained(0.45, 0.5, samples, original, 64)
    original[:10] = 0.0
    some = retained(0.45, 0.5, samples, original, 64)
    assert some.refused == 10
    assert some.high >= whole.high
    original[:100] = 0.0
    assert math.isnan(retained(0.45, 0.5, samples, original, 64).low)
    assert math.isnan(retained(0.45, 0.5, np.zeros(0), np.zeros(0), 64).low)


@pytest.mark.parametrize("images", [10, 30, 64, 128, 5000])
def test_the_tail_is_student_s_quantile_on_the_normal_scale(images: int) -> None:
    t = stats.t.ppf(0.975, images - 1) * math.sqrt(images / (images - 1))
    assert tail_of(images) == pytest.approx(stats.norm.cdf(-t), rel=0.01)


def chosen(rng: np.random.Generator, draws: np.ndarray, images: int, own: float) -> tuple[bool, bool] | None:
    """Whether a choice to keep 95 % is right of the population, and on as many other images; None without a choice.

    Losses are skewed: an image's hardness is exponential. own: the part of the noise that each setting has for itself,
    which makes measured curves dip; the rest all settings share.
    """
    original, hardness = rng.beta(2, 2, 2 * images), rng.exponential(1, 2 * images)
    spread = 0.3 * np.sqrt(1 - SHARES)[:, None]
    noise = own * rng.normal(size=(41, 2 * images)) + 0.3 * rng.normal(size=2 * images)
    scores = original * (1 - (1 - SHARES)[:, None] * hardness) + spread * noise
    used, other = scores[:, :images], scores[:, images:]
    on_originals = draws @ original[:images] / images
    scale = Scale(None, (10, 15, 20, 25, 30, 35), (0, 40))  # type: ignore[arg-type]
    margins: dict[int, float] = {}
    sizes = {int(setting): 1.1**setting for setting in SETTINGS}
    while (value := scale.next(margins, sizes, {})) is not None:
        samples = draws @ used[value] / images
        margins[value] = (
            retained(used[value].mean(), original[:images].mean(), samples, on_originals, images).low - 0.95
        )
    setting = scale.border(margins).reached
    if setting is None:
        return None
    return bool(SHARES[setting] >= 0.95), bool(other[setting].mean() / original[images:].mean() >= 0.95)


def misses(trials: int, resamples: int, images: int, own: float) -> tuple[int, int, int]:
    """How many choices came out, how many of them are wrong of the population, and how many on other images."""
    rng, draws = np.random.default_rng(1), Draws(images, resamples, 0).whole()
    choices = [choice for _ in range(trials) if (choice := chosen(rng, draws, images, own))]
    wrong, wrong_on_others = (~np.array(choices)).sum(axis=0)
    return len(choices), int(wrong), int(wrong_on_others)


@pytest.mark.parametrize("own", [0.0, 0.3])
@pytest.mark.parametrize("images", [MIN_IMAGES_KEPT, 64])
def test_choices_hold_of_the_population_and_on_other_images(images: int, own: float) -> None:
    """The smallest setting of a search is a choice among many: it still holds with 95 % confidence, with curves that
    rise and with curves that dip, and on as many other images in 9 of 10 cases.
    """
    count, wrong, wrong_on_others = misses(200, 500, images, own)
    assert count > 190
    assert wrong <= stats.binom.ppf(0.99, count, 0.05)
    assert wrong_on_others <= stats.binom.ppf(0.99, count, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("own", [0.0, 0.3])
@pytest.mark.parametrize("images", [MIN_IMAGES_KEPT, 64])
def test_the_same_over_many_choices(images: int, own: float) -> None:
    count, wrong, wrong_on_others = misses(2000, 1000, images, own)
    assert wrong <= 0.06 * count
    assert wrong_on_others <= 0.1 * count
