"""The summary of a run: its finding, its rows, its notes, and one screen of text, for runs of every shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.api import Comparison, MetricFacts, ScoreRow
from benchmarks.runs import tables
from benchmarks.runs.display_names import displayed
from benchmarks.runs.findings import Finding, finding_of
from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import load
from benchmarks.runs.summary import CodecRow, Span, Summary, summary_of
from benchmarks.runs.summary_text import LINES, WIDTH, finding_lines, markdown, screen
from benchmarks.runs.verdicts import verdict_of

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
NAN = math.nan
AP = MetricFacts(title="AP", main=True)
ERROR = MetricFacts(high=math.inf, higher_is_better=False, unit="objects", percent=False, title="error", digits=2)
FACTS = {"ap": AP, "error": ERROR}
ABOUT: dict[str, Any] = {"task": "detection", "dataset": "squares", "split": "val", "images": 64}
HEAD: dict[str, Any] = {"head": "small", "route": "image", "regime": "frozen"}


def score(codec: str, point: str, metric: str, value: float, **columns: Any) -> ScoreRow:
    blank = {"cell": "c", "ladder": "", "route": "image", "regime": "", "head": "", "part": "", "seed": 0}
    return ScoreRow(**{**ABOUT, **blank, "codec": codec, "point": point, "metric": metric, "value": value, **columns})


def points(
    codec: str, rates: Sequence[float], values: Sequence[float], metric: str = "ap", **head: Any
) -> list[ScoreRow]:
    """The rows of a codec's operating points: rates, times, and the scores of one head."""
    rows = []
    for place, (bpp, value) in enumerate(zip(rates, values, strict=True)):
        name = f"q={place}"
        rows += [score(codec, name, "bpp", bpp), score(codec, name, "encode_s", 0.004 * (place + 1))]
        rows += [score(codec, name, "decode_s", 0.012), score(codec, name, metric, value, **{**HEAD, **head})]
    return rows


def difference(codec: str, value: float, low: float = NAN, high: float = NAN, **columns: Any) -> Comparison:
    blank: dict[str, Any] = {"kind": "bd_rate", "metric": "ap", "anchor": "vvc", "unit": "%", **ABOUT, **HEAD}
    return Comparison(**{**blank, "codec": codec, "value": value, "low": low, "high": high, **columns})


def refused(codec: str, reason: str, **columns: Any) -> Comparison:
    return difference(codec, NAN, status="n/a", reason=reason, **columns)


def at_rate(codec: str, bpp: float, value: float, **columns: Any) -> Comparison:
    return difference(codec, value, kind="score_at_rate", anchor="", at_bpp=bpp, **columns)


def lead(codec: str, other: str, low: float = NAN, high: float = NAN, **columns: Any) -> Comparison:
    blank = {"kind": "lead_bd_rate", "other": other}
    return difference(codec, (low + high) / 2, low, high, **{**blank, **columns})


def results(
    scores: Sequence[ScoreRow], comparisons: Sequence[Comparison] = (), columns: Sequence[str] = ("ap",), **more: Any
) -> Results:
    return Results.of(scores, comparisons, columns, columns[0], FACTS, **more)


def lines_of(summary: Summary) -> list[str]:
    """The lines of its screen, which keep within a screen's width."""
    lines = screen(summary, ["Files in folder"]).splitlines()
    assert max(map(len, lines)) <= WIDTH
    return lines


RIVALS = ("vvc", "avif", "jpeg", "hsc")
SCORES = [
    score("original", "", "bpp", 24.0),
    score("original", "", "ap", 0.528, **HEAD),
    *(row for codec in RIVALS for row in points(codec, (0.1, 0.2, 0.4), (0.2, 0.3, 0.4))),
]
COMPARED = [
    difference("avif", -6.9, -15.4, 1.6),
    difference("jpeg", 93.7, 73.5, 115.6),
    difference("hsc", -83.9, -86.4, -80.9),
    *(at_rate(codec, 0.1, 0.25) for codec in ("vvc", "avif")),
    *(at_rate(codec, 0.2, 0.3) for codec in RIVALS),
    *(at_rate(codec, 0.5, 0.4) for codec in RIVALS[:3]),
    *(at_rate(codec, 1.0, 0.45) for codec in ("avif", "jpeg")),
    lead("hsc", "avif", -86.1, -66.8),
    lead("hsc", "jpeg", -205.0, -153.0),
]


