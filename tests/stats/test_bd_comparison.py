"""Bjontegaard differences with their intervals, on made-up curves whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks.stats.null_floor import PART, marked
from hsc_testkit import Squares

from benchmarks.api import TASKS, Row
from benchmarks.harness.config import Config
from benchmarks.harness.operating_points import Curve, curves, ladder
from benchmarks.runs.rows import frame
from benchmarks.runs.tables import blocks, told_apart
from benchmarks.stats.bd_comparison import differences
from benchmarks.stats.bjontegaard import front
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.codec_comparison import leads
from benchmarks.stats.design import Design, Ladder

RATES = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
SCORES = np.array([0.12, 0.25, 0.38, 0.47, 0.52, 0.55])
IMAGES, RESAMPLES = 40, 400

Bent = dict[str, tuple[np.ndarray, np.ndarray]]


def table(
    codecs: Bent, anchors: tuple[str, ...], noise: float = 0.15, own: float = 0.0, null_of: str = ""
) -> list[Row]:
    """The differences of a run."""
    return differences(*measured(codecs, anchors, noise, own, null_of))


def measured(
    codecs: Bent,
    anchors: tuple[str, ...],
    noise: float = 0.15,
    own: float = 0.0,
    null_of: str = "",
    match_bpp: tuple[float, ...] = (),
) -> tuple[Design, list[Row], Bootstrap]:
    """A run of codecs by (rates, scores), on images of which some are hard for all. own: how far images differ for each
    codec alone.

    null_of: the curve of which the last one is the second ladder.
    """
    random = np.random.default_rng(3)
    hard = random.normal(0, noise, IMAGES)
    made = tuple(
        Curve(label, tuple((f"p={k}", None) for k in range(len(rates)))) for label, (rates, _) in codecs.items()
    )  # type: ignore[misc]
    made = (*made[:-1], replace(made[-1], null_of=null_of))
    config = Config(
        TASKS.build("detection"), Squares(), made, (), (), anchors, resamples=RESAMPLES, match_bpp=match_bpp
    )
    bootstrap = Bootstrap(IMAGES, RESAMPLES, 0)
    rows = []
    for label, (rates, scores) in codecs.items():
        for k, (rate, score) in enumerate(zip(rates, scores, strict=True)):
            each = score + hard + random.normal(0, own, IMAGES)
            each = each - each.mean() + score
            bits = rate * np.exp(hard)
            bits = bits * rate / bits.mean()
            bootstrap.rates[label, f"p={k}"] = bootstrap.draws @ bits / IMAGES
            bootstrap.scores["head", "image", label, f"p={k}"] = bootstrap.draws @ each / IMAGES
            rows += [row(label, k, "", "bpp", rate), row(label, k, "head", "ap", score)]
    return config.design, rows, bootstrap


def row(codec: str, point: int, head: str, metric: str, value: float) -> Row:
    return Row(
        "",
        "detection",
        "squares",
        "test",
        codec,
        f"p={point}",
        "image",
        "frozen",
        head,
        "",
        0,
        metric,
        "",
        value,
        images=IMAGES,
    )


def one(rows: list[Row], metric: str, **columns: Any) -> Row:
    found = [r for r in rows if r.metric == metric and all(getattr(r, k) == v for k, v in columns.items())]
    assert len(found) == 1
    return found[0]


def test_half_the_rate_is_minus_fifty_percent_on_every_resample_since_they_are_paired() -> None:
    rows = table({"a": (RATES, SCORES), "b": (RATES / 2, SCORES)}, ("a",))
    found = one(rows, "bd_rate(ap)")
    assert (found.value, found.low, found.high) == pytest.approx((-50, -50, -50), abs=1e-6)
    assert found.codec == "b"
    assert one(rows, "bd_ap").low > 0
    assert told_apart(frame(rows)) == ["head, against a, by intervals that leave out 0: better: b."]


def test_a_difference_within_its_noise_is_not_told_apart() -> None:
    rows = table({"a": (RATES, SCORES), "b": (RATES * 0.98, SCORES), "c": (RATES * 1.8, SCORES)}, ("a",), own=0.08)
    close, far = one(rows, "bd_rate(ap)", codec="b"), one(rows, "bd_rate(ap)", codec="c")
    assert close.low < 0 < close.high
    assert 0 < far.low < far.value < far.high
    assert told_apart(frame(rows)) == ["head, against a, by intervals that leave out 0: worse: c; not told apart: b."]


def test_refused_resamples_are_counted_and_said_and_leave_no_interval_where_they_are_many() -> None:
    low = (
        0.25 * (SCORES[-1] - SCORES[0]) - 0.002
    )  # 75.5 % of either curve are shared: images decide whether that is enough
    rows = table({"a": (RATES, SCORES), "b": (RATES, SCORES + low)}, ("a",), own=0.05)
    found = one(rows, "bd_rate(ap)")
    assert found.status == "ok"
    assert "of 400 resamples refused, the others give -" in found.reason
    assert np.isnan([found.low, found.high]).all()
    assert "head, b against a, bd_rate(ap): " in blocks(rows, ("ap",), "github")


def test_where_curves_share_too_little_their_values_are_compared_at_matched_rates() -> None:
    rows = table({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.4)}, ("a",), own=0.01)
    assert one(rows, "bd_rate(ap)").status == "n/a"
    assert one(rows, "bd_ap").value == pytest.approx(0.4)
    matched = [r for r in rows if r.metric == "d_ap"]
    assert [r.part for r in matched] == ["at 0.1189 bpp", "at 0.2828 bpp", "at 0.6727 bpp"]
    assert all(r.value == pytest.approx(0.4) for r in matched)
    assert all(r.low < 0.4 < r.high for r in matched)
    ours, theirs = (float(text.rstrip("%")) for text in matched[0].reason.split(" against "))
    assert ours - theirs == pytest.approx(40, abs=0.11)
    assert "at 0.1189 bpp" in blocks(rows, ("ap",), "github")


def test_curves_that_share_no_rate_get_no_value_either() -> None:
    rows = table({"a": (RATES, SCORES), "b": (RATES * 100, SCORES + 0.4)}, ("a",))
    assert [r.status for r in rows] == ["n/a", "n/a"]


def test_without_resamples_of_a_metric_there_are_differences_without_intervals() -> None:
    config = Config(
        TASKS.build("detection"),
        Squares(),
        tuple(Curve(n, tuple((f"p={k}", None) for k in range(6))) for n in "ab"),
        (),
        (),
        ("a",),
    )  # type: ignore[misc, arg-type]
    rows = [
        r
        for n, f in (("a", 1.0), ("b", 0.5))
        for k in range(6)
        for r in (row(n, k, "", "bpp", RATES[k] * f), row(n, k, "head", "ap", SCORES[k]))
    ]
    found = one(differences(config.design, rows, Bootstrap(6, 400, 0)), "bd_rate(ap)")
    assert found.value == pytest.approx(-50)
    assert np.isnan(found.low)
    assert "refused" not in found.reason


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
    rows = table({"v": (RATES, low), "v(scale=2)": (RATES, high), "b": (best[0] / 2, best[1])}, ("v", "front(of=v)"))
    found = one(rows, "bd_rate(ap)", anchor="front(of=v)")
    assert found.codec == "b"
    assert found.value == pytest.approx(-50, abs=1e-6)
    assert found.low == pytest.approx(-50, abs=1e-3)
    assert {r.codec for r in rows if r.anchor == "v"} == {"v(scale=2)", "b"}
    assert one(rows, "bd_rate(ap)", anchor="v", codec="b").value < -50


def test_the_null_floor_is_the_codec_against_itself_between_its_own_points() -> None:
    middle = np.sqrt(RATES[1:] * RATES[:-1])
    on_the_curve = np.interp(np.log(middle), np.log(RATES), SCORES) + 0.004
    codecs = {"a": (RATES, SCORES), "b": (RATES / 2, SCORES), "a, null ladder": (middle, on_the_curve)}
    rows = table(codecs, ("a",), own=0.02, null_of="a")
    found = one(rows, "bd_rate(ap)", part=PART)
    assert (found.codec, found.anchor) == ("a", "a")
    assert abs(found.value) < 3
    assert found.low < 0 < found.high
    assert {r.codec for r in rows if r.part == ""} == {"b"}
    text = blocks(rows, ("ap",), "github")
    assert "Null floor, head: a against itself" in text
    assert f"bd_rate(ap): {found.value:+.1f} % [{found.low:+.1f}, {found.high:+.1f}] {{100/" in text
    assert "better: b." in text
    without = blocks(table({"a": (RATES, SCORES), "b": (RATES / 2, SCORES)}, ("a",)), ("ap",), "github")
    assert "Null floor: not measured" in without


def test_the_second_ladder_lies_between_the_points_of_the_first() -> None:
    second = ladder(curves(["jpegxl"])[0])
    assert second is not None
    assert [p for p, _ in second.points] == [
        "distance=2.0",
        "distance=3.25",
        "distance=5.0",
        "distance=8.0",
        "distance=12.5",
    ]
    assert second.null_of == "jpegxl"
    assert ladder(curves(["jpeg(quality=[5, 10, 20, 30])"])[0]) is None  # three between four: too few for a curve
    assert ladder(curves(["jpeg(quality=[10, 11, 12, 13, 14, 15, 16])"])[0]) is None
    assert ladder(curves(["original"])[0]) is None


def test_rows_of_the_second_ladder_are_parts_of_their_codec() -> None:
    second = Ladder("a, null ladder", (), second_of="a")
    rows = [
        row("a", 0, "", "bpp", 1.0),
        row("a, null ladder", 0, "", "bpp", 2.0),
        replace(row("a, null ladder", 0, "h", "ap", 0.5), part="car"),
    ]
    skipped = replace(row("a, null ladder", 0, "", "ap", 0.0), status="skipped")
    found = marked([*rows, skipped], [Ladder("a", ()), second])
    assert [(r.codec, r.part, r.value) for r in found] == [("a", "", 1.0), ("a", PART, 2.0)]


def test_at_a_common_rate_the_best_leads_each_other_by_a_paired_interval() -> None:
    """What is hard about an image is hard for all: the intervals of two codecs overlap, that of their difference is
    narrow.
    """
    rows = leads(
        *measured({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.05), "c": (RATES, SCORES + 0.049)}, (), own=0.005)
    )
    score = {codec: one(rows, "at_rate(ap)", codec=codec, part="0.2 bpp") for codec in "abc"}
    assert [score[codec].value for codec in "abc"] == pytest.approx([0.38, 0.43, 0.429])
    assert score["b"].low < score["a"].high
    ahead = one(rows, "d_at_rate(ap)", codec="b", anchor="a", part="0.2 bpp")
    assert ahead.value == pytest.approx(0.05)
    assert 0 < ahead.low < 0.05 < ahead.high
    level = one(rows, "d_at_rate(ap)", codec="b", anchor="c", part="0.2 bpp")
    assert level.low < 0 < level.high
    assert {r.codec for r in rows if r.metric == "d_at_rate(ap)"} == {"b"}


def test_common_rates_are_round_ones_that_two_curves_reach_and_no_curve_is_read_beyond_its_ends() -> None:
    rows = leads(
        *measured(
            {"a": (RATES, SCORES), "b": (RATES * 4, SCORES), "b, null ladder": (RATES / 9, SCORES)}, (), null_of="b"
        )
    )
    at = [(r.codec, r.part) for r in rows if r.metric == "at_rate(ap)"]
    assert at == [(codec, f"{bpp} bpp") for bpp in ("0.2", "0.5", "1") for codec in "ab"]
    near_its_end = one(rows, "at_rate(ap)", codec="b", part="0.2 bpp")  # on many resamples b's files are all larger
    assert np.isnan([near_its_end.low, near_its_end.high]).all()
    assert "of 400 resamples refused" in near_its_end.reason


def test_against_an_anchor_the_best_difference_is_led_by_as_much_as_resamples_say() -> None:
    plan, rows, bootstrap = measured(
        {"a": (RATES, SCORES), "b": (RATES * 0.5, SCORES), "c": (RATES * 0.6, SCORES)}, ("a",), own=0.01
    )
    found = leads(plan, rows, bootstrap)
    lead = one(found, "d_bd_rate(ap)", codec="b", anchor="a", part="less c")
    both = [one(differences(plan, rows, bootstrap), "bd_rate(ap)", codec=codec).value for codec in "bc"]
    assert lead.value == pytest.approx(both[0] - both[1])
    assert lead.low < lead.value < lead.high < 0
    assert one(found, "d_bd_ap", codec="b", anchor="a", part="less c").low > 0


def test_where_rates_were_matched_the_points_themselves_are_compared() -> None:
    plan, rows, bootstrap = measured(
        {"a": (RATES, SCORES), "b": (RATES, SCORES + 0.05)}, (), match_bpp=(0.2,), own=0.005
    )
    got = [replace(row(codec, 2, "", "matched_bpp", 0.201), part="0.2 bpp") for codec in "ab"]
    found = leads(plan, [*got, *rows], bootstrap)
    assert [(r.codec, r.point, r.value, r.reason) for r in found if r.metric == "at_rate(ap)"] == [
        ("a", "p=2", pytest.approx(0.38), "at 0.2010 bpp"),
        ("b", "p=2", pytest.approx(0.43), "at 0.2010 bpp"),
    ]
    assert one(found, "d_at_rate(ap)", codec="b", anchor="a").low > 0


def test_without_resamples_a_lead_has_no_interval_and_nothing_is_refused() -> None:
    plan, rows, _ = measured({"a": (RATES, SCORES), "b": (RATES, SCORES + 0.05)}, ("a",))
    found = leads(plan, rows, Bootstrap(IMAGES, 0, 0))
    assert np.isnan(one(found, "d_at_rate(ap)", part="0.2 bpp").low)
    assert not any("refused" in r.reason for r in found)
