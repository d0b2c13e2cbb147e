"""Bjontegaard differences of a run, each with an interval, and differences at matched rates where one is missing.

points of a head --+-- the curve itself -------------------------------> value, overlaps, method
                   +-- the curve of each resample (same images drawn
                       for both codecs) --------------------------------> low, high, number of refused resamples
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Comparison, Kind, MetricFacts, ScoreRow
from benchmarks.stats.anchors import members
from benchmarks.stats.bjontegaard import Axis, Curves, Difference, bd_metric, bd_rate, front
from benchmarks.stats.bjontegaard import differences as of_resamples
from benchmarks.stats.bootstrap import MIN_RESAMPLES, Bootstrap, interval
from benchmarks.stats.design import Design
from benchmarks.stats.noise_floor import SECOND

Floats = npt.NDArray[np.float64]

MATCHED = (0.25, 0.5, 0.75)
"""Shares of the range of rates that both curves cover; curves without a Bjontegaard number are compared there."""


class CurvePoint(NamedTuple):
    """One operating point of a curve. score: with the sign turned where lower is better, so that every curve rises."""

    bpp: float
    score: float


class Measured(NamedTuple):
    """One curve as one head scores it.

    points: P of them, in ladder order. rates, scores: (R, P) of the resamples, R 0 where there are none. curves: those
    of the resamples.
    """

    points: list[CurvePoint]
    rates: Floats
    scores: Floats
    curves: Curves


class Pair(NamedTuple):
    """An anchor and a codec that are compared with it: their points, and their curves on the resamples."""

    anchor: list[CurvePoint]
    test: list[CurvePoint]
    anchor_curves: Curves
    test_curves: Curves


@dataclass(frozen=True)
class CurveKey:
    """The curve that a score lies on. codec: its label. ladder: "second", or empty for the codec's own."""

    codec: str
    ladder: str = ""


def differences(design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap) -> list[Comparison]:
    """BD-rate and BD-metric of every curve against every anchor that ran, for each head; a front is not compared with
    its own members. Then the same of each second ladder against its own codec: the noise floor under all of these.
    """
    compared: list[Comparison] = []
    for blank in views(design, scores):
        facts = design.facts_of(blank.metric)
        curves = measured(design, scores, bootstrap, blank)
        own = {key.codec: curve for key, curve in curves.items() if not key.ladder}
        for anchor in design.anchors:
            within = {label: own[label] for label in members(anchor, design.labels) if label in own}
            if not within:
                continue
            points, anchor_curves = anchor_of(list(within.values()), facts.bounds)
            for label in (name for name in design.swept if name in own and name not in within):
                pair = Pair(points, own[label].points, anchor_curves, own[label].curves)
                compared += _compared(replace(blank, codec=label, anchor=anchor), pair, facts)
        for ladder in (curve for curve in design.curves if curve.second):
            first, second = own.get(ladder.label), curves.get(CurveKey(ladder.label, SECOND))
            if first and second:
                pair = Pair(first.points, second.points, first.curves, second.curves)
                blank_floor = replace(blank, codec=ladder.label, anchor=ladder.label)
                compared += _bjontegaard(blank_floor, pair, facts, ("noise_floor_rate", "noise_floor_metric"))
    return compared


def views(design: Design, scores: Sequence[ScoreRow]) -> Iterator[Comparison]:
    """A blank comparison, to be filled in, for each head and route with any score, in each metric compared there: the
    head's main score, and those that were added to the task's own.
    """
    for head, route in dict.fromkeys((row.head, row.route) for row in scores if row.head and row.status != "skipped"):
        of_reader = [row for row in scores if (row.head, row.route) == (head, route)]
        example = next(row for row in of_reader if row.status != "skipped")
        metrics = {row.metric for row in of_reader if not row.part}
        for metric in design.compared_metrics(metrics) or (design.main_metric,):
            yield Comparison(
                kind="bd_rate",
                task=example.task,
                dataset=example.dataset,
                split=example.split,
                metric=metric,
                head=head,
                route=route,
                regime=example.regime,
                seed=example.seed,
                images=example.images,
            )


