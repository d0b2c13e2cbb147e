"""Bjontegaard differences of a run, each with an interval, and differences at matched rates where one is missing.

points of a head --+-- the curve itself -------------------------------> value, overlaps, method
                   +-- the curve of each resample (same images drawn
                       for both codecs) --------------------------------> low, high, number of refused resamples
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Comparison, Kind, MetricFacts, ScoreRow
from benchmarks.stats.anchors import members
from benchmarks.stats.bjontegaard import Difference, bd_metric, bd_rate
from benchmarks.stats.bjontegaard import differences as of_resamples
from benchmarks.stats.bootstrap import MIN_RESAMPLES, Bootstrap, interval
from benchmarks.stats.design import Design
from benchmarks.stats.measured_curves import CurveKey, Measured, Reading, anchor_of, measured, reading, span, views
from benchmarks.stats.noise_floor import SECOND

Floats = npt.NDArray[np.float64]

MATCHED = (0.25, 0.5, 0.75)
"""Shares of the range of rates that both curves cover; curves without a Bjontegaard number are compared there."""


class Pair(NamedTuple):
    """An anchor and a codec that is compared with it."""

    anchor: Measured
    test: Measured


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
            against = anchor_of(list(within.values()), facts.bounds)
            for label in (name for name in design.swept if name in own and name not in within):
                pair = Pair(against, own[label])
                compared += _compared(replace(blank, codec=label, anchor=anchor), pair, facts)
        for ladder in (curve for curve in design.curves if curve.second):
            first, second = own.get(ladder.label), curves.get(CurveKey(ladder.label, SECOND))
            if first and second:
                pair = Pair(first, second)
                blank_floor = replace(blank, codec=ladder.label, anchor=ladder.label)
                compared += _bjontegaard(blank_floor, pair, facts, ("noise_floor_rate", "noise_floor_metric"))
    return compared


def _compared(blank: Comparison, pair: Pair, facts: MetricFacts) -> Iterator[Comparison]:
    """Both Bjontegaard differences, and differences at matched rates where one of them is missing."""
    both = _bjontegaard(blank, pair, facts, ("bd_rate", "bd_metric"))
    yield from both
    if any(comparison.status != "ok" for comparison in both):
        yield from _at_matched_rates(blank, pair, facts)


def _bjontegaard(blank: Comparison, pair: Pair, facts: MetricFacts, kinds: tuple[Kind, Kind]) -> list[Comparison]:
    rate = bd_rate(pair.anchor.points, pair.test.points, facts.bounds)
    quality = bd_metric(pair.anchor.points, pair.test.points, facts.bounds)
    if quality.value is not None:
        quality = replace(quality, value=facts.sign * quality.value)
    of_rate = of_resamples(pair.anchor.curves, pair.test.curves, "quality").value
    of_quality = facts.sign * of_resamples(pair.anchor.curves, pair.test.curves, "log_rate").value
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
    """The differences of two curves at three rates that both cover; none where they share no rate. Curves that are none
    for Bjontegaard differences are read between the neighbours of a rate; where a curve has no value there, the row
    says why.
    """
    (anchor_low, anchor_high), (low, high) = span(pair.anchor), span(pair.test)
    low, high = max(low, anchor_low), min(high, anchor_high)
    if not low < high:
        return
    for share in MATCHED:
        log_rate = low + share * (high - low)
        named = replace(blank, kind="difference_at_rate", at_bpp=math.exp(log_rate), unit=facts.unit)
        anchor, test = (reading(curve, log_rate, facts.bounds) for curve in pair)
        yield _at_rate(named, anchor, test, facts)


def _at_rate(blank: Comparison, anchor: Reading | None, test: Reading | None, facts: MetricFacts) -> Comparison:
    """The difference of two readings, or the reason why there is none."""
    for name, read in (("anchor", anchor), ("codec", test)):
        if read is None or read.reason:
            reason = read.reason if read else "does not reach this rate"
            return replace(blank, status="n/a", reason=f"the {name}'s curve {reason}")
    assert anchor is not None
    assert test is not None
    anchor_score, codec_score = facts.sign * anchor.value, facts.sign * test.value
    compared = replace(
        blank,
        method="local" if "local" in (anchor.method, test.method) else "",
        value=codec_score - anchor_score,
        codec_score=codec_score,
        other_score=anchor_score,
    )
    return with_interval(compared, facts.sign * (test.samples - anchor.samples))
