"""Bjontegaard differences against the independent package, and on the cases where there is none."""

import bjontegaard
import numpy as np
import pytest

from benchmarks.curves import Line, bd_metric, bd_rate, fit

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
        ([(r, 0.3) for r, _ in TEST], "is flat"),
        ([(r, 0.6 - q) for r, q in TEST], "dips too much"),
        ([*TEST[:2], (0.17, 0.1), *TEST[3:]], "dips too much"),
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


def test_one_dip_gives_a_labelled_fit_and_does_not_flip_the_sign() -> None:
    dipped = [*TEST[:4], (0.7, 0.455), TEST[5]]
    outcome = bd_rate(ANCHOR, dipped)
    assert outcome.method == "fit"
    assert str(outcome).endswith("(fit)")
    clean = bd_rate(ANCHOR, TEST).value
    assert clean is not None
    assert outcome.value is not None
    assert clean < 0
    assert -20 < outcome.value < 0


def test_the_fit_of_a_rising_concave_cubic_is_that_cubic() -> None:
    rates = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
    u = (np.log(rates) - np.log(0.05)) / np.log(32)
    quality = 0.1 + 0.9 * u - 0.4 * u**2 + 0.02 * u**3
    swapped = quality.copy()
    swapped[4] = swapped[3]  # one point repeats a value, so PCHIP is out; the rest is exact
    line = fit(np.stack([np.log(rates), swapped], axis=1))
    assert isinstance(line, Line)
    assert line.fitted
    assert np.all(np.diff(line.quality) > 0)
    assert np.all(np.diff(line.quality, 2) < 1e-9)
    assert np.abs(np.interp(np.log(rates), line.log_rate, line.quality) - quality).max() < 0.05
    exact = lsq(rates, quality)
    assert np.abs(exact - quality).max() < 1e-7  # what linear interpolation on the dense grid leaves


def lsq(rates: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The fit's values at the rates when it is made to fit a curve that PCHIP could take."""
    doubled = np.concatenate([np.stack([np.log(rates), quality], axis=1), [[np.log(rates[-1]) + 1e-12, quality[-1]]]])
    line = fit(doubled)
    assert isinstance(line, Line)
    assert line.fitted
    return np.interp(np.log(rates), line.log_rate, line.quality)


def test_half_the_rate_is_minus_fifty_percent_by_the_fit_too() -> None:
    dipped = [*ANCHOR[:4], (0.8, 0.468), ANCHOR[5]]
    outcome = bd_rate(dipped, [(r / 2, q) for r, q in dipped])
    assert outcome.method == "fit"
    assert outcome.value == pytest.approx(-50.0, abs=1e-6)


def test_four_percent_overlap_is_refused() -> None:
    shifted = [(r, q + 0.96 * (ANCHOR[-1][1] - ANCHOR[0][1])) for r, q in ANCHOR]
    outcome = bd_rate(ANCHOR, shifted)
    assert outcome.value is None
    assert outcome.overlap_test == pytest.approx(0.04)
