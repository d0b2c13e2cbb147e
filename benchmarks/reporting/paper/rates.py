"""The main table: the scores of heads on each codec at equal rates."""

from __future__ import annotations

import pandas as pd

from benchmarks.api import MetricFacts
from benchmarks.reporting.paper.group import Group, View, clear_best
from benchmarks.reporting.paper.latex import escape, floating, number, tabular, with_interval

AT_ONCE = 5
"""Rates side by side; more go into a second table below the first."""
MISSING = "holds no scores at common rates: no two of its codecs share a rate at which codecs are compared"


def rates_table(group: Group) -> str | None:
    """The table, or None where no two codecs of the run share a common rate."""
    scores = group.of_kind("score_at_rate")
    if scores.empty:
        return None
    rates = sorted(set(scores["at_bpp"]))
    bodies = []
    for start in range(0, len(rates), AT_ONCE):
        shown = rates[start : start + AT_ONCE]
        blocks = [(view.title, _lines(group, view, shown)) for view in group.views]
        head = ["", *(escape(f"{rate:g} bpp") for rate in shown)]
        bodies.append(tabular("l" + "r" * len(shown), head, blocks))
    return floating(bodies, _caption(group, scores), group.label("tab", "rates"), notes(group))


def _lines(group: Group, view: View, rates: list[float]) -> list[list[str]]:
    facts = group.facts_of(view.metric)
    scores, leads = view.rows_of(group.of_kind("score_at_rate")), view.rows_of(group.of_kind("lead_at_rate"))
    best = {
        rate: clear_best(scores[scores["at_bpp"] == rate], leads[leads["at_bpp"] == rate], facts.higher_is_better)
        for rate in rates
    }
    lines = [_ceiling(group, view, len(rates))]
    for codec in group.codecs:
        by_rate = scores[scores["codec"] == codec].set_index("at_bpp")
        cells = [
            _score(by_rate.loc[rate], facts, bold=best[rate] == codec) if rate in by_rate.index else "--"
            for rate in rates
        ]
        lines.append([escape(codec), *cells])
    return [line for line in lines if line]


def _score(row: pd.Series, facts: MetricFacts, bold: bool = False) -> str:
    """A score with its interval, in the unit of tables."""
    value, low, high = (facts.factor * row[name] for name in ("value", "low", "high"))
    return with_interval(value, low, high, facts.digits, bold=bold)


def _ceiling(group: Group, view: View, columns: int) -> list[str]:
    """The originals' score, across all rates."""
    own = view.rows_of(group.scores)
    whole = own[(own["metric"] == view.metric) & (own["part"] == "") & (own["point"] == "") & (own["status"] == "ok")]
    if whole.empty:
        return []
    originals = whole.iloc[0]
    streams = group.scores[(group.scores["metric"] == "bpp") & (group.scores["codec"] == originals["codec"])]
    rate = f" at {number(streams['value'].iloc[0], 1)} bpp" if len(streams) else ""
    score = _score(originals, group.facts_of(view.metric))
    return [escape(originals["codec"]), rf"\multicolumn{{{columns}}}{{r}}{{{score}{rate}}}"]


def _caption(group: Group, scores: pd.DataFrame) -> str:
    matched = (scores["point"] != "").any()
    how = (
        r"each codec's own quality was searched to within 5\,\% of the rate"
        if matched
        else "between a codec's points its curve is read, never beyond them"
    )
    intervals = (
        r"In brackets: 95\,\% intervals, none where more than 2.5\,\% of the resamples give no value. "
        r"Bold: the best at its rate, where the 95\,\% interval of its paired difference from every other leaves out 0."
    )
    return (
        rf"{group.title}{group.unit} at equal rates on {group.where}, heads {escape(group.regime)}; {how}. "
        rf"{group.sure(intervals)} A dash: the codec's curve does not reach the rate, or has no value there."
    )


def notes(group: Group) -> list[str]:
    """The rates reached where rates were matched, and which codecs have no number and why."""
    matched = group.of_kind("matched_rate")
    lines = []
    for target, reached in matched[matched["status"] == "ok"].groupby("at_bpp", sort=False):
        rates = reached["value"]
        lines.append(f"At {target:g} bpp the files take {number(rates.min(), 4)} to {number(rates.max(), 4)} bpp.")
    missed = matched[matched["status"] == "n/a"]
    lines += [escape(f"{row.codec}: {row.reason}.") for row in missed.itertuples()]
    return [*lines, *failures(group)]


def failures(group: Group) -> list[str]:
    """Operating points without a score, with their reasons."""
    failed = group.scores[group.scores["status"].isin(("failed", "skipped"))]
    lines = (
        " ".join(f"{row.status}: {row.head} {row.codec} {row.point}".split()) + f": {row.reason}."
        for row in failed.itertuples()
    )
    return [escape(line) for line in dict.fromkeys(lines)]
