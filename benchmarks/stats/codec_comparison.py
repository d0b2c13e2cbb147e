"""The best codec at a rate or against an anchor, and its lead over each other codec, with paired intervals.

    curves, or points at matched rates --> score_at_rate   --best less each other--> lead_at_rate
    Bjontegaard differences from an anchor ----------------best less each other--> lead_bd_rate, lead_bd_metric

Whether two intervals overlap says nothing about the difference of two codecs; the difference on the same resamples does
(see ``bootstrap``). The bold numbers of tables rest on these comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.api import Comparison, Kind, Method, MetricFacts, ScoreRow
from benchmarks.stats.anchors import members
from benchmarks.stats.bd_comparison import with_interval
from benchmarks.stats.bjontegaard import Axis, bd_metric, bd_rate
from benchmarks.stats.bjontegaard import differences as of_resamples
from benchmarks.stats.bootstrap import Bootstrap, Floats
from benchmarks.stats.design import Design
from benchmarks.stats.measured_curves import Measured, anchor_of, measured, reading, views

COMMON_BPP = tuple(digit * 10.0**power for power in range(-3, 2) for digit in (1, 2, 5))
"""Bits per pixel at which codecs are compared where a run names no rates itself: round numbers, chosen for no codec."""


@dataclass(frozen=True)
class Entry:
    """A codec in a contest.

    point: the operating point, empty where the curve was read between its points. value, samples (R,): with the sign
    turned where lower is better, so that the largest is the best. method: how the curve was read, as in ``Comparison``.
    reason: why there is no value (NaN), empty where there is one.
    """

    codec: str
    point: str
    value: float
    samples: Floats
    method: Method = ""
    reason: str = ""


@dataclass(frozen=True)
class Contest:
    """Codecs ranked by one number. blank: the comparison to fill in for a lead. sign: turns values back."""

    blank: Comparison
    entries: Sequence[Entry]
    sign: int


def leads(
    design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap, matched: Sequence[Comparison] = ()
) -> list[Comparison]:
    """Scores at common rates, and the lead of the best codec of each contest over every other.

    matched: the ``matched_rate`` comparisons of a run that searched for rates.
    """
    compared: list[Comparison] = []
    for blank in views(design, scores):
        facts = design.facts_of(blank.metric)
        curves = measured(design, scores, bootstrap, blank)
        own = {key.codec: curve for key, curve in curves.items() if not key.ladder}
        for bpp, entries in _at_rates(design, scores, bootstrap, blank, own, matched):
            at_rate = replace(blank, kind="score_at_rate", at_bpp=bpp, unit=facts.unit)
            compared += (_score(at_rate, entry, facts) for entry in entries)
            valued = [entry for entry in entries if not entry.reason]
            compared += _leads(Contest(replace(at_rate, kind="lead_at_rate"), valued, facts.sign))
        for anchor in design.anchors:
            for contest in _against(design, own, replace(blank, anchor=anchor), facts):
                compared += _leads(contest)
    return compared


def _score(blank: Comparison, entry: Entry, facts: MetricFacts) -> Comparison:
    """The row of an entry: its score with an interval, or the reason why it has none."""
    named = replace(blank, codec=entry.codec, point=entry.point, method=entry.method)
    if entry.reason:
        return replace(named, status="n/a", reason=entry.reason)
    return with_interval(replace(named, value=facts.sign * entry.value), facts.sign * entry.samples)


def _leads(contest: Contest) -> list[Comparison]:
    """The best entry less each other entry."""
    if not contest.entries:
        return []
    best = max(contest.entries, key=lambda entry: entry.value)
    leads_over = []
    for entry in (entry for entry in contest.entries if entry is not best):
        value, samples = contest.sign * (best.value - entry.value), contest.sign * (best.samples - entry.samples)
        lead = replace(contest.blank, codec=best.codec, other=entry.codec, value=value)
        leads_over.append(with_interval(lead, samples))
    return leads_over


def _at_rates(
    design: Design,
    scores: Sequence[ScoreRow],
    bootstrap: Bootstrap,
    view: Comparison,
    curves: Mapping[str, Measured],
    matched: Sequence[Comparison],
) -> Iterator[tuple[float, list[Entry]]]:
    """The rates at which codecs are compared, and the entries there."""
    facts = design.facts_of(view.metric)
    if design.match_bpp:
        yield from _at_points(scores, bootstrap, view, facts, matched)
        return
    for bpp in COMMON_BPP:
        readings = (_read(label, curve, bpp, facts) for label, curve in curves.items() if label in design.swept)
        entries = [entry for entry in readings if entry]
        if sum(not entry.reason for entry in entries) > 1:
            yield bpp, entries


def _read(label: str, curve: Measured, bpp: float, facts: MetricFacts) -> Entry | None:
    """A curve's score at a rate between its points; None where no two of its points have that rate between them."""
    read = reading(curve, math.log(bpp), facts.bounds)
    if read is None:
        return None
    reason = f"the codec's curve {read.reason}" if read.reason else ""
    return Entry(label, "", read.value, read.samples, read.method, reason)


def _at_points(
    scores: Sequence[ScoreRow],
    bootstrap: Bootstrap,
    view: Comparison,
    facts: MetricFacts,
    matched: Sequence[Comparison],
) -> Iterator[tuple[float, list[Entry]]]:
    """The scores of the operating points that a search found for each rate."""
    wanted = (view.metric, view.head, view.route, "")
    rows = {(row.codec, row.point): row for row in scores if (row.metric, row.head, row.route, row.part) == wanted}
    entries: dict[float, list[Entry]] = {}
    for match in (comparison for comparison in matched if comparison.status == "ok"):
        row = rows.get((match.codec, match.point))
        if row and row.status == "ok" and not math.isinf(row.value):
            key = (view.head, view.route, view.metric, row.codec, row.ladder, row.point)
            samples = bootstrap.scores.get(key, np.empty(0))
            entry = Entry(row.codec, row.point, facts.sign * row.value, facts.sign * samples)
            entries.setdefault(match.at_bpp, []).append(entry)
    yield from entries.items()


def _against(
    design: Design, curves: Mapping[str, Measured], blank: Comparison, facts: MetricFacts
) -> Iterator[Contest]:
    """The contests by both Bjontegaard differences from the anchor of ``blank``, among the codecs that have a value."""
    within = {label: curves[label] for label in members(blank.anchor, design.labels) if label in curves}
    if not within:
        return
    against = anchor_of(list(within.values()), facts.bounds)
    ways: tuple[tuple[Kind, Axis], ...] = (("lead_bd_rate", "quality"), ("lead_bd_metric", "log_rate"))
    for kind, over in ways:
        difference = bd_rate if over == "quality" else bd_metric
        turn = -1 if over == "quality" else 1  # fewer bits are better; the metric rises with quality already
        entries = []
        for label in (name for name in design.swept if name in curves and name not in within):
            value = difference(against.points, curves[label].points, facts.bounds).value
            if value is not None:
                samples = of_resamples(against.curves, curves[label].curves, over).value
                entries.append(Entry(label, "", turn * value, turn * samples))
        unit, sign = ("%", -1) if over == "quality" else (facts.unit, facts.sign)
        yield Contest(replace(blank, kind=kind, unit=unit), entries, sign)
