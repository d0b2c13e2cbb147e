"""Bjontegaard differences against the independent package, and on the cases where there is none."""

import bjontegaard
import numpy as np
import pytest

from benchmarks.curves import bd_metric, bd_rate

ANCHOR = [(0.05, 0.12), (0.1, 0.25), (0.2, 0.38), (0.4, 0.47), (0.8, 0.52), (1.6, 0.55)]
TEST = [(0.04, 0.14), (0.09, 0.29), (0.17, 0.40), (0.33, 0.46), (0.7, 0.53), (1.3, 0.54)]


def test_equals_the_independent_package() -> None:
    (ra, qa), (rt, qt) = (np.array(c).T for c in (ANCHOR, TEST))
    expected = bjontegaard.bd_rate(ra, qa, rt, qt, method="pchip", require_matching_points=False, min_overlap=0)
    assert bd_rate(ANCHOR, TEST).value == pytest.approx(expected, abs=1e-9)
    expected = bjontegaard.bd_psnr(ra, qa, rt, qt, method="pchip", require_matching_points=False, min_overlap=0)
    assert bd_metric(ANCHOR, TEST).value == pytest.approx(expected, abs=1e-9)


def test_half_the_rate_is_minus_fifty_percent() -> None:
    assert bd_rate(ANCHOR, [(r / 2, q) for r, q in ANCHOR]).value == pytest.approx(-50.0, abs=1e-9)


def test_a_constant_gain_in_quality_is_that_gain() -> None:
    assert bd_metric(ANCHOR, [(r, q + 0.02) for r, q in ANCHOR]).value == pytest.approx(0.02, abs=1e-12)


def test_order_of_the_points_does_not_matter() -> None:
    assert bd_rate(ANCHOR[::-1], TEST[::-1]) == bd_rate(ANCHOR, TEST)


def test_a_curve_against_itself_is_zero_with_full_overlap() -> None:
    same = bd_rate(ANCHOR, ANCHOR)
    assert same.value == pytest.approx(0.0, abs=1e-12)
    assert (same.overlap_test, same.overlap_anchor) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ([*TEST[:4], (0.7, 0.45), TEST[5]], "not strictly monotone"),
        ([*TEST[:4], (0.7, TEST[3][1]), TEST[5]], "not strictly monotone"),
        (TEST[:3], "3 points"),
        ([*TEST[:5], (TEST[4][0], 0.6)], "two points at one rate"),
        ([*TEST[:5], (1.3, float("nan"))], "without a value"),
        ([(0.0, 0.1), *TEST[1:]], "rate of 0"),
        ([(r, 0.4 + q) for r, q in TEST], "share"),
        ([], "0 points"),
    ],
)
def test_no_number_but_a_reason(test: list[tuple[float, float]], reason: str) -> None:
    outcome = bd_rate(ANCHOR, test)
    assert outcome.value is None
    assert reason in outcome.reason
    assert str(outcome).startswith("n/a: ")


def test_overlap_is_stated_for_both_curves() -> None:
    part = bd_rate(ANCHOR, TEST[1:5])
    assert part.value is not None
    assert part.overlap_test == pytest.approx(1.0)
    assert part.overlap_anchor == pytest.approx((0.53 - 0.29) / (0.55 - 0.12))
