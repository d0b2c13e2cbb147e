"""The main table: the scores of heads on each codec at equal rates."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from benchmarks.api import Comparison, MetricFacts
from benchmarks.reporting.paper.footnotes import DAGGER, DOUBLE_DAGGER, Footnotes
from benchmarks.reporting.paper.group import Group, View, clear_best
from benchmarks.reporting.paper.latex import escape, floating, number, table_kind, tabular, with_interval
from benchmarks.runs.rows import comparison_rows

AT_ONCE = {"two": 5, "one": 2}
"""Rates side by side, by the columns that the table spans; more go into a second table below the first."""
MISSING = "holds no scores at common rates: no two of its codecs share a rate at which codecs are compared"
BEYOND = "--"
"""The cell of a rate that a codec's curve does not reach, and of nothing else."""
_UNREAD = (
    "the curve spans this rate and the run has no value there: it was made before such curves were read between "
    "their points; run its command again, what was measured is kept"
)
_MARGIN = 1 + 1e-6
"""A rate that is that of a curve's end up to rounding may lie on either side of it."""
_MARKS = {"fit": DAGGER, "local": DOUBLE_DAGGER}


def rates_table(group: Group) -> str | None:
    """The table, or None where no two codecs of the run share a common rate."""
    scores = group.of_kind("score_at_rate")
    scores = scores[scores["codec"].isin(group.codecs)]
    rates = sorted(set(scores.loc[scores["status"] == "ok", "at_bpp"]))
    if not rates:
        return None
    bodies, footnotes, at_once = [], Footnotes(), AT_ONCE[group.options.columns]
    for start in range(0, len(rates), at_once):
        shown = rates[start : start + at_once]
        blocks = [(view.title, _lines(group, view, shown, footnotes)) for view in group.views]
        head = ["", *(escape(f"{rate:g} bpp") for rate in shown)]
        bodies.append(tabular("l" + "r" * len(shown), head, blocks))
    below = [*footnotes.lines(), *notes(group)]
    kind = table_kind(group.options.columns)
    return floating(bodies, _caption(group, scores, bodies), group.label("tab", "rates"), below, kind)


def _lines(group: Group, view: View, rates: list[float], footnotes: Footnotes) -> list[list[str]]:
    facts = group.facts_of(view.metric)
    scores, leads = view.rows_of(group.of_kind("score_at_rate")), view.rows_of(group.of_kind("lead_at_rate"))
    rows = {(row.codec, row.at_bpp): row for row in comparison_rows(scores)}
    refused = _refused(group, view, rates, rows)
    best = {
        rate: clear_best(scores[scores["at_bpp"] == rate], leads[leads["at_bpp"] == rate], facts.higher_is_better)
        for rate in rates
        if not any(at == rate for _, at in refused)
    }
    lines = [_ceiling(group, view, len(rates))]
    for codec in group.codecs:
        cells = []
        for rate in rates:
            if (codec, rate) in refused:
                cells.append(footnotes.refused(refused[codec, rate]))
            elif row := rows.get((codec, rate)):
                cells.append(_score(row, facts, bold=best.get(rate) == codec) + _MARKS.get(row.method, ""))
            else:
                cells.append(BEYOND)
        lines.append([escape(codec), *cells])
    return [line for line in lines if line]


def _refused(
    group: Group, view: View, rates: Iterable[float], rows: dict[tuple[str, float], Comparison]
) -> dict[tuple[str, float], str]:
    """Why codecs have no value at rates that they could have one at, by codec and rate."""
    refused = {key: row.reason for key, row in rows.items() if row.status != "ok"}
    missed = group.of_kind("matched_rate")
    if len(missed):
        missed = missed[missed["status"] != "ok"]
        return refused | {(row.codec, row.at_bpp): row.reason for row in comparison_rows(missed)}
    for codec, (low, high) in _spans(group, view).items():
        for rate in rates:
            if low * _MARGIN < rate < high / _MARGIN and (codec, rate) not in rows:
                refused[codec, rate] = _UNREAD
    return refused