def test_rows_stand_by_bd_rate_with_the_anchor_at_zero() -> None:
    summary = summary_of(results(SCORES, COMPARED))
    assert [row.codec for row in summary.rows] == ["hsc", "avif", "vvc", "jpeg"]
    assert [row.status for row in summary.rows] == ["ok", "ok", "anchor", "ok"]
    assert [row.verdicts for row in summary.rows] == [("better",), ("no clear difference",), (None,), ("worse",)]
    assert summary.anchor == "vvc"
    (head,) = summary.heads
    assert (head.label, head.title, head.original) == ("A", "small", 0.528)


def test_a_row_holds_spans_of_rates_scores_and_times() -> None:
    row = summary_of(results(SCORES, COMPARED)).rows[0]
    assert row.bpp == Span(0.1, 0.4)
    assert row.scores == (Span(0.2, 0.4),)
    assert row.encode_s == Span(0.004, 0.012)
    assert row.decode_s == Span(0.012, 0.012)


def test_the_rates_are_those_that_most_codecs_reach_the_lower_first() -> None:
    summary = summary_of(results(SCORES, COMPARED))
    assert summary.rates == (0.1, 0.2, 0.5)  # 4 codecs, 3, then 2 at 0.1 as at 1.0
    assert [c and c.value for c in summary.rows[0].at_rates] == [None, 0.3, None]


def test_a_screen_has_every_number_and_the_finding_first() -> None:
    lines = lines_of(summary_of(results(SCORES, COMPARED)))
    assert lines[0] == "detection on squares (val, 64 images)"
    assert lines[1] == "hsc leads: BD-rate -83.9 % [-86.4, -80.9] against vvc."
    (row,) = [line for line in lines if line.startswith("hsc  ")]
    assert row.split() == ["hsc", "-83.9", "[-86.4,", "-80.9]", "-", "30.0", "-", "4.0..12", "12", "better"]
    (row,) = [line for line in lines if line.startswith("avif")]
    assert row.endswith("no clear difference")
    (row,) = [line for line in lines if line.startswith("vvc")]
    assert row.split()[1:5] == ["anchor", "25.0", "30.0", "40.0"]
    assert "(AP 52.8 on the originals)" in " ".join(lines)
    assert lines[-1] == "Files in folder"


@pytest.mark.parametrize(
    ("rate", "metric", "verdict"),
    [
        (difference("a", -9.0, -20.0, -1.0), None, "better"),
        (difference("a", 9.0, 1.0, 20.0), None, "worse"),
        (difference("a", -9.0, -20.0, 1.0), None, "no clear difference"),
        (difference("a", -9.0), None, "no interval"),
        (difference("a", -9.0), difference("a", 0.1, 0.05, 0.2, kind="bd_metric"), "better"),
        (difference("a", -9.0, -20.0, -1.0), difference("a", -0.1, -0.2, -0.05, kind="bd_metric"), "better"),
        (refused("a", "it dips"), difference("a", -0.1, -0.2, -0.05, kind="bd_metric"), "worse"),
        (refused("a", "it dips"), refused("a", "it dips", kind="bd_metric"), None),
        (None, None, None),
    ],
)
def test_a_verdict_rests_on_bd_rate_then_on_bd_metric(
    rate: Comparison | None, metric: Comparison | None, verdict: str | None
) -> None:
    assert verdict_of(rate, metric, AP) == verdict


