"""Tables for people: numbers by the facts of their scores, every kind of comparison, and the sentences below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_folders import RATE_ROW

from benchmarks.api import Comparison, MetricFacts, ScoreRow
from benchmarks.runs import sentences, tables
from benchmarks.runs.comparison_tables import bd_tables, heads_apart_table
from benchmarks.runs.number_texts import column_title, difference_text, score_text
from benchmarks.runs.results import Results
from benchmarks.runs.rows import read_comparisons, read_scores
from benchmarks.runs.run_folder import load
from benchmarks.runs.verdicts import verdict
from benchmarks.runs.wide_table import ORIGINALS, wide

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
AP = MetricFacts(title="AP", main=True)
ERROR = MetricFacts(
    high=math.inf, higher_is_better=False, unit="objects", percent=False, title="count error", digits=2, main=True
)
FACTS = {"ap": AP, "count_error": ERROR}

STREAM = replace(RATE_ROW, cell="c1", split="val", images=64)
HEAD = replace(STREAM, cell="c2", head="squares", regime="frozen", metric="ap", value=0.25, low=0.2, high=0.3, unit="1")
BD = Comparison(
    kind="bd_rate",
    task="detection",
    dataset="squares",
    split="val",
    metric="ap",
    head="squares",
    route="image",
    regime="frozen",
    codec="grid",
    anchor="blocks",
    value=-12.345,
    low=-20.0,
    high=-4.0,
    unit="%",
    method="pchip",
    overlap_test=0.994,
    overlap_anchor=0.61,
    resamples=1000,
    images=64,
)


def results(
    scores: Sequence[ScoreRow] = (STREAM, HEAD),
    comparisons: Sequence[Comparison] = (),
    columns: Sequence[str] = ("ap",),
) -> Results:
    return Results.of(scores, comparisons, columns, columns[0], FACTS)


@pytest.mark.parametrize(
    ("value", "facts", "text"),
    [
        (0.52849, AP, "52.8"),
        (1.2345, ERROR, "1.23"),
        (math.inf, MetricFacts(percent=False), "inf"),
        (7.0, MetricFacts(percent=False, digits=0), "7"),
    ],
)
def test_scores_are_shown_by_their_facts(value: float, facts: MetricFacts, text: str) -> None:
    assert score_text(value, facts) == text


def test_titles_name_units_but_not_of_scores_in_percent() -> None:
    some = results()
    titles = [column_title(some, name) for name in ("ap", "count_error", "bpp", "size_kb", "encode_s", "psnr")]
    assert titles == ["AP", "count error [objects]", "bpp", "kB/image", "encode s", "PSNR [dB]"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "-12.3 % [-20.0, -4.0] {99/61}"),
        ({"low": math.nan, "high": math.nan, "method": "fit"}, "-12.3 % {99/61} (fit)"),
        ({"kind": "bd_metric", "value": 0.0123, "low": 0.01, "high": 0.02, "unit": "1"}, "+1.2 [+1.0, +2.0] {99/61}"),
        (
            {"kind": "bd_metric", "metric": "count_error", "value": -1.5, "low": -2.0, "high": -1.0},
            "-1.50 [-2.00, -1.00] {99/61}",
        ),
        ({"overlap_test": math.nan, "overlap_anchor": math.nan}, "-12.3 % [-20.0, -4.0]"),
        ({"status": "n/a", "reason": "one curve has 2 points"}, "n/a: one curve has 2 points"),
    ],
)
def test_differences_are_shown_by_kind_and_facts(changes: dict[str, Any], text: str) -> None:
    comparison = replace(BD, **changes)
    assert difference_text(comparison, FACTS[comparison.metric]) == text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "better"),
        ({"low": 4.0, "high": 20.0}, "worse"),
        ({"low": -4.0, "high": 20.0}, "no clear difference"),
        ({"low": math.nan, "high": math.nan}, "no interval"),
        ({"images": 9}, "no interval"),
        ({"kind": "bd_metric", "low": 0.01, "high": 0.02}, "better"),
        ({"kind": "bd_metric", "low": -0.02, "high": -0.01}, "worse"),
        ({"kind": "bd_metric", "metric": "count_error", "low": -2.0, "high": -1.0}, "better"),
        ({"kind": "bd_metric", "metric": "count_error", "low": 1.0, "high": 2.0}, "worse"),
        ({"metric": "count_error", "low": 4.0, "high": 20.0}, "worse"),
    ],
)
def test_a_verdict_follows_interval_direction_and_kind(changes: dict[str, Any], expected: str) -> None:
    comparison = replace(BD, **changes)
    assert verdict(comparison, FACTS[comparison.metric]) == expected


def test_verdicts_name_codecs_by_head_and_anchor() -> None:
    rows = [
        replace(BD, codec="a"),
        replace(BD, kind="bd_metric", codec="a", low=-0.2, high=-0.1),  # BD-rate decides
        replace(BD, codec="b", low=1.0, high=2.0),
        replace(BD, codec="c", low=math.nan, high=math.nan),
        replace(BD, kind="bd_metric", codec="c", low=-0.1, high=0.1),
        replace(BD, codec="d", low=math.nan, high=math.nan),
        replace(BD, codec="e", images=9),
    ]
    assert sentences.verdicts(results(comparisons=rows)) == [
        "Verdict (95 % CI), squares against blocks: better: a; worse: b; no clear difference: c; no interval: d, e."
    ]


def test_a_head_of_two_scores_has_a_verdict_and_a_line_of_rates_for_each() -> None:
    errors = replace(BD, metric="count_error", low=4.0, high=20.0)
    at_rate = replace(BD, kind="difference_at_rate", at_bpp=0.3, codec_score=0.4, other_score=0.5, unit="1")
    rows = [BD, errors, at_rate, replace(at_rate, metric="count_error", codec_score=2.0, other_score=1.5)]
    some = results(comparisons=rows, columns=("ap", "count_error"))
    assert sentences.verdicts(some) == [
        "Verdict (95 % CI), squares, AP against blocks: better: grid.",
        "Verdict (95 % CI), squares, count error against blocks: worse: grid.",
    ]
    ap, error = sentences.at_rates(some)
    assert ap.startswith("squares, grid against blocks, AP at 0.3000 bpp: 40.0% against 50.0%, ")
    assert error.startswith(
        "squares, grid against blocks, count error at 0.3000 bpp: 2.00 objects against 1.50 objects, "
    )


def test_a_head_of_two_routes_is_named_with_its_domain() -> None:
    scores = [STREAM, HEAD, replace(HEAD, route="latent", cell="c3")]
    rows = [BD, replace(BD, route="latent", low=4.0, high=20.0)]
    assert sentences.verdicts(results(scores, rows)) == [
        "Verdict (95 % CI), squares, pixel domain against blocks: better: grid.",
        "Verdict (95 % CI), squares, compressed domain against blocks: worse: grid.",
    ]


def test_wide_tables_have_a_column_for_each_score_and_no_second_ladder() -> None:
    scores = [
        STREAM,
        replace(STREAM, metric="size_bytes", value=2500.0, low=math.nan, high=math.nan),
        HEAD,
        replace(HEAD, part="car", value=0.9),
        replace(HEAD, ladder="second", point="size=3", value=0.8),
        replace(HEAD, metric="count_error", value=1.5, low=1.0, high=2.0, unit="objects"),
    ]
    table = wide(results(scores, columns=("ap", "count_error")))
    assert len(table) == 1
    line = table.iloc[0]
    assert list(table.columns[4:13]) == [
        *("bpp", "bpp_low", "bpp_high", "size_kb", "ap", "ap_low", "ap_high"),
        *("count_error", "count_error_low"),
    ]
    assert [line[name] for name in ("bpp", "size_kb", "ap", "count_error", "count_error_high", "status")] == [
        *(0.5, 2.5, 0.25, 1.5, 2.0),
        "ok",
    ]


def test_a_latent_reader_has_its_own_decoding_time_and_no_psnr() -> None:
    scores = [
        STREAM,
        replace(STREAM, metric="psnr", value=30.0),
        replace(STREAM, metric="decode_s", value=2.0),
        replace(STREAM, metric="decode_s", route="latent", value=1.0),
        HEAD,
        replace(HEAD, route="latent", cell="c3"),
    ]
    lines = wide(results(scores)).set_index("route")
    assert lines.loc["image", ["psnr", "decode_s"]].tolist() == [30.0, 2.0]
    assert lines.loc["latent", "decode_s"] == 1.0
    assert math.isnan(lines.loc["latent", "psnr"])


def test_heads_that_see_the_originals_share_one_block() -> None:
    psnr = replace(HEAD, head="psnr", regime="reference", metric="psnr", value=30.0, cell="c3")
    table = wide(results([STREAM, HEAD, psnr], columns=("ap", "psnr")))
    assert table["head"].tolist() == ["squares", ORIGINALS]
    text = tables.blocks(results([STREAM, HEAD, psnr], columns=("ap", "psnr")), "github")
    assert f"### detection on squares (val, 64 images), {ORIGINALS}" in text
    assert "Not in percent: PSNR." in text
    assert "consistency, not accuracy" in text


def test_predictions_that_stand_in_for_labels_are_told_below_the_table() -> None:
    pseudo = [replace(row, dataset="images (pseudo-labels)", split="") for row in (STREAM, HEAD)]
    text = tables.blocks(results(pseudo), "github")
    assert "### detection on images (pseudo-labels) (64 images), head squares" in text
    assert "Pseudo-labels: the data set has no labels, and each head's own predictions on the originals" in text
    assert "Pseudo-labels" not in tables.blocks(results([STREAM, HEAD]), "github")


def test_a_score_of_another_unit_and_direction_is_right_in_every_form() -> None:
    scores = [STREAM, replace(HEAD, metric="count_error", value=1.5, low=1.0, high=2.0, unit="objects")]
    worse = replace(BD, kind="bd_metric", metric="count_error", value=0.5, low=0.25, high=1.0, unit="objects")
    at_rate = replace(
        worse, kind="difference_at_rate", at_bpp=0.3, codec_score=2.0, other_score=1.5, overlap_test=math.nan
    )
    some = results(scores, [replace(worse, kind="bd_rate", value=30.0), worse, at_rate], columns=("count_error",))
    for form in ("simple", "github", "latex_booktabs"):
        text = tables.blocks(some, form)
        for part in (
            "count error [objects]",
            "1.50 [1.00, 2.00]",
            "BD-rate (count error) vs blocks",
            "BD-count error vs blocks",
            "+0.50 [+0.25, +1.00]",
            "Lower is better: count error.",
            "grid against blocks, count error at 0.3000 bpp: 2.00 objects against 1.50 objects, +0.50 [+0.25, +1.00]",
        ):
            assert part in text
        assert "in percent. " not in text


def test_differences_stand_in_tables_of_heads_with_equal_metrics() -> None:
    rows = [
        BD,
        replace(BD, kind="bd_metric", value=0.1, low=math.nan, high=math.nan),
        replace(BD, head="counter", metric="count_error"),
        replace(BD, head="other", anchor="jpeg"),
    ]
    first, second = bd_tables(results(comparisons=rows))
    assert list(first.columns[3:]) == ["BD-rate (AP) vs blocks", "BD-AP vs blocks", "BD-rate (AP) vs jpeg"]
    assert first["head"].tolist() == ["squares", "other"]
    assert first.iloc[1, 3:].tolist() == ["", "", "-12.3 % [-20.0, -4.0] {99/61}"]
    assert list(second.columns) == ["head", "route", "codec", "BD-rate (count error) vs blocks"]
    assert bd_tables(results()) == []


def test_heads_on_the_same_bitstreams_are_compared_by_name_and_domain() -> None:
    apart = replace(
        BD,
        kind="heads_apart",
        route="latent",
        other="small",
        other_route="image",
        point="size=4",
        value=-0.021,
        low=-0.03,
        high=-0.01,
        overlap_test=math.nan,
    )
    table = heads_apart_table(results(comparisons=[apart]))
    title = "AP of squares, compressed domain, less small, pixel domain"
    assert list(table.columns) == ["codec", "point", title]
    assert table.iloc[0].tolist() == ["grid", "size=4", "-2.1 [-3.0, -1.0]"]
    assert heads_apart_table(results()).empty


def test_the_noise_floor_is_told_or_said_to_be_missing() -> None:
    floor = replace(BD, kind="noise_floor_rate", codec="blocks", value=-3.5, low=-8.7, high=1.8)
    (sentence,) = sentences.noise_floor(results(comparisons=[BD, floor]))
    assert sentence.startswith("Noise floor, squares: blocks against itself")
    assert sentence.endswith("BD-rate (AP): -3.5 % [-8.7, +1.8] {99/61}.")
    assert sentences.noise_floor(results(comparisons=[BD]))[0].startswith("Noise floor: not measured")
    assert sentences.noise_floor(results()) == []


def test_refused_resamples_are_never_silent() -> None:
    some = replace(BD, refused=11, valued_low=-90.184, valued_high=-60.5)
    scores = replace(some, kind="bd_metric", valued_low=-0.09718, valued_high=-0.06334)
    few = replace(BD, codec="blocks", refused=980)
    assert sentences.refused(results(comparisons=[some, scores, few, BD])) == [
        "squares, grid against blocks, BD-rate (AP): 11 of 1000 resamples refused, the others give -90.18 to -60.5 %.",
        "squares, grid against blocks, BD-AP: 11 of 1000 resamples refused, the others give -9.718 to -6.334.",
        "squares, blocks against itself, BD-rate (AP): 980 of 1000 resamples refused.",
    ]


def test_matched_rates_are_named_and_missed_ones_explained() -> None:
    blank = replace(
        BD, kind="matched_rate", metric="bpp", head="", route="", anchor="", codec="blocks", unit="bit/pixel"
    )
    reached = replace(blank, point="size=4", at_bpp=0.5, value=0.51)
    missed = replace(blank, at_bpp=0.01, value=0.2, status="n/a", reason="no point within 5 % of 0.01 bpp")
    some = results(comparisons=[reached, missed])
    assert sentences.matched(some) == ["Matched to 0.5 bpp: blocks size=4 takes 0.5100 (+2.0%)."]
    assert sentences.missing(some) == ["n/a: blocks: no point within 5 % of 0.01 bpp"]


def test_scores_without_interval_say_why_and_times_do_not() -> None:
    reason = "19 labelled objects, at least 20 are needed"
    bare = replace(HEAD, low=math.nan, high=math.nan, reason=reason)
    timed = replace(HEAD, metric="head_s", low=math.nan, high=math.nan, reason="measured once; 1 process")
    failed = replace(HEAD, metric="ap50", low=math.nan, high=math.nan, status="failed", reason="it broke")
    some = results([STREAM, bare, replace(bare, head="other"), timed, failed])
    assert sentences.too_little(some.scores) == [
        f"No interval, no verdict and nothing in bold for squares, other: {reason}."
    ]
    assert sentences.times(some.scores) == ["Times: measured once; 1 process."]
    assert sentences.missing(some) == ["failed: squares blocks size=4: it broke"]
    assert sentences.too_little(results().scores) == []
    few = results([replace(STREAM, images=3), replace(HEAD, images=3)])
    assert sentences.too_little(few.scores) == [
        "No interval, no verdict and nothing in bold: 3 distinct images, at least 10 are needed."
    ]


def test_a_missing_point_of_a_second_ladder_is_named_as_such() -> None:
    failed = replace(STREAM, ladder="second", status="failed", reason="it broke")
    assert sentences.missing(results([STREAM, HEAD, failed])) == ["failed: blocks, second ladder size=4: it broke"]


def test_strange_texts_stay_on_their_line() -> None:
    strange = "two\nlines \x1b[31m"
    some = results([STREAM, replace(HEAD, head=strange)], [replace(BD, head=strange)])
    for form in ("simple", "github", "latex_booktabs"):
        text = tables.blocks(some, form, [strange])
        assert "\x1b" not in text
        assert "two\nlines" not in text
    tex = tables.blocks(some, "latex_booktabs", [strange])
    prose = [line for line in tex.splitlines() if "two lines" in line and "&" not in line]
    assert len(prose) >= 3
    assert all(line.startswith("% ") for line in prose)


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_the_tables_of_a_run_are_read_back_as_they_were(task: str, tmp_path: Path) -> None:
    run = load(REFERENCE / task)
    tables.write(run.results, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("scores.csv", "comparisons.csv", "table.csv", "table.md", "table.tex")
    }
    assert (tmp_path / "table.csv").read_text() == (REFERENCE / task / "table.csv").read_text()
    assert read_scores(tmp_path / "scores.csv").equals(run.scores)
    assert read_comparisons(tmp_path / "comparisons.csv").equals(run.comparisons)