def _spans(group: Group, view: View) -> dict[str, tuple[float, float]]:
    """The least and the largest rate of each codec that has a score of the view there."""
    of_head = view.rows_of(group.scores)
    plain = (of_head["metric"] == view.metric) & (of_head["part"] == "") & (of_head["ladder"] == "")
    scored = of_head[plain & (of_head["status"] == "ok")]
    streams = group.scores[(group.scores["metric"] == "bpp") & (group.scores["ladder"] == "")]
    rate = streams.set_index(["codec", "point"])["value"].to_dict()
    spans: dict[str, tuple[float, float]] = {}
    for codec, points in scored[scored["codec"].isin(group.codecs)].groupby("codec", sort=False)["point"]:
        rates = [rate[codec, point] for point in points if (codec, point) in rate]
        if rates:
            spans[str(codec)] = (min(rates), max(rates))
    return spans


def _score(row: Comparison, facts: MetricFacts, bold: bool = False) -> str:
    """A score with its interval, in the unit of tables."""
    value, low, high = (facts.factor * end for end in (row.value, row.low, row.high))
    return with_interval(value, low, high, facts.digits, bold=bold)


def _ceiling(group: Group, view: View, columns: int) -> list[str]:
    """The originals' score, across all rates."""
    own = view.rows_of(group.scores)
    whole = own[(own["metric"] == view.metric) & (own["part"] == "") & (own["point"] == "") & (own["status"] == "ok")]
    if whole.empty:
        return []
    originals, facts = whole.iloc[0], group.facts_of(view.metric)
    streams = group.scores[(group.scores["metric"] == "bpp") & (group.scores["codec"] == originals["codec"])]
    rate = f" at {number(streams['value'].iloc[0], 1)} bpp" if len(streams) else ""
    value, low, high = (facts.factor * originals[end] for end in ("value", "low", "high"))
    score = with_interval(value, low, high, facts.digits)
    return [escape(originals["codec"]), rf"\multicolumn{{{columns}}}{{r}}{{{score}{rate}}}"]


def _caption(group: Group, scores: pd.DataFrame, bodies: Iterable[str]) -> str:
    matched = (scores["point"] != "").any()
    how = (
        r"each codec's own quality was searched to within 5\,\% of the rate"
        if matched
        else "between a codec's points its curve is read, never beyond them"
    )
    intervals = (
        r"In brackets: 95\,\% intervals, none where more than 2.5\,\% of the resamples give no value. "
        r"Bold: the best at its rate, where the 95\,\% interval of its paired difference from every other leaves out "
        r"0; none beside an n/a."
    )
    body = "".join(bodies)
    symbols = [
        rf" {DAGGER}A curve dips, and the monotone fit is read." * (DAGGER in body),
        rf" {DOUBLE_DAGGER}Read on the line between the two neighbouring points, since no fit is near the curve."
        * (DOUBLE_DAGGER in body),
        " A dash: the codec's curve does not reach the rate." * (f"& {BEYOND} " in body),
        " n/a: no value, for the reason below." * ("n/a" in body),
    ]
    return (
        rf"{group.title}{group.unit} at equal rates on {group.where}, heads {escape(group.regime)}; {how}. "
        rf"{group.sure(intervals)}{''.join(symbols)}"
    )


def notes(group: Group) -> list[str]:
    """The rates reached where rates were matched, and the operating points that failed."""
    matched = group.of_kind("matched_rate")
    lines = []
    for target, reached in matched[matched["status"] == "ok"].groupby("at_bpp", sort=False):
        rates = reached["value"]
        lines.append(f"At {target:g} bpp the files take {number(rates.min(), 4)} to {number(rates.max(), 4)} bpp.")
    return [*lines, *failures(group)]


def failures(group: Group) -> list[str]:
    """Operating points without a score, with their reasons."""
    failed = group.scores[group.scores["status"].isin(("failed", "skipped"))]
    lines = (
        " ".join(f"{row.status}: {row.head} {row.codec} {row.point}".split()) + f": {row.reason}."
        for row in failed.itertuples()
    )
    return [escape(line) for line in dict.fromkeys(lines)]
