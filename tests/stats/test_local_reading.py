"""Scores at rates between two neighbouring points, where a curve as a whole has no Bjontegaard number."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.runs.sentences import at_rates
from benchmarks.stats import local_reading
from benchmarks.stats.bd_comparison import differences
from benchmarks.stats.codec_comparison import leads
from tests.stats.test_bd_comparison import RATES, SCORES, Bent, measured, one, results

JPEG = np.array([0.22, 0.3, 0.41, 0.62, 0.9, 1.38]), np.array([0.2, 0.3, 0.41, 0.31, 0.4, 0.46])
"""Dips by far too much for any rising curve."""


def read(points: list[tuple[float, float]], bpp: float) -> float:
    rate, quality = np.array(points).T
    return float(local_reading.value(rate[None], quality[None], np.array([math.log(bpp)]))[0])


def test_it_is_linear_in_the_log_of_the_rate_and_exact_at_the_points() -> None:
    points = [(4.0, 0.5), (1.0, 0.1), (16.0, 0.3)]
    assert read(points, 2.0) == pytest.approx(0.3)
    assert read(points, 8.0) == pytest.approx(0.4)
    assert [read(points, bpp) for bpp, _ in points] == pytest.approx([0.5, 0.1, 0.3])
    random = np.random.default_rng(0)
    rate, quality = np.sort(random.uniform(0.05, 2, (20, 6)), axis=1), random.random((20, 6))
    at = np.log(random.uniform(rate[:, 0], rate[:, -1]))
    expected = [np.interp(x, np.log(r), q) for x, r, q in zip(at, rate, quality, strict=True)]
    assert local_reading.value(rate, quality, at) == pytest.approx(expected, abs=1e-12)


def test_it_says_nothing_beyond_the_ends_beside_a_missing_point_or_between_two_at_one_rate() -> None:
    points = [(1.0, 0.1), (2.0, math.nan), (4.0, 0.5), (8.0, 0.6), (8.0, 0.7), (16.0, 0.8)]
    assert np.isnan([read(points, bpp) for bpp in (0.9, 1.5, 3.0, 8.0, 17.0)]).all()
    assert read(points, 4.0) == pytest.approx(0.5)
    assert read(points, 12.0) == pytest.approx(0.7 + 0.1 * math.log2(12 / 8))
    assert math.isnan(read([(math.nan, 0.2), (1.0, 0.3), (2.0, 0.4)], 1.5))  # nobody knows where the first one lies
    assert math.isnan(read([(0.0, 0.2), (1.0, 0.3)], 0.5))
    assert math.isnan(float(local_reading.value(np.empty((1, 0)), np.empty((1, 0)), np.zeros(1))[0]))


def run(other: Bent) -> Bent:
    return {"a": (RATES, SCORES), "c": (RATES, SCORES + 0.2), **other}


def test_a_refused_curve_is_read_between_its_points_and_takes_part_in_the_contest() -> None:
    comparisons = leads(*measured(run({"jpeg": JPEG}), ("a",), noise=0.02, own=0.01))
    rows = {c.at_bpp: c for c in comparisons if c.kind == "score_at_rate" and c.codec == "jpeg"}
    assert [round(bpp, 3) for bpp in rows] == [0.5, 1.0]
    half = rows[0.5]
    share = math.log(0.5 / 0.41) / math.log(0.62 / 0.41)
    assert half.value == pytest.approx(0.41 - 0.1 * share)
    assert (half.method, half.status, half.refused) == ("local", "ok", 0)
    assert half.low < half.value < half.high
    assert one(comparisons, "lead_at_rate", at_bpp=0.5, codec="c", other="jpeg").value > 0
    assert {c.method for c in comparisons if c.kind == "score_at_rate" and c.codec != "jpeg"} == {"pchip"}


def test_three_points_are_too_few_for_a_bjontegaard_number_but_not_for_a_reading() -> None:
    few = {"b": (RATES[1:4], SCORES[1:4])}
    comparisons = leads(*measured(run(few), ("a",)))
    scores = [c for c in comparisons if c.kind == "score_at_rate" and c.codec == "b"]
    assert [(c.at_bpp, c.method) for c in scores] == [(pytest.approx(bpp), "local") for bpp in (0.1, 0.2)]
    assert [c.value for c in scores] == pytest.approx([0.25, 0.38])


def test_a_curve_that_spans_a_rate_without_a_value_there_is_a_row_with_the_reason() -> None:
    design, rows, bootstrap = measured(run({"b": (RATES, SCORES)}), ("a",))
    failed = [replace(r, value=math.nan) if (r.codec, r.point, r.metric) == ("b", "p=3", "ap") else r for r in rows]
    comparisons = leads(design, failed, bootstrap)
    of_b = {round(c.at_bpp, 3): c for c in comparisons if c.kind == "score_at_rate" and c.codec == "b"}
    assert {bpp: (c.status, c.method) for bpp, c in of_b.items()} == {
        0.05: ("ok", "local"),
        0.1: ("ok", "local"),
        0.2: ("ok", "local"),
        0.5: ("n/a", ""),
        1.0: ("ok", "local"),
    }
    assert of_b[0.5].reason == "the codec's curve has a point without a value beside this rate"
    assert math.isnan(of_b[0.5].value)
    assert {c.other for c in comparisons if c.kind == "lead_at_rate" and c.at_bpp == 0.5} == {"a"}


def test_a_levelled_curve_keeps_its_measured_scores_at_rates() -> None:
    knee = np.array([0.22, 0.3, 0.41, 0.62, 0.9, 1.38]), np.array([0.1, 0.31, 0.39, 0.404, 0.4, 0.406])
    comparisons = leads(*measured(run({"b": knee}), ("a",), noise=0.02))
    score = one(comparisons, "score_at_rate", codec="b", at_bpp=1.0)
    assert score.method == "local"
    assert score.value == pytest.approx(0.4 + 0.006 * math.log(1 / 0.9) / math.log(1.38 / 0.9))
    assert one(comparisons, "lead_bd_metric", codec="c", other="b", anchor="a").value > 0


@pytest.mark.parametrize("anchor", ["a", "jpeg"])
def test_a_refused_curve_is_compared_at_three_rates_whichever_side_it_is(anchor: str) -> None:
    codecs = {"a": (RATES, SCORES), "jpeg": JPEG}
    comparisons = differences(*measured(codecs, (anchor,), noise=0.02, own=0.01))
    codec = "jpeg" if anchor == "a" else "a"
    assert "dips too much" in one(comparisons, "bd_rate", codec=codec).reason
    rows = [c for c in comparisons if c.kind == "difference_at_rate"]
    low, high = math.log(0.22), math.log(1.38)
    assert [math.log(c.at_bpp) for c in rows] == pytest.approx([low + k * (high - low) for k in (0.25, 0.5, 0.75)])
    for c in rows:
        measured_score = np.interp(math.log(c.at_bpp), np.log(JPEG[0]), JPEG[1])
        assert (c.codec_score if codec == "jpeg" else c.other_score) == pytest.approx(measured_score)
        assert c.value == pytest.approx(c.codec_score - c.other_score)
        assert c.low < c.value < c.high
        assert (c.method, c.status, c.resamples, c.refused) == ("local", "ok", 400, 0)
    (sentence,) = at_rates(results(comparisons))
    assert sentence.endswith("Refused curves are read on the line between the two points beside the rate.")


def test_a_matched_rate_beside_a_failed_point_is_a_row_with_the_reason() -> None:
    design, rows, bootstrap = measured({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.1)}, ("a",))
    failed = [replace(r, value=math.nan) if (r.codec, r.point, r.metric) == ("b", "p=3", "ap") else r for r in rows]
    comparisons = [c for c in differences(design, failed, bootstrap) if c.kind == "difference_at_rate"]
    assert [(c.status, c.method) for c in comparisons] == [("ok", "local"), ("n/a", ""), ("n/a", "")]
    assert {c.reason for c in comparisons[1:]} == {"the codec's curve has a point without a value beside this rate"}
    assert all(math.isnan(c.value) and math.isnan(c.low) for c in comparisons[1:])
    assert comparisons[0].codec_score == pytest.approx(
        np.interp(math.log(comparisons[0].at_bpp), np.log(RATES), SCORES + 0.1)
    )
    (sentence,) = at_rates(results(comparisons))
    assert sentence.count("n/a: the codec's curve has a point without a value beside this rate") == 2


def test_a_front_of_few_points_is_read_between_those_that_are_on_it() -> None:
    few = {"v": (np.array([0.1, 0.4, 0.5]), np.array([0.2, 0.4, 0.3])), "v(scale=2)": (RATES[3:4], np.array([0.1]))}
    front = {**few, "b": (RATES, SCORES)}
    comparisons = differences(*measured(front, ("front(of=v)",), noise=0.02))
    rows = [c for c in comparisons if c.kind == "difference_at_rate" and c.codec == "b"]
    assert [c.method for c in rows] == ["local"] * 3
    expected = [np.interp(math.log(c.at_bpp), np.log([0.1, 0.4]), [0.2, 0.4]) for c in rows]
    assert [c.other_score for c in rows] == pytest.approx(expected)
    assert all(c.low <= c.value <= c.high for c in rows)


def test_curves_with_a_bjontegaard_number_need_no_matched_rates_and_others_keep_theirs() -> None:
    good = differences(*measured({"a": (RATES, SCORES), "b": (RATES * 0.9, SCORES)}, ("a",)))
    assert not [c for c in good if c.kind == "difference_at_rate"]
    apart = differences(*measured({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.4)}, ("a",)))
    assert {c.method for c in apart if c.kind == "difference_at_rate"} == {""}