def measured(
    design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap, view: Comparison
) -> dict[CurveKey, Measured]:
    """The curves that the head and route of ``view`` scored in its metric."""
    facts = design.facts_of(view.metric)
    rate, value = {}, {}
    for row in scores:
        key = (row.codec, row.ladder, row.point)
        if row.metric == "bpp" and not row.part:
            rate[key] = row.value
        if (row.metric, row.head, row.route, row.part) == (view.metric, view.head, view.route, ""):
            value[key] = facts.sign * row.value
    reader = (view.head, view.route, view.metric)
    missing = bootstrap.missing(reader)
    curves = {}
    for ladder in design.curves:
        curve = CurveKey(ladder.label, SECOND if ladder.second else "")
        # Lossless points have infinite PSNR and are left off the curve; a point without a value stays, and leaves the
        # curve without differences.
        keys = [(curve.codec, curve.ladder, point) for point in ladder.points]
        keys = [key for key in keys if key in value and not math.isinf(value[key])]
        if keys:
            rates = np.stack([bootstrap.rates.get(key, missing)[: len(missing)] for key in keys], axis=1)
            samples = [bootstrap.scores.get((*reader, *key), missing) for key in keys]
            risen = facts.sign * np.stack(samples, axis=1)
            points = [CurvePoint(rate[key], value[key]) for key in keys]
            curves[curve] = Measured(points, rates, risen, Curves(rates, risen, facts.bounds))
    return curves


def anchor_of(within: Sequence[Measured], bounds: tuple[float, float]) -> tuple[list[CurvePoint], Curves]:
    """The points of an anchor and its curves on the resamples: one curve, or the front of several on each resample."""
    if len(within) == 1:
        return within[0].points, within[0].curves
    points = [point for curve in within for point in curve.points]
    table = np.array(points)
    on_front = front(table[None, :, 0], table[None, :, 1])[0]
    rates = np.concatenate([curve.rates for curve in within], axis=1)
    scores = np.concatenate([curve.scores for curve in within], axis=1)
    resampled = Curves(rates, scores, bounds, front(rates, scores))
    return [point for point, kept in zip(points, on_front, strict=True) if kept], resampled


def _compared(blank: Comparison, pair: Pair, facts: MetricFacts) -> Iterator[Comparison]:
    """Both Bjontegaard differences, and differences at matched rates where one of them is missing."""
    both = _bjontegaard(blank, pair, facts, ("bd_rate", "bd_metric"))
    yield from both
    if any(comparison.status != "ok" for comparison in both):
        yield from _at_matched_rates(blank, pair, facts)


def _bjontegaard(blank: Comparison, pair: Pair, facts: MetricFacts, kinds: tuple[Kind, Kind]) -> list[Comparison]:
    rate = bd_rate(pair.anchor, pair.test, facts.bounds)
    quality = bd_metric(pair.anchor, pair.test, facts.bounds)
    if quality.value is not None:
        quality = replace(quality, value=facts.sign * quality.value)
    of_rate = of_resamples(pair.anchor_curves, pair.test_curves, "quality").value
    of_quality = facts.sign * of_resamples(pair.anchor_curves, pair.test_curves, "log_rate").value
    return [
        _filled(replace(blank, kind=kinds[0], unit="%"), rate, of_rate),
        _filled(replace(blank, kind=kinds[1], unit=facts.unit), quality, of_quality),
    ]


def _filled(blank: Comparison, result: Difference, samples: Floats) -> Comparison:
    if result.value is None:
        return replace(blank, status="n/a", reason=result.reason)
    valued = replace(
        blank,
        value=result.value,
        method=result.method,
        overlap_test=result.overlap_test,
        overlap_anchor=result.overlap_anchor,
    )
    return with_interval(valued, samples)


def with_interval(comparison: Comparison, samples: Floats) -> Comparison:
    """The comparison with the interval of its resamples (R,), their number, and the number of those without a value."""
    low, high, refused = interval(samples)
    valued = samples[~np.isnan(samples)]
    ends = interval(valued) if refused and len(valued) >= MIN_RESAMPLES else (math.nan, math.nan, 0)
    bounded = replace(comparison, low=low, high=high, valued_low=ends[0], valued_high=ends[1])
    return replace(bounded, resamples=len(samples), refused=refused)


def _at_matched_rates(blank: Comparison, pair: Pair, facts: MetricFacts) -> Iterator[Comparison]:
    """The differences of two curves at three rates that both cover; none where they share no rate, or one is none."""
    over: Axis = "log_rate"
    anchor, test = Curves.of(pair.anchor, facts.bounds), Curves.of(pair.test, facts.bounds)
    spans = [curve.span(over) for curve in (anchor, test)]
    low = float(np.max([start[0] for start, _ in spans]))
    high = float(np.min([stop[0] for _, stop in spans]))  # NaN where one of them is no curve
    if not low < high:
        return
    for share in MATCHED:
        log_rate = low + share * (high - low)
        anchor_score, codec_score = (facts.sign * float(curve.at(np.array([log_rate]))[0]) for curve in (anchor, test))
        many = np.full(len(pair.test_curves.trouble), log_rate)
        samples = facts.sign * (pair.test_curves.at(many) - pair.anchor_curves.at(many))
        comparison = replace(
            blank,
            kind="difference_at_rate",
            at_bpp=math.exp(log_rate),
            unit=facts.unit,
            value=codec_score - anchor_score,
            codec_score=codec_score,
            other_score=anchor_score,
        )
        yield with_interval(comparison, samples)