def test_the_leader_is_behind_level_or_undecided_with_each_rival_by_the_interval_of_its_lead() -> None:
    rates = [difference("best", -50.0, -60.0, -40.0), *(difference(name, -9.0, -20.0, -1.0) for name in "abcd")]
    leads = [
        lead("best", "a", -45.0, -30.0),
        lead("best", "b", -45.0, 3.0),
        lead("best", "c"),
        lead("best", "c", 0.01, 0.05, kind="lead_bd_metric"),
        lead("best", "d"),
    ]
    finding = finding_of([*rates, refused("e", "it dips")], leads, AP)
    assert (finding.leader, finding.verdict) == ("best", "better")
    assert (finding.behind, finding.level, finding.undecided) == (("a", "c"), ("b",), ("d",))
    assert finding.uncompared == ("e",)
    shown = finding_lines(replace(summary_of(results(SCORES, COMPARED)), findings=(finding,)))
    assert shown == [
        "best leads: BD-rate -50.0 % [-60.0, -40.0] against vvc; not clearly ahead of b; no interval of its lead over "
        "d; without a BD-rate: e."
    ]


@pytest.mark.parametrize(
    ("differences", "leader", "verdict", "sentence"),
    [
        ([difference("a", 9.0, 1.0, 20.0)], "vvc", "better", "vvc leads: every codec compared is worse."),
        (
            [difference("a", 9.0, -1.0, 20.0)],
            "vvc",
            "no clear difference",
            "No codec has a lower BD-rate than vvc.",
        ),
        (
            [difference("a", -9.0, -20.0, 1.0)],
            "a",
            "no clear difference",
            "a has the lowest BD-rate, with no clear difference: BD-rate -9.0 % [-20.0, +1.0] against vvc.",
        ),
        (
            [difference("a", -9.0), refused("b", "it dips")],
            "a",
            "no interval",
            "a has the lowest BD-rate, with no interval, so no verdict: BD-rate -9.0 % against vvc; without a BD-rate: "
            "b.",
        ),
        ([refused("a", "it dips")], "", "no interval", "No codec has a BD-rate against vvc."),
    ],
)
def test_a_finding_claims_no_more_than_its_intervals(
    differences: list[Comparison], leader: str, verdict: str, sentence: str
) -> None:
    finding = finding_of(differences, [], AP)
    assert (finding.leader, finding.verdict) == (leader, verdict)
    summary = summary_of(results(points("a", (0.1, 0.2), (0.2, 0.3)), differences))
    assert finding_lines(summary) == [sentence]


def test_too_few_images_never_give_a_verdict() -> None:
    few = [replace(comparison, images=9) for comparison in COMPARED]
    summary = summary_of(results([replace(row, images=9) for row in SCORES], few))
    assert {word for row in summary.rows for word in row.verdicts} == {None, "no interval"}
    assert summary.findings[0].behind == ()
    assert any("9 distinct images, at least 10 are needed" in note for note in summary.notes)


def test_heads_are_lettered_and_those_without_a_rival_are_named_below() -> None:
    other = {"head": "small(arch=hourglass)"}
    latent = {"head": "latent_detector", "route": "latent"}
    scores = [*SCORES, *points("hsc", (0.1,), (0.5,), **latent)]
    scores += [row for codec in RIVALS for row in points(codec, (0.1, 0.2), (0.2, 0.3), **other)]
    compared = [*COMPARED, *(replace(c, head=other["head"], low=NAN, high=NAN) for c in COMPARED[:3])]
    summary = summary_of(results(scores, compared))
    assert [(head.label, head.head) for head in summary.heads] == [("A", "small"), ("B", "small(arch=hourglass)")]
    assert summary.other_heads == ("latent_detector",)
    lines = lines_of(summary)
    assert "Heads: A small (AP 52.8 on the originals); B small(arch=hourglass)." in lines
    assert "Heads that read too few codecs for a comparison: latent_detector." in lines
    (row,) = [line for line in lines if line.startswith("hsc  ")]
    assert row.endswith("better A; no interval B")
    assert "-83.9 [-86.4, -80.9]" in row
    assert sum(" -83.9 " in line for line in lines) == 3  # both heads share no sentence: one has no interval


