"""The tables of Bjontegaard differences, one an anchor: intervals, overlaps, the null floor, and the reason where there
is no number.
"""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd

from benchmarks.reporting.paper.group import Group, View, clear_best
from benchmarks.reporting.paper.latex import MINUS, escape, floating, number, slug, tabular, with_interval
from benchmarks.runs.tables import verdict
from benchmarks.stats.null_floor import PART

_SHARED = re.compile(r"overlap (\d+)% of test, (\d+)% of anchor")
_HYPHEN = re.compile(r"(?<![A-Za-z0-9])\{-\}(?=\d)")
_GIVE = re.compile(r"the others give (\S+) to (\S+)")
_HEAD = (r"BD-rate (\%)", "overlap", "BD-{metric}", "overlap")


class _Notes:
    """Footnotes by number; what is said twice has one."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return rf"\textsuperscript{{{self.texts.index(text) + 1}}}"

    def lines(self) -> list[str]:
        return [
            rf"\textsuperscript{{{n}}} {_HYPHEN.sub(lambda _: MINUS, escape(text))}."
            for n, text in enumerate(self.texts, 1)
        ]


def bd_tables(group: Group) -> list[str]:
    """A table an anchor, in the run's order."""
    return [_table(group, anchor) for anchor in anchors(group)]


def anchors(group: Group) -> list[str]:
    """The run's anchors that anything was compared with."""
    return [anchor for anchor in group.run.about["anchors"] if not _whole(group, anchor).empty]


def _whole(group: Group, anchor: str) -> pd.DataFrame:
    rows = group.rows
    return rows[(rows["anchor"] == anchor) & (rows["part"] == "") & rows["metric"].str.startswith("bd_")]


def _table(group: Group, anchor: str) -> str:
    found, notes = _whole(group, anchor), _Notes()
    metrics = [f"bd_rate({group.metric})", f"bd_{group.metric}"]
    blocks = []
    for view in group.views:
        mine = found[(found["head"] == view.head) & (found["route"] == view.route)]
        best = {metric: _best(group, view, mine, anchor, metric) for metric in metrics}
        lines = []
        for codec in dict.fromkeys(mine["codec"]):
            numbers = mine[mine["codec"] == codec].set_index("metric")
            cells = [
                part
                for metric in metrics
                for part in _cells(group, view, numbers.loc[metric], best[metric] == codec, notes)
            ]
            lines.append([escape(codec), *cells])
        blocks.append((view.title, [*lines, _floor_line(group, view, metrics, notes)]))
    head = ["", *(name.format(metric=group.title) for name in _HEAD)]
    return floating(
        [tabular("lrrrr", head, blocks)],
        _caption(group, anchor),
        group.label("tab", f"bd-{slug(anchor)}"),
        notes.lines(),
    )


def _best(group: Group, view: View, mine: pd.DataFrame, anchor: str, metric: str) -> str | None:
    """Who is in bold: ahead of every other codec and of the anchor itself, each by more than the null floor."""
    values = mine[mine["metric"] == metric]
    rows = group.of(view)
    leads = rows[(rows["metric"] == f"d_{metric}") & (rows["anchor"] == anchor)]
    least = floor(group, view, metric)
    codec = clear_best(values, leads, least)
    own = values[values["codec"] == codec]
    if own.empty:
        return None
    one = own.iloc[0]
    return codec if verdict(one) == "better" and abs(one["value"]) > least else None


def floor(group: Group, view: View, metric: str) -> float:
    """The size of what one codec gives against itself, in the rows' unit; 0 where that was not measured."""
    rows = group.of(view)
    found = rows[(rows["metric"] == metric) & (rows["part"] == PART) & (rows["status"] == "ok")]
    return float(found["value"].abs().max()) if len(found) else 0.0


def _floor_line(group: Group, view: View, metrics: list[str], notes: _Notes) -> list[str]:
    rows = group.of(view)
    cells, codec = [], ""
    for metric in metrics:
        found = rows[(rows["metric"] == metric) & (rows["part"] == PART) & (rows["anchor"] != "")]
        if found.empty:
            cells += ["not measured", ""]
        else:
            codec = f"({found['codec'].iloc[0]})"
            cells += _cells(group, view, found.iloc[0], False, notes)
    return [r"\addlinespace[1pt] null floor " + escape(codec), *cells]


def _cells(group: Group, view: View, row: Any, bold: bool, notes: _Notes) -> list[str]:
    """A difference with its marks, and what the two curves share."""
    if row["status"] != "ok":
        return ["n/a" + notes.mark(_reason(group, view, row)), ""]
    scale = 1 if row["unit"] == "%" else 100
    text = with_interval(scale * row["value"], scale * row["low"], scale * row["high"], 1, sign=True, bold=bold)
    marks = r"\textsuperscript{\dag}" if row["reason"].startswith("fit") else ""
    if "resamples refused" in row["reason"]:
        refused = _in_points(row["reason"].split("; ")[-1], scale)
        marks += notes.mark(refused if not math.isnan(row["low"]) else f"no interval: {refused}")
    shared = _SHARED.search(row["reason"])
    return [text + marks, "{}/{}".format(*shared.groups()) if shared else ""]


def _in_points(text: str, scale: int) -> str:
    """What refused resamples are said to give, in the table's unit."""
    return _GIVE.sub(
        lambda ends: "the others give {:+.1f} to {:+.1f}".format(*(scale * float(end) for end in ends.groups())), text
    )


def _reason(group: Group, view: View, row: Any) -> str:
    """Why there is no number, and the scores at rates both curves reach, where they do."""
    rows = group.of(view)
    codec = row.get("codec", "")
    at = rows[(rows["metric"] == f"d_{group.metric}") & (rows["codec"] == codec) & (rows["anchor"] == row["anchor"])]
    if at.empty:
        return str(row["reason"])
    points = "; ".join(f"{r.part} {100 * r.value:+.1f}" + _ends(r) for r in at.itertuples())
    return f"{row['reason']}; {codec} against {row['anchor']}, {group.title} {points}"


def _ends(row: Any) -> str:
    return "" if math.isnan(row.low) else f" [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"


def _caption(group: Group, anchor: str) -> str:
    measured = any(floor(group, view, f"bd_rate({group.metric})") for view in group.views)
    than = " and is larger than the null floor" if measured else ""
    intervals = (
        r"In brackets: 95\,\% intervals, both codecs on the same resamples. "
        rf"Bold: the best, where its paired difference from every other and from the anchor leaves out 0{than}; none "
        rf"where a codec has no number."
    )
    return (
        rf"Bjontegaard differences against {escape(anchor)} on {group.where}, heads {escape(group.regime)}: rate at "
        rf"equal {group.title} "
        rf"(negative: fewer bits), and {group.title} in points at equal rate. {group.sure(intervals)} "
        r"Overlap: what both curves share, in percent of the codec's own interval and of the anchor's. "
        r"\textsuperscript{\dag}A curve dips, and a fit that only rises stands in. "
        r"Null floor: a codec against itself on a second ladder, by rights 0."
    )


def floor_text(group: Group) -> str:
    """The floor in words, for the methods."""
    said = []
    for view in group.views:
        size = floor(group, view, f"bd_rate({group.metric})")
        said += [f"{number(size, 1)}\\,\\% for {view.title}"] if size else []
    return ", ".join(said)
