"""The tables of Bjontegaard differences, one an anchor: intervals, overlaps, the noise floor, and the reason where
there is no number.
"""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.api import Comparison, Kind, MetricFacts
from benchmarks.reporting.paper.footnotes import DAGGER, DOUBLE_DAGGER, Footnotes
from benchmarks.reporting.paper.group import Group, View, clear_best
from benchmarks.reporting.paper.latex import escape, floating, number, slug, table_kind, tabular, with_interval
from benchmarks.runs.rows import comparison_rows
from benchmarks.runs.sentences import LOCAL
from benchmarks.runs.verdicts import verdict

_BOTH: tuple[Kind, Kind] = ("bd_rate", "bd_metric")
_LEAD: dict[Kind, Kind] = {"bd_rate": "lead_bd_rate", "bd_metric": "lead_bd_metric"}
_FLOOR: dict[Kind, Kind] = {"bd_rate": "noise_floor_rate", "bd_metric": "noise_floor_metric"}
_RATE = MetricFacts(low=-math.inf, high=math.inf, higher_is_better=False, unit="%", percent=False)
"""How a difference in rate is shown: in percent as it is stored, fewer bits are better."""
_MARKS = {"fit": DAGGER, "isotonic": DOUBLE_DAGGER}


def bd_tables(group: Group) -> list[str]:
    """A table an anchor, in the run's order."""
    return [_table(group, anchor) for anchor in anchors(group)]


def anchors(group: Group) -> list[str]:
    """The run's anchors that anything was compared with."""
    compared = set(group.of_kind(*_BOTH)["anchor"])
    return [anchor for anchor in group.run.about["anchors"] if anchor in compared]


def _table(group: Group, anchor: str) -> str:
    compared, notes = group.of_kind(*_BOTH), Footnotes()
    compared = compared[compared["anchor"] == anchor]
    blocks: list[tuple[str, list[list[str]]]] = []
    for view in group.views:
        own = view.rows_of(compared)
        best = {kind: _best(group, view, own, anchor, kind) for kind in _BOTH}
        lines = []
        for codec in (name for name in group.codecs if name in set(own["codec"])):
            of_codec = {row.kind: row for row in comparison_rows(own[own["codec"] == codec])}
            cells = [part for kind in _BOTH for part in _cells(group, of_codec[kind], best[kind] == codec, notes)]
            lines.append([escape(codec), *cells])
        blocks.append((view.title, [*lines, _floor_line(group, view, notes)]))
    titles = ["", r"BD-rate (\%)", "overlap", f"BD-{group.title}", "overlap"]
    if group.options.columns == "two":
        bodies = [tabular("lrrrr", titles, blocks)]
    else:  # a column of the page is too narrow for both differences side by side
        bodies = [
            tabular("lrr", ["", *titles[n : n + 2]], [(view, [[c[0], *c[n : n + 2]] for c in b]) for view, b in blocks])
            for n in (1, 3)
        ]
    label, kind = group.label("tab", f"bd-{slug(group.called(anchor))}"), table_kind(group.options.columns)
    return floating(bodies, _caption(group, anchor, "".join(bodies)), label, notes.lines(), kind)


def _facts(group: Group, comparison: Comparison) -> MetricFacts:
    return _RATE if comparison.unit == "%" else group.facts_of(comparison.metric)


def _best(group: Group, view: View, own: pd.DataFrame, anchor: str, kind: Kind) -> str | None:
    """The codec in bold: ahead of every other codec and of the anchor itself, each by more than the noise floor."""
    values = own[own["kind"] == kind]
    leads = view.rows_of(group.of_kind(_LEAD[kind]))
    least = floor(group, view, kind)
    facts = _RATE if kind == "bd_rate" else group.facts_of(view.metric)
    codec = clear_best(values, leads[leads["anchor"] == anchor], facts.higher_is_better, least)
    of_codec = values[values["codec"] == codec]
    if of_codec.empty:
        return None
    difference = comparison_rows(of_codec)[0]
    return codec if verdict(difference, facts) == "better" and abs(difference.value) > least else None


def floor(group: Group, view: View, kind: Kind) -> float:
    """The size of the noise floor under a kind of difference, in its stored unit; 0 where it was not measured."""
    floors = view.rows_of(group.of_kind(_FLOOR[kind]))
    values = floors.loc[floors["status"] == "ok", "value"]
    return float(values.abs().max()) if len(values) else 0.0


