"""The main table: what heads make of each codec at equal rates, from a run's ``at_rate`` rows."""

from __future__ import annotations

import pandas as pd

from benchmarks.reporting.paper.group import Group, View, clear_best
from benchmarks.reporting.paper.latex import escape, floating, number, tabular, with_interval

AT_ONCE = 5
"""Rates side by side; more go into a second table below the first."""
MISSING = (
    "holds no scores at common rates; a run made since they are kept has them, or no two codecs of this one share a "
    "rate that is compared. "
    "Run its command again: what was measured is kept, and only the rows are made anew."
)


def rates_table(group: Group) -> str | None:
    """The table, or None where the run has no such rows."""
    metric = f"at_rate({group.metric})"
    found = group.rows[group.rows["metric"] == metric]
    leads = group.rows[group.rows["metric"] == f"d_{metric}"]
    if found.empty:
        return None
    rates = sorted(dict.fromkeys(found["part"]), key=lambda part: float(part.split()[0]))
    bodies = []
    for start in range(0, len(rates), AT_ONCE):
        some = rates[start : start + AT_ONCE]
        blocks = [(view.title, _lines(group, view, found, leads, some)) for view in group.views]
        bodies.append(tabular("l" + "r" * len(some), ["", *(escape(rate) for rate in some)], blocks))
    return floating(bodies, _caption(group, found), group.label("tab", "rates"), notes(group, found))


def _lines(group: Group, view: View, found: pd.DataFrame, leads: pd.DataFrame, rates: list[str]) -> list[list[str]]:
    mine, ahead = (rows[(rows["head"] == view.head) & (rows["route"] == view.route)] for rows in (found, leads))
    best = {rate: clear_best(mine[mine["part"] == rate], ahead[ahead["part"] == rate]) for rate in rates}
    lines = [_ceiling(group, view, len(rates))]
    for codec in group.codecs:
        numbers = mine[mine["codec"] == codec].set_index("part")
        cells = []
        for rate in rates:
            if rate in numbers.index:
                row = numbers.loc[rate]
                cells.append(
                    with_interval(100 * row["value"], 100 * row["low"], 100 * row["high"], 1, bold=best[rate] == codec)
                )
            else:
                cells.append("--")
        lines.append([escape(codec), *cells])
    return [line for line in lines if line]


def _ceiling(group: Group, view: View, columns: int) -> list[str]:
    """The originals' score, across all rates."""
    rows = group.of(view)
    whole = rows[
        (rows["metric"] == group.metric)
        & (rows["part"] == "")
        & (rows["anchor"] == "")
        & (rows["point"] == "")
        & (rows["status"] == "ok")
    ]
    if whole.empty:
        return []
    one = whole.iloc[0]
    streams = group.rows[
        (group.rows["metric"] == "bpp") & (group.rows["codec"] == one["codec"]) & (group.rows["part"] == "")
    ]
    rate = f" at {number(streams['value'].iloc[0], 1)} bpp" if len(streams) else ""
    score = with_interval(100 * one["value"], 100 * one["low"], 100 * one["high"], 1)
    return [escape(one["codec"]), rf"\multicolumn{{{columns}}}{{r}}{{{score}{rate}}}"]


def _caption(group: Group, found: pd.DataFrame) -> str:
    matched = (found["point"] != "").any()
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
        rf"{group.title} (\%) at equal rates on {group.where}, heads {escape(group.regime)}; {how}. "
        rf"{group.sure(intervals)} A dash: the codec's files do not come so small or so large."
    )


def notes(group: Group, found: pd.DataFrame) -> list[str]:
    """What was got where rates were matched, and which codecs have no number and why."""
    got = group.rows[(group.rows["metric"] == "matched_bpp") & (group.rows["status"] == "ok")]
    said = []
    for part, rows in got.groupby("part", sort=False):
        said.append(
            f"At {escape(str(part))} the files take {number(rows['value'].min(), 4)} to "
            f"{number(rows['value'].max(), 4)} bpp."
        )
    refused = group.rows[(group.rows["metric"] == "matched_bpp") & (group.rows["status"] == "n/a")]
    said += [escape(f"{row.codec}: {row.reason}.") for row in refused.itertuples()]
    return [*said, *failures(group)]


def failures(group: Group) -> list[str]:
    """Operating points without a number, with their reasons."""
    bad = group.rows[(group.rows["status"].isin(("failed", "skipped"))) & (group.rows["anchor"] == "")]
    lines = (
        " ".join(f"{row.status}: {row.head} {row.codec} {row.point}".split()) + f": {row.reason}."
        for row in bad.itertuples()
    )
    return [escape(line) for line in dict.fromkeys(lines)]