def test_heads_that_find_the_same_share_a_sentence() -> None:
    compared = [*COMPARED, *(replace(c, head="other") for c in COMPARED)]
    scores = [*SCORES, *(row for codec in RIVALS for row in points(codec, (0.1, 0.2), (0.2, 0.3), head="other"))]
    assert finding_lines(summary_of(results(scores, compared))) == [
        "hsc leads: BD-rate A -83.9 % [-86.4, -80.9], B -83.9 % [-86.4, -80.9] against vvc."
    ]


def test_one_codec_without_a_rival_shows_what_its_points_span() -> None:
    summary = summary_of(results(points("jpeg", (0.1, 0.2, 0.4), (0.2, 0.3, 0.4))))
    assert (summary.anchor, summary.rates, summary.compared) == ("", (), False)
    lines = lines_of(summary)
    assert lines[2].split() == ["codec", "bpp", "AP", "encode", "decode"]
    assert lines[5].split() == ["jpeg", "0.1..0.4", "20.0..40.0", "4.0..12", "12"]
    assert len(lines) < 15


def test_one_codec_shows_the_span_of_each_head() -> None:
    more = points("jpeg", (0.1, 0.2, 0.4), (0.5, 0.6, 0.7), head="other")
    skipped = score("", "", "ap", NAN, status="skipped", reason="it follows hsc alone", **{**HEAD, "head": "adapted"})
    lines = lines_of(summary_of(results([*points("jpeg", (0.1, 0.2, 0.4), (0.2, 0.3, 0.4)), *more, skipped])))
    assert lines[2].split() == ["codec", "bpp", "AP", "A", "AP", "B", "encode", "decode"]
    assert lines[5].split() == ["jpeg", "0.1..0.4", "20.0..40.0", "50.0..70.0", "4.0..12", "12"]
    assert "- Skipped: head adapted: it follows hsc alone" in lines


def test_a_data_set_without_a_split_is_named_by_its_images_alone() -> None:
    rows = [replace(row, split="", images=1) for row in points("jpeg", (0.25,), (0.2,))]
    assert lines_of(summary_of(results(rows)))[0] == "detection on squares (1 image)"


def test_a_single_operating_point_has_numbers_and_no_span() -> None:
    lines = lines_of(summary_of(results(points("jpeg", (0.25,), (0.2,)))))
    assert lines[5].split() == ["jpeg", "0.25", "20.0", "4.0", "12"]


def test_without_an_anchor_codecs_keep_the_order_of_the_run_and_have_no_verdict() -> None:
    compared = [comparison for comparison in COMPARED if comparison.kind == "score_at_rate"]
    summary = summary_of(results(SCORES, compared))
    assert [row.codec for row in summary.rows] == list(RIVALS)
    (finding,) = summary.findings
    assert (finding.anchor, finding.bd_rate, finding.undecided) == ("", None, RIVALS[1:])
    text = screen(summary)
    assert "vvc has the best score at 0.2 bpp: AP 30.0; no interval of its lead over avif, jpeg, hsc." in text
    assert "BD-rate" not in text
    assert "against" not in text
    assert "40.0" in text


def test_matched_rates_show_the_scores_of_the_points_found() -> None:
    compared = [
        *(at_rate(codec, bpp, bpp, point="q=0") for codec in ("vvc", "hsc") for bpp in (0.07, 0.13)),
        refused("hsc", "no point within 5 % of 0.5 bpp", kind="matched_rate", metric="bpp", head="", at_bpp=0.5),
    ]
    summary = summary_of(results([*SCORES, *points("hsc", (0.1,), (0.5,), head="other")], compared))
    assert summary.rates == (0.07, 0.13)
    assert (summary.heads[0].head, summary.other_heads) == ("small", ("other",))
    lines = lines_of(summary)
    (row,) = [line for line in lines if line.startswith("hsc  ")]
    assert row.split()[1:3] == ["7.0", "13.0"]
    assert "- No value: hsc: no point within 5 % of 0.5 bpp" in lines


def with_codecs(names: Sequence[str]) -> Summary:
    scores = [row for name in names for row in points(name, (0.1, 0.2), (0.2, 0.3))]
    compared = [difference(name, -5.0 * k, -5.0 * k - 1, -5.0 * k + 1) for k, name in enumerate(names)]
    return summary_of(displayed(results([*SCORES, *scores], [*COMPARED, *compared]))[0])


