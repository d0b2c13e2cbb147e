"""The page's first screen: who leads with each head, by how much, and when nobody can say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reporting.html.comparison_tables import differences
from benchmarks.reporting.html.curves import points_of
from benchmarks.reporting.html.finding import finding, headline, leaders, origin_line
from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import Run, load

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
    found = leaders(run.results, points_of(run.results))
    rates = run.comparisons[(run.comparisons["kind"] == "bd_rate") & (run.comparisons["anchor"] == "vvc")]
    assert [leader.view.head for leader in found] == ["small", "small(arch=hourglass)"]
    for leader in found:
        of_head = rates[rates["head"] == leader.view.head]
        assert leader.codec == "hsc"
        assert leader.compared.value == of_head["value"].min()
        assert leader.lead is not None
        assert leader.lead.other == "bpg"
    assert headline(run.results, found) == (
        "hsc leads with both heads that compare codecs: 84 % fewer bits than vvc at equal AP. "
        "The 95 % interval excludes 0 with 1 of 2 heads; with 1 there is no interval."
    )
    text = finding(run.results, points_of(run.results))
    for words in (
        "\u221283.9 %",
        "[\u221286.4 to \u221280.9 %]",
        "\u221274.3 pp",
        "than bpg",
        "▲ better",
        "pixel domain",
    ):
        assert words in text


def without_intervals(results: Results, head: str, *kinds: str) -> Results:
    """The results with no interval in one head's comparisons of some kinds."""
    table = results.comparisons.copy()
    table.loc[(table["head"] == head) & table["kind"].isin(kinds), ["low", "high"]] = float("nan")
    return dataclasses.replace(results, comparisons=table)


def test_nobody_leads_for_certain_without_an_interval_that_excludes_0(run: Run) -> None:
    one_head = dataclasses.replace(run.results, comparisons=run.comparisons[run.comparisons["head"] == "small"])
    found = leaders(one_head, points_of(one_head))
    lowest = "hsc {} with the one head that compares codecs: 84 % fewer bits than vvc at equal AP. {}"
    assert headline(one_head, found) == lowest.format("leads", "The 95 % interval excludes 0.")
    bare = without_intervals(one_head, "small", "bd_rate", "bd_metric")
    text = headline(bare, leaders(bare, points_of(bare)))
    assert text == lowest.format("has the lowest BD-rate", "There is no interval, so no verdict.")
    unsure = [found[0]._replace(outcome="no clear difference")]
    text = headline(one_head, unsure)
    assert text == lowest.format("has the lowest BD-rate", "No 95 % interval excludes 0, so this may be chance.")


def test_a_verdict_names_the_difference_that_it_is_by(run: Run) -> None:
    assert "by BD-AP" not in finding(run.results, points_of(run.results))
    results = without_intervals(run.results, "small", "bd_rate")
    scores = results.comparisons["head"].eq("small") & results.comparisons["kind"].eq("bd_metric")
    results.comparisons.loc[scores, ["value", "low", "high", "status", "images"]] = [0.1, 0.05, 0.2, "ok", 64]
    assert "than vvc, by BD-AP" in finding(results, points_of(results))
    assert "by BD-AP" in differences(results, points_of(results))


def test_heads_may_disagree_and_the_anchor_may_lead(run: Run) -> None:
    results = changed(run.results, hsc=5.0, bpg=2.0, avif=3.0)
    found = leaders(results, points_of(results))
    assert {leader.codec for leader in found} == {"vvc"}
    assert headline(results, found) == (
        "The anchor vvc leads with both heads that compare codecs: no other codec needs fewer bits at equal AP."
    )
    table = run.comparisons.copy()
    rows = (table["codec"] == "avif") & (table["kind"] == "bd_rate") & (table["head"] == "small")
    table.loc[rows & (table["anchor"] == "vvc"), "value"] = -95.0
    apart = dataclasses.replace(run.results, comparisons=table)
    found = leaders(apart, points_of(apart))
    assert [leader.codec for leader in found] == ["avif", "hsc"]
    assert headline(apart, found).startswith("No one codec leads with both heads that compare codecs: avif with 1")


def test_codecs_without_a_number_are_named_and_scores_stand_in(run: Run) -> None:
    results = changed(run.results, jpeg=None)
    assert leaders(results, points_of(results))[0].unranked == ("jpeg",)
    assert "not ranked: jpeg" in finding(results, points_of(results))
    nothing = run.comparisons[~run.comparisons["kind"].isin(["bd_rate", "bd_metric"])]
    results = dataclasses.replace(run.results, comparisons=nothing)
    first = leaders(results, points_of(results))[0]
    scores = nothing[(nothing["kind"] == "score_at_rate") & (nothing["head"] == "small")]
    at_rate = scores[scores["at_bpp"] == first.compared.at_bpp]
    assert len(at_rate) == scores.groupby("at_bpp").size().max()
    assert first.compared.value == at_rate["value"].max()
    assert f"AP at {first.compared.at_bpp:g} bpp" in finding(results, points_of(results))
    one_head = dataclasses.replace(run.results, comparisons=nothing[nothing["head"] == "small"])
    assert headline(one_head, leaders(one_head, points_of(one_head))) == (
        f"{first.codec} has the best AP at {first.compared.at_bpp:g} bpp with the one head that compares codecs. "
        "No Bjontegaard difference ranks the codecs."
    )
    empty = dataclasses.replace(run.results, comparisons=run.comparisons.iloc[:0])
    assert "No codec can be named as the leader" in finding(empty, points_of(empty))


def test_date_version_commit_and_how_to_verify(run: Run) -> None:
    text = origin_line(run)
    for words in ("Date not recorded", "HSC-Bench 0.1.0", "commit ", "hsc-bench verify FOLDER"):
        assert words in text
    about = {**run.about, "date": "2026-03-04T05:06:07+00:00", "environment": {"commit": "a" * 40, "packages": {}}}
    text = origin_line(dataclasses.replace(run, about=about))
    assert "Run of 2026-03-04 05:06 UTC" in text
    assert "commit aaaaaaaaaaaa<" in text
    assert "not committed" not in text