def _floor_line(group: Group, view: View, notes: Footnotes) -> list[str]:
    cells, codec = [], ""
    for kind in _BOTH:
        floors = comparison_rows(view.rows_of(group.of_kind(_FLOOR[kind])))
        if floors:
            codec = f"({floors[0].codec})"
            cells += _cells(group, floors[0], False, notes)
        else:
            cells += ["not measured", ""]
    return [r"\addlinespace[1pt] noise floor " + escape(codec), *cells]


def _cells(group: Group, difference: Comparison, bold: bool, notes: Footnotes) -> list[str]:
    """A difference with its marks, and the overlap of the two curves."""
    if difference.status != "ok":
        return [notes.refused(_reason(group, difference)), ""]
    facts = _facts(group, difference)
    value, low, high = (facts.factor * number for number in (difference.value, difference.low, difference.high))
    text = with_interval(value, low, high, facts.digits, sign=True, bold=bold)
    marks = _MARKS.get(difference.method, "")
    if difference.refused:
        refused = _refused(difference, facts)
        marks += notes.mark(refused if not math.isnan(difference.low) else f"no interval: {refused}")
    shares = (difference.overlap_test, difference.overlap_anchor)
    return [text + marks, "/".join(f"{100 * share:.0f}" for share in shares if not math.isnan(share))]


def _refused(difference: Comparison, facts: MetricFacts) -> str:
    """How many resamples gave no number, and where the others lie, in the table's unit."""
    text = f"{difference.refused} of {difference.resamples} resamples refused"
    if math.isnan(difference.valued_low):
        return text
    ends = (f"{facts.factor * end:+.{facts.digits}f}" for end in (difference.valued_low, difference.valued_high))
    return f"{text}, the others give {' to '.join(ends)}"


def _reason(group: Group, difference: Comparison) -> str:
    """Why there is no number, and the differences at rates both curves reach, where they reach any."""
    at_rates = group.of_kind("difference_at_rate")
    same = ("head", "route", "codec", "anchor", "metric")
    for name in same:
        at_rates = at_rates[at_rates[name] == getattr(difference, name)]
    if at_rates.empty or difference.kind not in _BOTH:
        return difference.reason
    facts = group.facts_of(difference.metric)
    rows = comparison_rows(at_rates)
    points = "; ".join(_at_rate(row, facts) for row in rows)
    local = f". {LOCAL.rstrip('.')}" if any(row.method == "local" for row in rows) else ""
    anchor = group.called(difference.anchor)
    return f"{difference.reason}; {difference.codec} against {anchor}, {facts.title} {points}{local}"


def _at_rate(row: Comparison, facts: MetricFacts) -> str:
    if row.status != "ok":
        return f"at {row.at_bpp:.4f} bpp n/a: {row.reason}"
    value, low, high = (f"{facts.factor * number:+.{facts.digits}f}" for number in (row.value, row.low, row.high))
    return f"at {row.at_bpp:.4f} bpp {value}" + ("" if math.isnan(row.low) else f" [{low}, {high}]")


def _caption(group: Group, anchor: str, body: str) -> str:
    measured = any(floor(group, view, "bd_rate") for view in group.views)
    than = " and is larger than the noise floor" if measured else ""
    intervals = (
        r"In brackets: 95\,\% intervals, both codecs on the same resamples. "
        rf"Bold: the best, where its paired difference from every other and from the anchor leaves out 0{than}; none "
        rf"where a codec has no number."
    )
    marked = [
        rf" {DAGGER}A curve dips, and a monotone fit stands in." * (DAGGER in body),
        rf" {DOUBLE_DAGGER}No fit is near a curve that dips, and its dips alone are levelled."
        * (DOUBLE_DAGGER in body),
    ]
    return (
        rf"Bjontegaard differences against {escape(group.called(anchor))} on {group.where}, heads "
        rf"{escape(group.regime)}: rate at equal {group.title} (negative: fewer bits), and "
        rf"{group.title}{_points(group)} at equal rate. {group.sure(intervals)} "
        r"Overlap: the range both curves cover, in percent of the codec's own interval and of the anchor's."
        rf"{''.join(marked)} Noise floor: a codec against itself on a second ladder, whose true difference is 0."
    )


def _points(group: Group) -> str:
    return " in points" if all(group.facts_of(metric).percent for metric in group.metrics) else group.unit


def floor_text(group: Group) -> str:
    """The noise floor in words, for the methods."""
    sizes = ((view.title, floor(group, view, "bd_rate")) for view in group.views)
    return ", ".join(f"{number(size, 1)}\\,\\% for {title}" for title, size in sizes if size)