def test_twelve_codecs_of_long_names_stay_within_the_screen() -> None:
    names = [f"hsc(weights=/somewhere/far/away/epoch-{k:02d}.safetensors)" for k in range(12)]
    summary = with_codecs(names)
    lines = lines_of(summary)
    assert len(lines) <= LINES
    assert len(summary.rows) == 16
    starts = [line.split("  ")[0] for line in lines if line.startswith("hsc(") and "..." in line]
    assert len(starts) == len(set(starts)) == 12
    assert all("/" not in name for name in starts)
    assert "| hsc(weights=epoch-11.safetensors) " in markdown(summary)


def test_names_that_end_alike_are_numbered() -> None:
    alike = with_codecs([f"hsc(weights=/runs/{k}/{'x' * 20}/last-epoch.safetensors, quality=[1, 2])" for k in range(2)])
    starts = [line.split("  ")[0] for line in lines_of(alike) if line.startswith("hsc(") and "..." in line]
    assert [name[-3:] for name in starts] == [" #1", " #2"]


def test_more_heads_than_fit_stand_in_a_second_table_or_are_named() -> None:
    heads = [f"head{k}" for k in range(7)]
    scores = [row for head in heads for codec in RIVALS for row in points(codec, (0.1, 0.2), (0.2, 0.3), head=head)]
    compared = [replace(c, head=head) for head in heads for c in COMPARED[:3]]
    summary = summary_of(results(scores, compared))
    lines = lines_of(summary)
    assert len(lines) <= LINES
    assert sum(line.startswith("hsc  ") for line in lines) == 2
    assert all(f"BD-rate {letter}" in "\n".join(lines) for letter in "ABCDEFG")
    rows = tuple(replace(summary.rows[0], codec=f"codec{k}") for k in range(18))
    crowded = lines_of(replace(summary, rows=rows))
    assert "- More heads: their columns are in table.md." in crowded
    assert markdown(summary).count("BD-rate") >= 7


def test_a_metric_of_which_less_is_better_is_read_the_right_way() -> None:
    scores = [row for codec in RIVALS for row in points(codec, (0.1, 0.2), (9.0, 4.5), "error")]
    compared = [replace(comparison, metric="error") for comparison in COMPARED]
    summary = summary_of(results(scores, compared, ("error",)))
    assert summary.rows[0].codec == "hsc"
    assert summary.rows[0].verdicts == ("better",)
    worse = difference("hsc", 0.5, 0.25, 1.0, kind="bd_metric", metric="error")
    assert verdict_of(None, worse, ERROR) == "worse"
    text = screen(summary)
    assert "Lower is better: error." in text
    assert "0.30" in text  # not in percent


def test_several_metrics_of_one_head_are_columns_of_their_own() -> None:
    errors = [row for codec in RIVALS for row in points(codec, (0.1, 0.2, 0.4), (9.0, 4.5, 2.0), "error")]
    more = [replace(comparison, metric="error") for comparison in COMPARED[:3]]
    summary = summary_of(results([*SCORES, *errors], [*COMPARED, *more], ("ap", "error"), added=("error",)))
    assert [(head.label, head.title, head.metric) for head in summary.heads] == [
        ("A", "small", "ap"),
        ("B", "small, error", "error"),
    ]


def test_a_failed_codec_has_a_row_and_a_skipped_one_a_note() -> None:
    failed = [score("broken", f"q={k}", "bpp", NAN, status="failed", reason="it broke") for k in range(3)]
    skipped = score("absent", "", "ap", NAN, status="skipped", reason="its program is not installed")
    summary = summary_of(results([skipped, *SCORES, *failed], COMPARED))
    assert summary.rows[-1].codec == "broken"
    assert summary.rows[-1].status == "failed"
    assert "absent" not in [row.codec for row in summary.rows]
    assert list(summary.notes[:2]) == [
        "Skipped: absent: its program is not installed",
        "Failed: broken (3 points): it broke",
    ]
    (row,) = [line for line in lines_of(summary) if line.startswith("broken")]
    assert row.split() == ["broken", *"------", "failed"]


