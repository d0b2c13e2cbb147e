"""The appendix: every operating point with its rate, scores, fidelity and times, in a table that runs over pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from benchmarks.reporting.paper.group import Group, View
from benchmarks.reporting.paper.latex import escape, number, with_interval
from benchmarks.reporting.paper.rates import failures
from benchmarks.runs.wide_table import wide

_TIMES = {"encode_s": "enc. ms", "decode_s": "dec. ms", "head_s": "head ms"}


def points_table(group: Group) -> str:
    """A ``longtable``, a block a head and under it a codec at a time."""
    scores = [name for name in group.run.results.columns if name in set(group.scores["metric"])]
    lines = wide(replace(group.run.results, scores=group.scores, columns=tuple(scores)))
    timed = [c for c in _TIMES if lines[c].notna().any()]
    head = ["", "bpp", *(escape(group.facts_of(name).title) for name in scores)]
    head += [*([] if "psnr" in scores else ["PSNR"]), *(_TIMES[name] for name in timed)]
    span = len(head)
    body = []
    for view in group.readers:
        own = view.rows_of(lines)
        body += [r"\midrule", rf"\multicolumn{{{span}}}{{@{{}}l}}{{\textbf{{{view.title}}}}} \\*"]
        for codec, points in own.groupby("codec", sort=False):
            body.append(rf"\multicolumn{{{span}}}{{@{{}}l}}{{\textit{{{escape(str(codec))}}}}} \\*")
            body += [_line(group, view, point, scores, timed, span) for _, point in points.iterrows()]
    return _longtable(head, body, _caption(group), group.label("tab", "points"), failures(group))


def _line(group: Group, view: View, point: pd.Series, scores: Sequence[str], timed: Sequence[str], span: int) -> str:
    name = rf"\quad {escape(point['point'])}"
    if point["status"] != "ok":
        return rf"{name} & \multicolumn{{{span - 1}}}{{l}}{{{escape(point['status'])}}} \\"
    cells = [with_interval(point["bpp"], point.get("bpp_low", math.nan), point.get("bpp_high", math.nan), 4)]
    for column in scores:
        facts, shown = group.facts_of(column), column in (view.metric, *group.run.results.added)
        low, high = (point.get(f"{column}_{end}", math.nan) if shown else math.nan for end in ("low", "high"))
        value, low, high = (facts.factor * float(value) for value in (point[column], low, high))
        cells.append(with_interval(value, low, high, facts.digits))
    cells += [] if "psnr" in scores else [number(point["psnr"], group.facts_of("psnr").digits)]
    cells += [_milliseconds(point[column]) for column in timed]
    return " & ".join([name, *cells]) + r" \\"


def _milliseconds(seconds: float) -> str:
    """Three digits that count."""
    value = 1000 * seconds
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _caption(group: Group) -> str:
    return (
        rf"Every operating point on {group.where}, heads {escape(group.regime)}: {_units(group)}, times in "
        rf"milliseconds an image (median). "
        + group.sure(rf"In brackets: 95\,\% intervals of the rate and of {group.title}.")
    )


def _units(group: Group) -> str:
    if all(group.facts_of(name).percent for name in group.run.results.columns):
        return "scores in percent"
    units = (group.facts_of(name) for name in group.run.results.columns)
    percent = escape(", ".join(facts.title for facts in units if facts.percent))
    return f"in percent: {percent}" if percent else "scores as their metrics have them"


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
