"""The page's first screen: who leads with each head, by how much, and when nobody can say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reporting.html.comparison_tables import differences
from benchmarks.reporting.html.curves import points_of
from benchmarks.reporting.html.finding import finding, headlines, origin_line
from benchmarks.runs.findings import findings
from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import Run, load
from benchmarks.runs.summary import summary_of
from benchmarks.runs.summary_text import finding_lines
from benchmarks.runs.tables import blocks

MSE, MACHINE = "compressai(trained=roadscenes)", "compressai(trained=roadscenes, loss=machine)"
RUN = Path(__file__).parents[2] / "results" / "reference" / "detection"


@pytest.fixture(scope="module")
def run() -> Run:
    return load(RUN)


def changed(results: Results, **values: Any) -> Results:
    """The results with the BD-rates of codecs against vvc replaced, their intervals moved along; ``None`` takes one."""
    table = results.comparisons.copy()
    for codec, value in values.items():
        rows = (table["codec"] == codec) & (table["kind"] == "bd_rate") & (table["anchor"] == "vvc")
        if value is None:
            table.loc[rows, ["value", "low", "high"]] = float("nan")
            table.loc[rows, ["status", "reason"]] = ["n/a", "no overlap"]
        else:
            move = value - table.loc[rows, "value"]
            for name in ("value", "low", "high"):
                table.loc[rows, name] += move
    return dataclasses.replace(results, comparisons=table)


def test_the_reference_runs_finding(run: Run) -> None:
    found = findings(run.results)
    rates = run.comparisons[(run.comparisons["kind"] == "bd_rate") & (run.comparisons["anchor"] == "vvc")]
    assert [one.head for one in found] == ["small", "small(arch=hourglass)"]
    for one in found:
        of_head = rates[rates["head"] == one.head]
        assert one.leader == "hsc"
        assert one.bd_rate is not None
        assert one.bd_rate.value == of_head["value"].min()
        assert one.lead is not None
        assert one.lead.other == MACHINE
    assert [one.verdict for one in found] == ["better", "no interval"]
    text = finding(run.results, points_of(run.results))
    for words in (
        "hsc leads: BD-rate with small \u221283.9 % [\u221286.4 to \u221280.9 %] against vvc.",
        "hsc has the lowest BD-rate, with no interval, so no verdict: BD-rate with small(arch=hourglass) \u221284.4 %",
        "\u221239.5 pp",
        f"than {MACHINE}",
        "▲ better",
        "pixel domain",
    ):
        assert words in text


def test_page_terminal_and_table_say_the_same_but_for_the_labels_of_heads(run: Run) -> None:
    def plain(sentence: str) -> str:
        for page, screen in (("with small(arch=hourglass)", "B"), ("with small", "A"), ("\u2212", "-"), (" to ", ", ")):
            sentence = sentence.replace(page, screen)
        return sentence.replace(" %]", "]")

    for results in (run.results, changed(run.results, hsc=5.0, bpg=2.0, avif=3.0), changed(run.results, jpeg=None)):
        on_page = [plain(sentence) for sentence in headlines(results, findings(results))]
        assert on_page == finding_lines(summary_of(results))
        assert all(one_line in blocks(results, "github") for one_line in on_page)


def test_heads_may_disagree_and_the_anchor_may_lead(run: Run) -> None:
    results = changed(run.results, hsc=5.0, bpg=2.0, avif=3.0, **{MSE: 6.0, MACHINE: 7.0})
    found = findings(results)
    assert {one.leader for one in found} == {"vvc"}
    assert {(one.bd_rate, one.lead.codec if one.lead else "") for one in found} == {(None, "bpg")}
    assert "bpg, +2.0 %" in finding(results, points_of(results))
    table = run.comparisons.copy()
    rows = (table["codec"] == "avif") & (table["kind"] == "bd_rate") & (table["head"] == "small")
    table.loc[rows & (table["anchor"] == "vvc"), "value"] = -95.0
    apart = dataclasses.replace(run.results, comparisons=table)
    found = findings(apart)
    assert [one.leader for one in found] == ["avif", "hsc"]
    sentences = headlines(apart, found)
    assert len(sentences) == 2
    assert sentences[0].startswith("avif has the lowest BD-rate, with no clear difference")


def test_codecs_without_a_number_are_named_and_scores_stand_in(run: Run) -> None:
    results = changed(run.results, jpeg=None)
    assert findings(results)[0].uncompared == ("jpeg",)
    assert "not ranked: jpeg" in finding(results, points_of(results))
    nothing = run.comparisons[~run.comparisons["kind"].isin(["bd_rate", "bd_metric"])]
    results = dataclasses.replace(run.results, comparisons=nothing)
    first = findings(results)[0]
    assert first.at_rate is not None
    scores = nothing[(nothing["kind"] == "score_at_rate") & (nothing["head"] == "small")]
    at_rate = scores[scores["at_bpp"] == first.at_rate.at_bpp]
    assert len(at_rate) == scores.groupby("at_bpp").size().max()
    assert first.at_rate.value == at_rate["value"].max()
    assert f"AP at {first.at_rate.at_bpp:g} bpp" in finding(results, points_of(results))
    assert {*first.behind, *first.level, *first.undecided} == set(at_rate["codec"]) - {first.leader}
    empty = dataclasses.replace(run.results, comparisons=run.comparisons.iloc[:0])
    assert "No codec can be named as the leader" in finding(empty, points_of(empty))


def test_where_every_curve_is_refused_the_reasons_stand_below(run: Run) -> None:
    names = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", MSE, MACHINE, "hsc")
    results = changed(run.results, **dict.fromkeys(names))
    table = results.comparisons
    bare = dataclasses.replace(results, comparisons=table[table["kind"].isin(["bd_rate", "bd_metric"])])
    text = finding(bare, points_of(bare))
    assert "No codec has a BD-rate against vvc" in text
    assert "jpeg against vvc, webp against vvc, avif against vvc, jpegxl against vvc and 5 more: no overlap." in text
    with_scores = findings(results)
    assert all(one.at_rate and one.leader for one in with_scores)


def test_date_version_commit_and_how_to_verify(run: Run) -> None:
    text = origin_line(run)
    for words in ("Run of 20", "HSC-Bench 0.1.0", "commit ", "hsc-bench verify FOLDER"):
        assert words in text
    assert "not committed" not in text
    undated = {name: value for name, value in run.about.items() if name != "date"}
    assert "Date not recorded" in origin_line(dataclasses.replace(run, about=undated))
    about = {**run.about, "date": "2026-03-04T05:06:07+00:00", "environment": {"commit": "a" * 40, "packages": {}}}
    text = origin_line(dataclasses.replace(run, about=about))
    assert "Run of 2026-03-04 05:06 UTC" in text
    assert "commit aaaaaaaaaaaa<" in text
    assert "not committed" not in text


def test_a_verdict_names_the_difference_that_it_is_by(run: Run) -> None:
    table = run.comparisons[run.comparisons["head"] == "small"]
    table = table[table["anchor"].isna() | (table["anchor"] == "vvc")].copy()
    results = dataclasses.replace(run.results, comparisons=table)
    assert "by BD-AP" not in differences(results, points_of(results))
    table.loc[table["kind"] == "bd_rate", ["low", "high"]] = float("nan")
    scores = table["kind"] == "bd_metric"
    table.loc[scores, ["value", "low", "high", "status", "images"]] = [0.1, 0.05, 0.2, "ok", 64]
    results = dataclasses.replace(run.results, comparisons=table)
    assert "by BD-AP" in differences(results, points_of(results))