def test_a_run_in_which_everything_failed_says_why() -> None:
    failed = [score("broken", f"q={k}", "bpp", NAN, status="failed", reason="it broke") for k in range(3)]
    lines = lines_of(summary_of(results(failed)))
    assert "- Failed: broken (3 points): it broke" in lines
    (row,) = [line for line in lines if line.startswith("broken")]
    assert row.endswith("failed")


def test_reasons_of_missing_bd_rates_are_given_once_with_their_heads() -> None:
    dips = "the test codec's curve dips too much"
    other = [replace(comparison, head="other") for comparison in (COMPARED[0], refused("hsc", dips))]
    compared = [refused("hsc", dips), refused("jpeg", dips), COMPARED[0], *other]
    scores = [*SCORES, *(row for codec in RIVALS for row in points(codec, (0.1,), (0.2,), head="other"))]
    summary = summary_of(results(scores, compared))
    assert f"No BD-rate: hsc (A, B), jpeg (A): {dips}" in summary.notes
    assert [row.codec for row in summary.rows] == ["avif", "vvc", "jpeg", "hsc"]
    (row,) = [line for line in lines_of(summary) if line.startswith("hsc ")]
    assert row.split()[1:3] == ["n/a", "n/a"]
    assert row.endswith("not compared")


def test_the_noise_floor_is_one_note() -> None:
    floor = difference("jpeg", -3.5, -8.7, 1.8, kind="noise_floor_rate", anchor="jpeg", overlap_test=0.9)
    notes = summary_of(results(SCORES, [*COMPARED, replace(floor, overlap_anchor=0.9)])).notes
    assert notes[-1] == "Noise floor: jpeg against itself has a BD-rate of -3.5 % [-8.7, +1.8]."


def test_notices_come_first_and_notes_that_do_not_fit_are_counted() -> None:
    failed = [score("jpeg", f"p={k}", "bpp", NAN, status="failed", reason=f"reason {k}") for k in range(60)]
    summary = summary_of(results([*SCORES, *failed], COMPARED), ["the labels are predictions"])
    assert summary.notes[0] == "the labels are predictions"
    lines = lines_of(summary)
    assert len(lines) <= LINES + 1
    assert "- the labels are predictions" in lines
    shown = sum(": reason " in line for line in lines)
    assert f"- {60 - shown} more notes: see table.md" in lines


def test_an_empty_run_gives_only_the_lines_below() -> None:
    assert screen(summary_of(results([])), ["Files in folder"]) == "Files in folder\n"
    assert markdown(summary_of(results([]))) == ""


def test_strange_names_stay_on_their_line() -> None:
    strange = "a\nb\x1b[31m"
    scores = [replace(row, codec=strange) if row.codec == "hsc" else row for row in SCORES]
    compared = [replace(c, codec=strange) if c.codec == "hsc" else c for c in COMPARED]
    summary = summary_of(results(scores, compared), [strange])
    for text in (screen(summary), markdown(summary)):
        assert "\x1b" not in text
        assert "a\nb" not in text


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_the_summary_of_a_reference_run_fits_a_screen_and_opens_its_table(task: str) -> None:
    run = load(REFERENCE / task)
    summary = summary_of(run.results)
    lines = lines_of(summary)
    assert 20 <= len(lines) <= LINES
    assert summary.findings[0].leader == "hsc"
    assert summary.findings[0].verdict == "better"
    assert summary.rows[0].codec == "hsc"
    assert len(summary.rows) == 10
    text = tables.blocks(run.results, "github", ["a notice"])
    assert text.startswith(f"**Note:** a notice\n\n### Summary: {task} on roadscenes (val, 64 images)\n\nhsc leads")
    assert "### Summary" not in tables.blocks(run.results, "simple")


def test_rows_and_findings_are_plain_values() -> None:
    summary = summary_of(results(SCORES, COMPARED))
    assert all(isinstance(row, CodecRow) for row in summary.rows)
    assert all(isinstance(finding, Finding) for finding in summary.findings)
