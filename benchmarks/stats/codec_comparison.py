"""Which codec is best at a rate or against an anchor, and how far it leads each other codec, with paired intervals.

a head's curves, or its points at matched rates --> score_at_rate: scores at common rates --best less each other-->
lead_at_rate Bjontegaard differences against an anchor ------------------------------best less each other-->
lead_bd_rate, lead_bd_metric

Two intervals that overlap say nothing about their difference; both codecs on the same resamples do (as in
``bootstrap``).
What tables print in bold as the best rests on these comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.api import Comparison, Kind, MetricFacts, ScoreRow
from benchmarks.stats.anchors import members
from benchmarks.stats.bd_comparison import Measured, anchor_of, measured, views, with_interval
from benchmarks.stats.bjontegaard import Axis, Curves, bd_metric, bd_rate
from benchmarks.stats.bjontegaard import differences as of_resamples
from benchmarks.stats.bootstrap import Bootstrap, Floats
from benchmarks.stats.design import Design

COMMON_BPP = tuple(digit * 10.0**power for power in range(-3, 2) for digit in (1, 2, 5))
"""Bits per pixel at which codecs are compared where a run names no rates itself: round numbers, chosen for no codec."""


@dataclass(frozen=True)
class Entry:
    """A codec in a contest. point: where it was measured, empty where its curve was read between points; method: how.

    value, samples (R,): their sign turned where less is better, so that the largest is the best.
    """

    codec: str
    point: str
    value: float
    samples: Floats
    method: str = ""


@dataclass(frozen=True)
class Contest:
    """What codecs are ranked by: ``blank`` is the comparison to fill in for a lead, ``sign`` turns values back."""

    blank: Comparison
    entries: Sequence[Entry]
    sign: int


def leads(
    design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap, matched: Sequence[Comparison] = ()
) -> list[Comparison]:
    """Scores at common rates, and by how much the best codec of each contest is better than every other.

    matched: the outcome of the search where the run matched rates.
    """
    compared: list[Comparison] = []
    for blank in views(design, scores):
        facts = design.facts_of(blank.metric)
        curves = measured(design, scores, bootstrap, blank)
        own = {key.codec: curve for key, curve in curves.items() if not key.ladder}
        for bpp, entries in _at_rates(design, scores, bootstrap, blank, own, matched):
            at_rate = replace(blank, kind="score_at_rate", at_bpp=bpp, unit=facts.unit)
            for entry in entries:
                named = replace(at_rate, codec=entry.codec, point=entry.point, method=entry.method)
                compared.append(
                    with_interval(replace(named, value=facts.sign * entry.value), facts.sign * entry.samples)
                )
            compared += _leads(Contest(replace(at_rate, kind="lead_at_rate"), entries, facts.sign))
        for anchor in design.anchors:
            for contest in _against(design, own, replace(blank, anchor=anchor), facts):
                compared += _leads(contest)
    return compared


def _leads(contest: Contest) -> list[Comparison]:
    """The best entry less each other; none where it is alone."""
    if not contest.entries:
        return []
    best = max(contest.entries, key=lambda entry: entry.value)
    return [
        with_interval(
            replace(
                contest.blank, codec=best.codec, other=entry.codec, value=contest.sign * (best.value - entry.value)
            ),
            contest.sign * (best.samples - entry.samples),
        )
        for entry in contest.entries
        if entry is not best
    ]


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
    swept = {curve.label for curve in design.curves if curve.points[0] and not curve.second}
    for bpp in COMMON_BPP:
        readings = (_read(label, curve, bpp, facts) for label, curve in curves.items() if label in swept)
        entries = [entry for entry in readings if entry]
        if len(entries) > 1:
            yield bpp, entries


def _read(label: str, measured_curve: Measured, bpp: float, facts: MetricFacts) -> Entry | None:
    """A curve's score at a rate between its points; None where it does not reach so far."""
    curve, log_rate = Curves.of(measured_curve.points, facts.bounds), math.log(bpp)
    value = float(curve.at(np.array([log_rate]))[0])
    if math.isnan(value):
        return None
    samples = measured_curve.curves.at(np.full(len(measured_curve.rates), log_rate))
    return Entry(label, "", value, samples, "fit" if curve.fitted[0] else "pchip")


def _at_points(
    scores: Sequence[ScoreRow],
    bootstrap: Bootstrap,
    view: Comparison,
    facts: MetricFacts,
    matched: Sequence[Comparison],
) -> Iterator[tuple[float, list[Entry]]]:
    """The scores of the operating points that a search found for each rate."""
    wanted = (view.metric, view.head, view.route, "")
    found = {(row.codec, row.point): row for row in scores if (row.metric, row.head, row.route, row.part) == wanted}
    entries: dict[float, list[Entry]] = {}
    for match in (comparison for comparison in matched if comparison.status == "ok"):
        row = found.get((match.codec, match.point))
        if row and row.status == "ok" and not math.isinf(row.value):
            samples = bootstrap.scores.get((view.head, view.route, row.codec, row.ladder, row.point), np.empty(0))
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
    swept = [curve.label for curve in design.curves if curve.points[0] and not curve.second]
    points, anchor_curves = anchor_of(list(within.values()), facts.bounds)
    ways: tuple[tuple[Kind, Axis], ...] = (("lead_bd_rate", "quality"), ("lead_bd_metric", "log_rate"))
    for kind, over in ways:
        difference = bd_rate if over == "quality" else bd_metric
        turn = -1 if over == "quality" else 1  # fewer bits are better; the metric rises with quality already
        entries = []
        for label in (name for name in swept if name in curves and name not in within):
            value = difference(points, curves[label].points, facts.bounds).value
            if value is not None:
                samples = of_resamples(anchor_curves, curves[label].curves, over).value
                entries.append(Entry(label, "", turn * value, turn * samples))
        unit, sign = ("%", -1) if over == "quality" else (facts.unit, facts.sign)
        yield Contest(replace(blank, kind=kind, unit=unit), entries, sign)
