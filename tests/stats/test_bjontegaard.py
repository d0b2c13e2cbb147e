"""Bjontegaard differences against the independent package, and on the cases where there is none."""

import bjontegaard
import numpy as np
import pytest

from benchmarks.stats import monotone_cubic, pchip
from benchmarks.stats.bjontegaard import Curves, Line, bd_metric, bd_rate, differences, line

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
    found = line(list(zip(rates, swapped, strict=True)))
    assert isinstance(found, Line)
    assert found.fitted
    assert np.all(np.diff(found.quality) > 0)
    assert np.all(np.diff(found.quality, 2) < 1e-9)
    assert np.abs(np.interp(np.log(rates), found.log_rate, found.quality) - quality).max() < 0.05
    exact = monotone_cubic.fit(u[None], quality[None], np.ones((1, 6)), (0, 1))[0]
    assert np.abs(monotone_cubic.basis(u) @ exact - quality).max() < 1e-12


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.05, 0.6), (-np.inf, np.inf)])
def test_the_fit_is_the_constrained_optimum_that_scipy_finds(bounds: tuple[float, float]) -> None:
    """Against SLSQP on points with dips at either end, where the bounds bite and where they do not."""
    from scipy.optimize import minimize

    random = np.random.default_rng(0)
    for _ in range(12):
        u = np.concatenate([[0.0], np.sort(random.uniform(0.05, 0.95, 4)), [1.0]])
        quality = np.clip(0.02 + 0.6 * u**0.6 + random.normal(0, 0.06, 6), 0, 1)
        ours = monotone_cubic.fit(u[None], quality[None], np.ones((1, 6)), bounds)[0]
        design = monotone_cubic.basis(u)
        limits = [{"type": "ineq", "fun": lambda p, k=k: p[k]} for k in (1, 2, 3)]
        if np.isfinite(bounds[0]):
            limits += [
                {"type": "ineq", "fun": lambda p: p[0] - bounds[0]},
                {"type": "ineq", "fun": lambda p: bounds[1] - p @ [1, 1, 1 / 6, 1 / 3]},
            ]
        start = np.array([0.3, 0.1, 0.1, 0.1])
        best = minimize(
            lambda p, d=design, q=quality: np.sum((d @ p - q) ** 2),
            start,
            constraints=limits,
            options={"ftol": 1e-15, "maxiter": 500},
        )
        assert np.sum((design @ ours - quality) ** 2) <= best.fun + 1e-9
        assert np.abs(design @ ours - design @ best.x).max() < 1e-3
        assert (ours[1:] >= -1e-9).all()
        assert bounds[0] - 1e-9 <= ours[0]
        assert ours @ [1, 1, 1 / 6, 1 / 3] <= bounds[1] + 1e-9


def test_the_cubics_area_and_inverse_are_those_of_its_values() -> None:
    from scipy.integrate import trapezoid

    numbers = np.array([[0.1, 0.2, 0.9, 0.3], [0.0, 0.0, 1.0, 0.5]])
    u = np.linspace(0.2, 0.9, 20001)
    values = np.stack([monotone_cubic.basis(u) @ row for row in numbers])
    assert monotone_cubic.area(numbers, np.full(2, 0.2), np.full(2, 0.9)) == pytest.approx(
        trapezoid(values, u, axis=1), abs=1e-9
    )
    assert monotone_cubic.inverse(numbers, values[:, 300]) == pytest.approx(u[300], abs=1e-12)


def test_pchip_is_scipys() -> None:
    from scipy.interpolate import PchipInterpolator

    random = np.random.default_rng(1)
    x, y = (np.cumsum(random.exponential(1, (40, 6)), axis=1) for _ in range(2))
    low, high = x[:, 0] + 0.3 * np.ptp(x, axis=1), x[:, 0] + 0.8 * np.ptp(x, axis=1)
    slope = pchip.slopes(x, y)
    areas, middles = pchip.area(x, y, slope, low, high), pchip.value(x, y, slope, low)
    for row in range(len(x)):
        scipys = PchipInterpolator(x[row], y[row])
        assert areas[row] == pytest.approx(scipys.integrate(low[row], high[row]), rel=1e-12)
        assert middles[row] == pytest.approx(scipys(low[row]), rel=1e-12)


def test_many_resamples_are_what_each_is_alone() -> None:
    """Curves with dips, without overlap, of fewer points and without a value, all in one go."""
    random = np.random.default_rng(2)
    rates, scores = (np.array([column] * 300) for column in np.array(TEST).T)
    rates = rates * np.exp(random.normal(0, 0.02, rates.shape))
    scores = scores + random.normal(0, 0.015, scores.shape) + random.choice([0, 0, 0, 0.35], (300, 1))
    scores[7, 2] = np.nan
    kept = random.random(scores.shape) < 0.9
    many = Curves(rates, scores, (0, 1), kept)
    anchors = Curves.of(ANCHOR, (0, 1), times=300)
    kinds = set()
    for over, single in (("quality", bd_rate), ("log_rate", bd_metric)):
        found = differences(anchors, many, over)  # type: ignore[arg-type]
        for row in range(300):
            alone = single(
                ANCHOR, [(r, q) for r, q, k in zip(rates[row], scores[row], kept[row], strict=True) if k], (0, 1)
            )
            kinds.add((alone.value is None, alone.method, alone.reason.split(":")[0][-20:]))
            assert (alone.value is None) == np.isnan(found.value[row])
            if alone.value is not None:
                assert alone.value == pytest.approx(found.value[row], rel=1e-9, abs=1e-12)
                assert (alone.method == "fit") == found.fitted[row]
    assert len(kinds) >= 5


def test_points_of_equal_quality_give_a_labelled_fit_near_the_truth() -> None:
    doubled = [*ANCHOR[:4], (0.6, 0.47), *ANCHOR[4:]]
    outcome = bd_rate(doubled, [(r / 2, q) for r, q in doubled])
    assert outcome.method == "fit"
    assert outcome.value == pytest.approx(-50, abs=1e-6)
    assert bd_rate(ANCHOR, doubled).value == pytest.approx(0, abs=3)


def test_a_curve_is_made_once_and_is_only_to_be_read() -> None:
    assert Curves.of(ANCHOR, (0, 1)) is Curves.of(list(ANCHOR), (0, 1))
    assert Curves.of(ANCHOR, (0, 1)) is not Curves.of(ANCHOR)
    drawn = line(ANCHOR, (0, 1))
    assert isinstance(drawn, Line)
    with pytest.raises(ValueError, match="read-only"):
        drawn.quality[0] = 1


def test_the_fit_keeps_within_the_metrics_bounds() -> None:
    steep = [(0.05, 0.001), (0.1, 0.02), (0.2, 0.25), (0.4, 0.24), (0.8, 0.4), (1.6, 0.42)]
    free, held = Curves.of(steep), Curves.of(steep, (0, 1))
    assert monotone_cubic.value(free.numbers, np.zeros(1))[0] < 0
    assert monotone_cubic.value(held.numbers, np.zeros(1))[0] == pytest.approx(0, abs=1e-9)


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
