"""The page's first screen: who leads by how much with each head, and the date, version and commit of the run.

findings --finding_sentences--> the sentences of the terminal and of table.md
         --------------------> a row a head
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.api import Comparison, MetricFacts
from benchmarks.reporting.html.cells import (
    NOTHING,
    codec_cell,
    difference_cell,
    difference_unit,
    head_cell,
    row_marks,
    shown_with_unit,
    signed,
    span,
    verdict_cell,
)
from benchmarks.reporting.html.curves import Points
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, joined, table
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.finding_text import few, finding_sentences
from benchmarks.runs.findings import Finding, findings
from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import Run
from benchmarks.runs.summary import view_title

_NO_FINDING = "No codec can be named as the leader: no head has a number for two codecs that could be compared."
_NO_ANCHOR = "The run names no anchor, or has one codec of fewer than four points; --anchor names one."


def finding(results: Results, points: Points) -> Markup:
    """Who leads: sentences, and a row a head."""
    found = findings(results)
    sentences = headlines(results, found) or [_NO_FINDING]
    parts = [element("p", " ".join(sentences), class_="lead")]
    led = [one for one in found if one.leader]
    if not led:
        return joined([*parts, *_reasons(results)])
    columns = [
        Column("Leader", "text"),
        Column("Against the anchor", about="the leader's difference in bits at equal score, or its score at one rate"),
        Column("Against the next", about="the leader less the next best, on the same resamples"),
        Column("Verdict (95 % CI)", "text"),
        Column("Head", "text"),
    ]
    rows = [_row(results, points, one) for one in led]
    return joined([*parts, table("finding", "The leader with each head", columns, rows)])


def headlines(results: Results, found: Sequence[Finding]) -> list[str]:
    """The findings in sentences, each head by its name."""

    def number(one: Finding) -> str:
        facts = results.facts_of(one.metric)
        if one.at_rate:
            return shown_with_unit(one.at_rate.value, facts)
        return _number(one.bd_rate, facts) if one.bd_rate else ""

    def label(one: Finding) -> str:
        return f"with {view_title(results, one.view)}"

    return finding_sentences(found, label, number, lambda one: results.facts_of(one.metric))


def _number(comparison: Comparison, facts: MetricFacts) -> str:
    """A difference with its unit and its interval, where it has one."""
    text = signed(comparison, comparison.value, facts) + difference_unit(comparison, facts)
    return text + ("" if math.isnan(comparison.low) else f" {_interval(comparison, facts)}")


def _interval(comparison: Comparison, facts: MetricFacts) -> str:
    return f"[{span(comparison, comparison.low, comparison.high, facts)}]"


def _reasons(results: Results) -> list[Markup]:
    """Why there is no finding: the reasons why codecs could not be compared, each once."""
    refused = [c for c in of_kinds(results, "bd_rate") if c.status != "ok" and c.reason]
    reasons: dict[str, list[str]] = {}
    for comparison in refused:
        codecs = reasons.setdefault(comparison.reason, [])
        if (pair := f"{comparison.codec} against {comparison.anchor}") not in codecs:
            codecs.append(pair)
    texts = [f"{few(pairs)}: {reason}." for reason, pairs in reasons.items()]
    return [element("p", text, class_="note") for text in (texts or [_NO_ANCHOR])[:4]]


def _row(results: Results, points: Points, one: Finding) -> tuple[dict[str, Any], list[Cell]]:
    facts = results.facts_of(one.metric)
    if one.at_rate:
        value = shown_with_unit(one.at_rate.value, facts)
        against = Cell(value, repr(float(one.at_rate.value)), f"{facts.title} at {one.at_rate.at_bpp:g} bpp")
    else:
        against = _difference_from(one.bd_rate, facts, one.anchor) if one.bd_rate else NOTHING
    cells = [
        codec_cell(points, one.leader, f"not ranked: {few(one.uncompared)}" if one.uncompared else ""),
        against,
        _against_next(one, facts),
        verdict_cell(one.verdict, _compared_with(one)),
        head_cell(one.head, one.route),
    ]
    return row_marks(points, one.head, one.route, one.leader), cells


def _against_next(one: Finding, facts: MetricFacts) -> Cell:
    """The lead over the next best codec; where the anchor leads, that codec's own difference from it."""
    if one.lead is None:
        return NOTHING
    if one.lead.kind == "bd_rate":
        return _difference_from(one.lead, facts, one.anchor, f"{one.lead.codec}, ")
    return _difference_from(one.lead, facts, one.lead.other)


def _compared_with(one: Finding) -> str:
    """What a verdict holds the leader against."""
    if one.verdict == "no interval":
        return ""
    word = "from" if one.verdict == "no clear difference" else "than"
    return f"{word} {one.anchor if one.bd_rate else 'all others'}"


def _difference_from(comparison: Comparison, facts: MetricFacts, other: str, before: str = "") -> Cell:
    """A difference from a named codec, with its interval."""
    cell = difference_cell(comparison, facts)
    if cell.sort is None:
        return cell
    ends = "no interval" if math.isnan(comparison.low) else _interval(comparison, facts)
    text = f"{before}{signed(comparison, comparison.value, facts)}{difference_unit(comparison, facts)}"
    return cell._replace(text=text, small=joined([f"than {other}", element("span", ends, class_="line")]))


def origin_line(run: Run) -> Markup:
    """Date, version, commit and folder of the run, and the command that says whether its numbers hold."""
    environment = run.about["environment"]
    parts = [_date(run.about), _version(environment), _commit(environment)]
    facts = element("p", " · ".join(filter(None, parts)), class_="note facts")
    command = element("code", "hsc-bench verify FOLDER")  # the page of a folder is the same under any name
    check = element(
        "p",
        "Not verified by this page: ",
        command,
        " makes the tables, the figures and this page again from the folder’s numbers, decodes "
        "the bitstreams it keeps, and says what it could not check.",
        class_="note",
        id="verified",
    )
    return joined([facts, check])


def _date(about: Mapping[str, Any]) -> str:
    date = about.get("date")
    return f"Run of {date[:16].replace('T', ' ')} UTC" if isinstance(date, str) and date else "Date not recorded"


def _version(environment: Mapping[str, Any]) -> str:
    version = environment.get("packages", {}).get("hsc-bench")
    return f"HSC-Bench {version}" if version else "HSC-Bench of an unknown version"


def _commit(environment: Mapping[str, Any]) -> str:
    commit = environment.get("commit")
    if not commit:
        return "no commit recorded"
    changed = " with changes that are not committed" if commit.endswith("+") else ""
    return f"commit {commit.rstrip('+')[:12]}{changed}"
