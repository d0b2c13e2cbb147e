"""Levelled dips against scipy's isotonic regression, and Bjontegaard numbers of curves that no cubic is near."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stats import isotonic
from benchmarks.stats.bjontegaard import Curves, Line, bd_metric, bd_rate, line

KNEE = [(0.22, 0.1), (0.3, 0.31), (0.41, 0.39), (0.62, 0.404), (0.9, 0.4), (1.38, 0.406)]
"""Climbs steeply and levels off, with a dip of 0.4 points: no concave cubic in log rate is near it."""


def test_steps_are_scipys() -> None:
    from scipy.optimize import isotonic_regression

    random = np.random.default_rng(0)
    y = np.linspace(0, 1, 7) + random.normal(0, 0.2, (60, 7))
    for row, steps in zip(y, isotonic.steps(y), strict=True):
        assert steps == pytest.approx(isotonic_regression(row).x, abs=1e-12)


def test_points_of_a_step_become_one_at_their_means() -> None:
    x = np.array([[0.0, 1.0, 2.0, 4.0, 5.0], [0.0, 1.0, 2.0, 4.0, 5.0]])
    y = np.array([[0.1, 0.4, 0.3, 0.3, 0.6], [0.1, 0.2, 0.3, 0.4, 0.5]])
    levelled = isotonic.levelled(x, y)
    assert levelled.points.tolist() == [3, 5]
    assert levelled.x[0] == pytest.approx([0, 7 / 3, 5, 5, 5])
    assert levelled.y[0] == pytest.approx([0.1, 1 / 3, 0.6, 0.6, 0.6])
    assert levelled.missed == pytest.approx([np.sqrt((0.2**2 + 2 * 0.1**2) / 9 / 5), 0])
    assert levelled.y[1].tolist() == y[1].tolist()


def test_a_knee_with_a_small_dip_has_a_number_that_is_right() -> None:
    """The cubic misses the knee, not the dip; with the dip levelled, half the rate is still -50 %."""
    rate, metric = bd_rate(KNEE, [(r / 2, q) for r, q in KNEE]), bd_metric(KNEE, [(r, q + 0.02) for r, q in KNEE])
    assert (rate.method, metric.method) == ("isotonic", "isotonic")
    assert str(rate) == "-50.0 % (isotonic)"
    assert rate.value == pytest.approx(-50, abs=1e-9)
    assert metric.value == pytest.approx(0.02, abs=1e-12)
    mended = [*KNEE[:3], (np.sqrt(0.62 * 0.9), 0.402), KNEE[5]]
    other = [(r * 0.7, q + 0.002) for r, q in mended]
    assert bd_rate(KNEE, other).value == pytest.approx(bd_rate(mended, other).value, abs=1e-9)


def test_its_line_rises_from_the_first_to_the_last_step() -> None:
    drawn = line(KNEE, (0, 1))
    assert isinstance(drawn, Line)
    assert drawn.fitted
    assert (drawn.quality[0], drawn.quality[-1]) == pytest.approx((0.1, 0.406))
    assert (np.diff(drawn.quality) >= 0).all()
    at_end = line([*KNEE[:4], (0.9, 0.407), (1.38, 0.405)], (0, 1))
    assert isinstance(at_end, Line)
    assert np.exp(at_end.log_rate[-1]) == pytest.approx(np.sqrt(0.9 * 1.38))  # nothing is said beyond the last step


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([*KNEE[:3], (0.62, 0.3), *KNEE[4:]], "dips too much: a rising curve misses it by 8% of its span"),
        ([(0.1, 0.0), (0.2, 0.4), (0.4, 0.4), (0.8, 0.398)], "rises in 2 steps"),
    ],
)
def test_a_deep_dip_and_a_mere_jump_have_none(points: list[tuple[float, float]], reason: str) -> None:
    outcome = bd_rate(KNEE, points)
    assert outcome.value is None
    assert f"the test codec's curve {reason}" in outcome.reason


def test_a_curve_near_a_cubic_keeps_its_cubic_and_levelling_can_be_left_out() -> None:
    dipped = [(0.04, 0.14), (0.09, 0.29), (0.17, 0.40), (0.33, 0.46), (0.7, 0.455), (1.3, 0.54)]
    assert bd_rate(KNEE, KNEE[:3] + dipped[-2:]).method != "fit"
    assert (Curves.of(dipped).fitted[0], Curves.of(dipped).levelled[0]) == (True, False)
    rates, scores = (np.array([axis]) for axis in np.array(KNEE).T)
    refused = Curves(rates, scores, level=False)
    assert "dips too much" in refused.reason(0)
    assert Curves(rates, scores).reason(0) == ""
