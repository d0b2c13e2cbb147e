"""The appendix: every operating point with its rate, scores, fidelity and times, in a table that runs over pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmarks.reporting.paper.group import Group
from benchmarks.reporting.paper.latex import escape, number, with_interval
from benchmarks.reporting.paper.rates import failures
from benchmarks.runs.tables import wide
from benchmarks.stats.metric_facts import TITLES

_TIMES = {"encode_s": "enc. ms", "decode_s": "dec. ms", "head_s": "head ms"}


def points_table(group: Group) -> str:
    """A ``longtable``, a block a head and under it a codec at a time."""
    scores = [c for c in group.run.task.columns if c in set(group.rows["metric"])]
    lines = wide(group.rows, scores)
    timed = [c for c in _TIMES if lines[c].notna().any()]
    head = ["", "bpp", *(TITLES.get(c, c) for c in scores), "PSNR", *(_TIMES[c] for c in timed)]
    span = len(head)
    body = []
    for view in group.views:
        mine = lines[(lines["head"] == view.head) & (lines["route"] == view.route)]
        body += [r"\midrule", rf"\multicolumn{{{span}}}{{@{{}}l}}{{\textbf{{{view.title}}}}} \\*"]
        for codec, points in mine.groupby("codec", sort=False):
            body.append(rf"\multicolumn{{{span}}}{{@{{}}l}}{{\textit{{{escape(str(codec))}}}}} \\*")
            body += [_line(point, scores, timed, group.metric, span) for _, point in points.iterrows()]
    return _longtable(head, body, _caption(group), group.label("tab", "points"), failures(group))


def _line(point: pd.Series, scores: Sequence[str], timed: Sequence[str], metric: str, span: int) -> str:
    name = rf"\quad {escape(point['point'])}"
    if point["status"] != "ok":
        return rf"{name} & \multicolumn{{{span - 1}}}{{l}}{{{escape(point['status'])}}} \\"
    cells = [with_interval(point["bpp"], point.get("bpp_low", math.nan), point.get("bpp_high", math.nan), 4)]
    for column in scores:
        low, high = (
            point.get(f"{column}_{end}", math.nan) if column == metric else math.nan for end in ("low", "high")
        )
        cells.append(with_interval(100 * point[column], 100 * low, 100 * high, 1))
    cells.append(number(point["psnr"], 2))
    cells += [_milliseconds(point[column]) for column in timed]
    return " & ".join([name, *cells]) + r" \\"


def _milliseconds(seconds: float) -> str:
    """Three digits that count."""
    value = 1000 * seconds
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _caption(group: Group) -> str:
    return (
        rf"Every operating point on {group.where}, heads {escape(group.regime)}: scores in percent, times in "
        rf"milliseconds an image (median). "
        + group.sure(rf"In brackets: 95\,\% intervals of the rate and of {group.title}.")
    )


def _longtable(head: Sequence[str], body: Sequence[str], caption: str, label: str, notes: Sequence[str]) -> str:
    titles = " & ".join(head) + r" \\"
    again = rf"\multicolumn{{{len(head)}}}{{@{{}}l}}{{\textit{{continued}}}} \\"
    lines = [
        r"\begingroup",
        r"\scriptsize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{longtable}}{{@{{}}l{'r' * (len(head) - 1)}@{{}}}}",
        rf"\caption{{{caption}}}\label{{{label}}}\\",
        r"\toprule",
        titles,
        r"\endfirsthead",
        again,
        r"\toprule",
        titles,
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *body,
        r"\end{longtable}",
        *(rf"\noindent {note}\par" for note in notes),
        r"\endgroup",
    ]
    return "\n".join([*lines, ""])
