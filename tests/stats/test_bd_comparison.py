"""Bjontegaard differences with their intervals, on made-up curves whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.api import Comparison, MetricFacts, ScoreRow
from benchmarks.harness.operating_points import curves, ladder
from benchmarks.runs.results import Results
from benchmarks.runs.sentences import verdicts
from benchmarks.runs.tables import blocks
from benchmarks.runs.verdicts import verdict
from benchmarks.stats.bd_comparison import differences
from benchmarks.stats.bjontegaard import front
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.codec_comparison import leads
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.head_comparison import heads_apart
from benchmarks.stats.noise_floor import SECOND

RATES = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
SCORES = np.array([0.12, 0.25, 0.38, 0.47, 0.52, 0.55])
IMAGES, RESAMPLES = 40, 400
AP = MetricFacts(title="AP", main=True)
ERROR = MetricFacts(
    high=math.inf, higher_is_better=False, unit="objects", percent=False, title="error", digits=2, main=True
)

Bent = dict[str, tuple[np.ndarray, np.ndarray]]
Measured = tuple[Design, list[ScoreRow], Bootstrap]


def table(codecs: Bent, anchors: tuple[str, ...], noise: float = 0.15, own: float = 0.0) -> list[Comparison]:
    """The differences of a run."""
    return differences(*measured(codecs, anchors, noise, own))


def measured(
    codecs: Bent,
    anchors: tuple[str, ...],
    noise: float = 0.15,
    own: float = 0.0,
    match_bpp: tuple[float, ...] = (),
    facts: MetricFacts = AP,
) -> Measured:
    """A run of codecs by (rates, scores), on images of which some are hard for all. own: how far images differ for each
    codec alone.

    A label that ends in ", second" is the second ladder of the codec before it.
    """
    random = np.random.default_rng(3)
    hard = random.normal(0, noise, IMAGES)
    named = {label: (label.removesuffix(", second"), label.endswith(", second")) for label in codecs}
    ladders = tuple(
        Ladder(named[label][0], tuple(f"p={k}" for k in range(len(rates))), named[label][1])
        for label, (rates, _) in codecs.items()
    )
    design = Design(ladders, anchors, match_bpp, ("ap", "ap50"), "ap", {"ap": facts})
    bootstrap = Bootstrap(IMAGES, RESAMPLES, 0)
    rows = []
    for label, (rates, scores) in codecs.items():
        codec, of_ladder = named[label][0], SECOND * named[label][1]
        for k, (rate, score) in enumerate(zip(rates, scores, strict=True)):
            each = score + hard + random.normal(0, own, IMAGES)
            each = each - each.mean() + score
            bits = rate * np.exp(hard)
            bits = bits * rate / bits.mean()
            bootstrap.rates[codec, of_ladder, f"p={k}"] = bootstrap.draws @ bits / IMAGES
            bootstrap.scores["head", "image", "ap", codec, of_ladder, f"p={k}"] = bootstrap.draws @ each / IMAGES
            rows += [row(codec, k, "", "bpp", rate, of_ladder), row(codec, k, "head", "ap", score, of_ladder)]
    return design, rows, bootstrap


def row(codec: str, point: int, head: str, metric: str, value: float, of_ladder: str = "") -> ScoreRow:
    where = {"codec": codec, "ladder": of_ladder, "point": f"p={point}", "route": "image", "regime": "frozen"}
    of_run: dict[str, Any] = {"task": "detection", "dataset": "squares", "split": "test", "seed": 0, "images": IMAGES}
    return ScoreRow("", head=head, part="", metric=metric, value=value, **where, **of_run)


def results(comparisons: Sequence[Comparison], scores: Sequence[ScoreRow] = (), facts: MetricFacts = AP) -> Results:
    """Comparisons as tables are made from them; one score where none are given."""
    return Results.of(scores or [row("a", 0, "head", "ap", 0.5)], comparisons, ("ap",), "ap", {"ap": facts})


def one(comparisons: list[Comparison], kind: str, **columns: Any) -> Comparison:
    (found,) = (c for c in comparisons if c.kind == kind and all(getattr(c, k) == v for k, v in columns.items()))
    return found


def test_half_the_rate_is_minus_fifty_percent_on_every_resample_since_they_are_paired() -> None:
    comparisons = table({"a": (RATES, SCORES), "b": (RATES / 2, SCORES)}, ("a",))
    rate = one(comparisons, "bd_rate")
    assert (rate.value, rate.low, rate.high) == pytest.approx((-50, -50, -50), abs=1e-6)
    assert (rate.codec, rate.anchor, rate.metric, rate.unit, rate.method) == ("b", "a", "ap", "%", "pchip")
    assert (rate.overlap_test, rate.overlap_anchor) == (1.0, 1.0)
    assert (rate.head, rate.route, rate.regime, rate.images) == ("head", "image", "frozen", IMAGES)
    assert one(comparisons, "bd_metric").low > 0
    assert one(comparisons, "bd_metric").unit == "1"
    assert [verdict(c, AP) for c in comparisons] == ["better", "better"]
    (sentence,) = verdicts(results(comparisons))
    assert sentence.endswith("against a: better: b.")


def test_less_of_a_metric_is_better_where_its_facts_say_so() -> None:
    """b makes the errors of a at half its rate: a gain in rate, and fewer errors at equal rate."""
    errors = 10 - 10 * SCORES
    design, rows, bootstrap = measured({"a": (RATES, errors), "b": (RATES / 2, errors)}, ("a",), facts=ERROR)
    comparisons = differences(design, rows, bootstrap)
    rate, metric = one(comparisons, "bd_rate"), one(comparisons, "bd_metric")
    assert (rate.value, rate.low, rate.high) == pytest.approx((-50, -50, -50), abs=1e-6)
    assert metric.low <= metric.value <= metric.high < 0
    assert (rate.unit, metric.unit) == ("%", "objects")
    assert [verdict(c, ERROR) for c in comparisons] == ["better", "better"]
    mirrored = table({"a": (RATES, -errors), "b": (RATES / 2, -errors)}, ("a",))
    assert metric.value == pytest.approx(-one(mirrored, "bd_metric").value)
    ahead = one(leads(design, rows, bootstrap), "lead_at_rate", at_bpp=0.2)
    assert (ahead.codec, ahead.other) == ("b", "a")
    assert ahead.value == pytest.approx(errors[3] - errors[2])
    assert ahead.value < 0


def test_a_difference_within_its_noise_is_not_clear() -> None:
    codecs = {"a": (RATES, SCORES), "b": (RATES * 0.98, SCORES), "c": (RATES * 1.8, SCORES)}
    comparisons = table(codecs, ("a",), own=0.08)
    close, far = one(comparisons, "bd_rate", codec="b"), one(comparisons, "bd_rate", codec="c")
    assert close.low < 0 < close.high
    assert 0 < far.low < far.value < far.high
    assert [verdict(c, AP) for c in (close, far)] == ["no clear difference", "worse"]
    (sentence,) = verdicts(results(comparisons))
    assert sentence.endswith("against a: worse: c; no clear difference: b.")


def test_refused_resamples_are_counted_and_said_and_leave_no_interval_where_they_are_many() -> None:
    low = (
        0.25 * (SCORES[-1] - SCORES[0]) - 0.002
    )  # 75.5 % of either curve are shared: images decide whether that is enough
    comparisons = table({"a": (RATES, SCORES), "b": (RATES, SCORES + low)}, ("a",), own=0.05)
    rate = one(comparisons, "bd_rate")
    assert rate.status == "ok"
    assert rate.resamples == RESAMPLES
    assert RESAMPLES / 40 < rate.refused < RESAMPLES
    assert rate.valued_low < rate.valued_high < 0
    assert np.isnan([rate.low, rate.high]).all()
    text = blocks(results(comparisons), "github")
    assert f"{rate.refused} of 400 resamples refused, the others give {rate.valued_low:+.4g} to " in text


def test_where_curves_share_too_little_their_values_are_compared_at_matched_rates() -> None:
    comparisons = table({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.4)}, ("a",), own=0.01)
    assert one(comparisons, "bd_rate").status == "n/a"
    assert "share" in one(comparisons, "bd_rate").reason
    assert one(comparisons, "bd_metric").value == pytest.approx(0.4)
    matched = [c for c in comparisons if c.kind == "difference_at_rate"]
    assert [f"{c.at_bpp:.4f}" for c in matched] == ["0.1189", "0.2828", "0.6727"]
    assert all(c.value == pytest.approx(0.4) for c in matched)
    assert all(c.low < 0.4 < c.high for c in matched)
    assert all(c.codec_score - c.other_score == pytest.approx(c.value, abs=1e-12) for c in matched)
    assert all(0.12 < c.other_score < 0.55 for c in matched)
    text = blocks(results(comparisons), "github")
    assert f"at 0.1189 bpp: {100 * matched[0].codec_score:.1f}% against {100 * matched[0].other_score:.1f}%" in text


def test_curves_that_share_no_rate_get_no_value_either() -> None:
    comparisons = table({"a": (RATES, SCORES), "b": (RATES * 100, SCORES + 0.4)}, ("a",))
    assert [c.status for c in comparisons] == ["n/a", "n/a"]
    assert all(c.reason and math.isnan(c.value) for c in comparisons)


def test_without_resamples_of_a_metric_there_are_differences_without_intervals() -> None:
    codecs = {"a": (RATES, SCORES), "b": (RATES / 2, SCORES)}
    design, rows, _ = measured(codecs, ("a",))
    rate = one(differences(design, rows, Bootstrap(6, 400, 0)), "bd_rate")
    assert rate.value == pytest.approx(-50)
    assert np.isnan(rate.low)
    assert (rate.resamples, rate.refused) == (0, 0)


def test_a_front_is_what_no_point_beats() -> None:
    rate = np.array([[1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 0.5]])
    score = np.array([[0.2, 0.1, 0.4, 0.5, 0.6, 0.6, np.nan]])
    assert front(rate, score).tolist() == [[True, False, True, False, True, False, False]]
    both = front(np.concatenate([rate, rate]), np.concatenate([score, 1 - score]))
    assert both[0].tolist() == front(rate, score)[0].tolist()
    assert both[1].tolist() == [True, True, False, False, False, False, False]


def test_a_front_takes_the_best_of_its_members_at_each_rate_and_spares_them() -> None:
    """v is best at low rates, v(scale=2) at high ones; b needs half the bits of the better of the two."""
    low, high = SCORES - np.linspace(0, 0.1, 6), SCORES - np.linspace(0.1, 0, 6)
    joined = np.concatenate([RATES, RATES]), np.concatenate([low, high])
    kept = front(joined[0][None], joined[1][None])[0]
    best = joined[0][kept], joined[1][kept]
    codecs = {"v": (RATES, low), "v(scale=2)": (RATES, high), "b": (best[0] / 2, best[1])}
    comparisons = table(codecs, ("v", "front(of=v)"))
    rate = one(comparisons, "bd_rate", anchor="front(of=v)")
    assert rate.codec == "b"
    assert rate.value == pytest.approx(-50, abs=1e-6)
    assert rate.low == pytest.approx(-50, abs=1e-3)
    assert {c.codec for c in comparisons if c.anchor == "v"} == {"v(scale=2)", "b"}
    assert one(comparisons, "bd_rate", anchor="v", codec="b").value < -50


def test_the_noise_floor_is_the_codec_against_itself_between_its_own_points() -> None:
    middle = np.sqrt(RATES[1:] * RATES[:-1])
    on_the_curve = np.interp(np.log(middle), np.log(RATES), SCORES) + 0.004
    codecs = {"a": (RATES, SCORES), "b": (RATES / 2, SCORES), "a, second": (middle, on_the_curve)}
    comparisons = table(codecs, ("a",), own=0.02)
    floor = one(comparisons, "noise_floor_rate")
    assert (floor.codec, floor.anchor, floor.unit) == ("a", "a", "%")
    assert abs(floor.value) < 3
    assert floor.low < 0 < floor.high
    assert one(comparisons, "noise_floor_metric").unit == "1"
    assert {c.codec for c in comparisons if c.kind in ("bd_rate", "bd_metric")} == {"b"}
    text = blocks(results(comparisons), "github")
    (line,) = (line for line in text.splitlines() if line.startswith("Noise floor"))
    assert "head: a against itself" in line
    assert f"BD-rate (AP): {floor.value:+.1f} % [{floor.low:+.1f}, {floor.high:+.1f}] {{100/" in line
    assert "better: b." in text
    without = blocks(results(table({"a": (RATES, SCORES), "b": (RATES / 2, SCORES)}, ("a",))), "github")
    assert "Noise floor: not measured" in without


def test_the_second_ladder_lies_between_the_points_of_the_first() -> None:
    second = ladder(curves(["jpegxl"])[0])
    assert second is not None
    assert [point.label for point in second.points] == [
        "distance=2.0",
        "distance=3.25",
        "distance=5.0",
        "distance=8.0",
        "distance=12.5",
    ]
    assert second.second_of == "jpegxl"
    assert ladder(curves(["jpeg(quality=[5, 10, 20, 30])"])[0]) is None  # three between four: too few for a curve
    assert ladder(curves(["jpeg(quality=[10, 11, 12, 13, 14, 15, 16])"])[0]) is None
    assert ladder(curves(["original"])[0]) is None


def test_scores_of_the_second_ladder_and_of_classes_lie_on_no_curve_of_the_codec() -> None:
    middle = np.sqrt(RATES[1:] * RATES[:-1])
    codecs = {"a": (RATES, SCORES), "b": (RATES / 2, SCORES), "a, second": (middle, SCORES[1:] - 0.3)}
    design, rows, bootstrap = measured(codecs, ("a",), own=0.02)
    of_class = [replace(r, part="car", value=0.9) for r in rows if r.head]
    with_classes = differences(design, [*of_class, *rows], bootstrap)
    assert with_classes == differences(design, rows, bootstrap)
    plain = differences(*measured({name: codecs[name] for name in "ab"}, ("a",), own=0.02))
    assert [c for c in with_classes if not c.kind.startswith("noise_floor")] == plain
    assert one(with_classes, "noise_floor_metric").value < -0.2


def test_added_scores_are_compared_beside_the_main_one_each_by_its_own_facts() -> None:
    design, rows, bootstrap = measured({"a": (RATES, SCORES), "b": (RATES / 2, SCORES)}, ("a",), own=0.01)
    design = replace(design, columns=("ap", "miss"), added=("miss",), facts={"ap": AP, "miss": ERROR})
    misses = [replace(r, metric="miss", value=20 - 20 * r.value) for r in rows if r.head]
    for key, samples in list(bootstrap.scores.items()):
        head, route, _, *point = key
        bootstrap.scores[head, route, "miss", *point] = 20 - 20 * samples  # type: ignore[index]
    scores = [*rows, *misses]
    comparisons = [*differences(design, scores, bootstrap), *leads(design, scores, bootstrap)]
    assert {c.metric for c in comparisons if c.kind == "lead_at_rate"} == {"ap", "miss"}
    rate, main = one(comparisons, "bd_rate", metric="miss"), one(comparisons, "bd_rate", metric="ap")
    assert (rate.value, rate.low, rate.high) == pytest.approx((main.value, main.low, main.high), abs=1e-6)
    gain, fewer = one(comparisons, "bd_metric", metric="ap"), one(comparisons, "bd_metric", metric="miss")
    assert fewer.value == pytest.approx(-20 * gain.value)
    assert (fewer.low, fewer.high) == pytest.approx((-20 * gain.high, -20 * gain.low))
    alone = differences(replace(design, added=()), scores, bootstrap)
    assert {c.metric for c in alone} == {"ap"}


def test_at_a_common_rate_the_best_leads_each_other_by_a_paired_interval() -> None:
    """What is hard about an image is hard for all: the intervals of two codecs overlap, that of their difference is
    narrow.
    """
    codecs = {"a": (RATES, SCORES), "b": (RATES, SCORES + 0.05), "c": (RATES, SCORES + 0.049)}
    comparisons = leads(*measured(codecs, (), own=0.005))
    score = {codec: one(comparisons, "score_at_rate", codec=codec, at_bpp=0.2) for codec in "abc"}
    assert [score[codec].value for codec in "abc"] == pytest.approx([0.38, 0.43, 0.429])
    assert score["b"].low < score["a"].high
    ahead = one(comparisons, "lead_at_rate", codec="b", other="a", at_bpp=0.2)
    assert ahead.value == pytest.approx(0.05)
    assert 0 < ahead.low < 0.05 < ahead.high
    level = one(comparisons, "lead_at_rate", codec="b", other="c", at_bpp=0.2)
    assert level.low < 0 < level.high
    assert {c.codec for c in comparisons if c.kind == "lead_at_rate"} == {"b"}


def test_common_rates_are_round_ones_that_two_curves_reach_and_no_curve_is_read_beyond_its_ends() -> None:
    codecs = {"a": (RATES, SCORES), "b": (RATES * 4, SCORES), "b, second": (RATES / 9, SCORES)}
    comparisons = leads(*measured(codecs, ()))
    read = [(c.codec, c.at_bpp) for c in comparisons if c.kind == "score_at_rate"]
    assert read == [(codec, pytest.approx(bpp)) for bpp in (0.2, 0.5, 1) for codec in "ab"]
    # on many resamples b's files are all larger
    near_its_end = next(c for c in comparisons if c.kind == "score_at_rate" and c.codec == "b")
    assert near_its_end.at_bpp == pytest.approx(0.2)
    assert np.isnan([near_its_end.low, near_its_end.high]).all()
    assert near_its_end.resamples == RESAMPLES
    assert near_its_end.refused > RESAMPLES / 40


def test_against_an_anchor_the_best_difference_is_led_by_as_much_as_resamples_say() -> None:
    codecs = {"a": (RATES, SCORES), "b": (RATES * 0.5, SCORES), "c": (RATES * 0.6, SCORES)}
    design, rows, bootstrap = measured(codecs, ("a",), own=0.01)
    comparisons = leads(design, rows, bootstrap)
    lead = one(comparisons, "lead_bd_rate", codec="b", anchor="a", other="c")
    both = [one(differences(design, rows, bootstrap), "bd_rate", codec=codec).value for codec in "bc"]
    assert lead.value == pytest.approx(both[0] - both[1])
    assert lead.low < lead.value < lead.high < 0
    assert one(comparisons, "lead_bd_metric", codec="b", anchor="a", other="c").low > 0


def test_where_rates_were_matched_the_points_themselves_are_compared() -> None:
    codecs = {"a": (RATES, SCORES), "b": (RATES, SCORES + 0.05)}
    design, rows, bootstrap = measured(codecs, (), match_bpp=(0.2,), own=0.005)
    blank = Comparison("matched_rate", "detection", "squares", "test", "bpp", point="p=2", at_bpp=0.2, value=0.201)
    matched = [replace(blank, codec=codec) for codec in "ab"]
    comparisons = leads(design, rows, bootstrap, matched)
    read = [(c.codec, c.point, c.value, c.at_bpp) for c in comparisons if c.kind == "score_at_rate"]
    assert read == [("a", "p=2", pytest.approx(0.38), 0.2), ("b", "p=2", pytest.approx(0.43), 0.2)]
    assert one(comparisons, "lead_at_rate", codec="b", other="a").low > 0
    missed = [matched[0], replace(matched[1], status="n/a", reason="too far")]
    assert [c.codec for c in leads(design, rows, bootstrap, missed)] == ["a"]


def test_without_resamples_a_lead_has_no_interval_and_nothing_is_refused() -> None:
    design, rows, _ = measured({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.05)}, ("a",))
    comparisons = leads(design, rows, Bootstrap(IMAGES, 0, 0))
    assert np.isnan(one(comparisons, "lead_at_rate", at_bpp=0.2).low)
    assert not any(c.refused for c in comparisons)


def test_adapted_heads_are_compared_on_the_same_bitstreams_frozen_ones_are_not() -> None:
    design, rows, bootstrap = measured({"a": (RATES, SCORES)}, (), own=0.02)
    adapted = [replace(r, head="first", regime="adapted") for r in rows if r.head]
    better = [replace(r, head="second", route="latent", value=r.value + 0.1) for r in adapted]
    for key, samples in list(bootstrap.scores.items()):
        bootstrap.scores["first", "image", *key[2:]] = samples  # type: ignore[index]
        bootstrap.scores["second", "latent", *key[2:]] = samples + 0.1  # type: ignore[index]
    apart = heads_apart(design, [*rows, *adapted, *better], bootstrap)
    assert len(apart) == len(RATES)
    assert {(c.kind, c.head, c.route, c.other, c.other_route, c.codec, c.metric) for c in apart} == {
        ("heads_apart", "second", "latent", "first", "image", "a", "ap")
    }
    assert [c.point for c in apart] == [f"p={k}" for k in range(len(RATES))]
    for comparison in apart:
        assert (comparison.value, comparison.low, comparison.high) == pytest.approx((0.1, 0.1, 0.1))
        assert (comparison.resamples, comparison.refused, comparison.unit) == (RESAMPLES, 0, "1")
    assert heads_apart(design, rows, bootstrap) == []
