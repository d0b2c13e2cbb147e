"""Bjontegaard differences of a run, each with the interval of its own resamples, and values at matched rates where
there is none.

points of a head --+-- the curve itself -----------------------> value, overlap, method
                   +-- the curve of each resample, both codecs
                       on the same draw ------------------------> low, high, how many were refused
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Row
from benchmarks.stats.anchors import members
from benchmarks.stats.bjontegaard import Axis, Curves, Difference, bd_metric, bd_rate, front
from benchmarks.stats.bjontegaard import differences as of_resamples
from benchmarks.stats.bootstrap import MIN_RESAMPLES, Bootstrap, interval
from benchmarks.stats.design import Design
from benchmarks.stats.metric_facts import scale_of
from benchmarks.stats.null_floor import PART

Floats = npt.NDArray[np.float64]

MATCHED = (0.25, 0.5, 0.75)
"""Where in the rates that two curves share their values are compared when there is no Bjontegaard difference."""


class Measured(NamedTuple):
    """One head's view of a curve. points: (rate, score); rates, scores: (R, P) of the resamples, R 0 where there are
    none; curves: of those.

    Scores of which less is better are negative here, so that every curve rises.
    """

    points: list[tuple[float, float]]
    rates: Floats
    scores: Floats
    curves: Curves


class Pair(NamedTuple):
    """An anchor and a codec as they are compared. anchor: its points; the curves are of the resamples."""

    anchor: list[tuple[float, float]]
    test: list[tuple[float, float]]
    anchors: Curves
    tests: Curves


def differences(design: Design, rows: Sequence[Row], bootstrap: Bootstrap) -> list[Row]:
    """BD-rate and BD-metric of every curve against every anchor that ran, for each head; a front is not compared with
    its own members.

    Then what a second ladder gives against its own codec, as the floor under all of these.
    """
    known = design.labels
    labels = design.swept
    found: list[Row] = []
    for base in views(design, rows):
        seen = measured(design, rows, bootstrap, base.head, base.route)
        for anchor in design.anchors:
            within = {label: seen[label] for label in members(anchor, known) if label in seen}
            if not within:
                continue
            points, curves = anchor_of(list(within.values()), scale_of(base.metric).bounds)
            for label in (name for name in labels if name in seen and name not in within):
                found += _compared(
                    replace(base, codec=label, anchor=anchor),
                    Pair(points, seen[label].points, curves, seen[label].curves),
                )
        for second in (c for c in design.curves if c.second_of in seen and c.label in seen):
            one, other = seen[second.second_of], seen[second.label]
            both = _compared(
                replace(base, codec=second.second_of, anchor=second.second_of),
                Pair(one.points, other.points, one.curves, other.curves),
            )
            found += [replace(row, part=PART) for row in both if row.metric.startswith("bd_")]
    return found


def views(design: Design, rows: Sequence[Row]) -> Iterator[Row]:
    """A row for each head and route that read anything, to be filled in with what compares codecs there."""
    for head, route in dict.fromkeys((r.head, r.route) for r in rows if r.head and r.status != "skipped"):
        like = next(r for r in rows if (r.head, r.route) == (head, route) and r.status != "skipped")
        blank = replace(like, cell="", point="", part="", low=math.nan, high=math.nan, status="ok", reason="")
        yield replace(blank, metric=_main_metric(design, rows, head, route))


def _main_metric(design: Design, rows: Sequence[Row], head: str, route: str) -> str:
    return design.main_metric_of({r.metric for r in rows if (r.head, r.route) == (head, route) and not r.part})


def measured(design: Design, rows: Sequence[Row], bootstrap: Bootstrap, head: str, route: str) -> dict[str, Measured]:
    """The curves that a head scored by a route, by label."""
    metric = _main_metric(design, rows, head, route)
    scale = scale_of(metric)
    rate = {(r.codec, r.point): r.value for r in rows if r.metric == "bpp" and not r.part}
    value = {
        (r.codec, r.point): scale.sign * r.value
        for r in rows
        if r.metric == metric and (r.head, r.route) == (head, route) and not r.part
    }
    unknown = np.full(bootstrap.resamples if any(key[:2] == (head, route) for key in bootstrap.scores) else 0, np.nan)
    found = {}
    for curve in design.curves:
        # Without loss PSNR has no end and is no point of a curve; a point without a value is one, and leaves the curve
        # without differences.
        points = [p for p in curve.points if (curve.label, p) in value and not math.isinf(value[curve.label, p])]
        if points:
            rates = np.stack([bootstrap.rates.get((curve.label, p), unknown)[: len(unknown)] for p in points], axis=1)
            scores = np.stack(
                [scale.sign * bootstrap.scores.get((head, route, curve.label, p), unknown) for p in points], axis=1
            )
            whole = [(rate[curve.label, p], value[curve.label, p]) for p in points]
            found[curve.label] = Measured(whole, rates, scores, Curves(rates, scores, scale.bounds))
    return found


def anchor_of(within: Sequence[Measured], bounds: tuple[float, float]) -> tuple[list[tuple[float, float]], Curves]:
    """The points of an anchor and its resamples: a curve as it is, of several their front, found anew on each resample."""
    if len(within) == 1:
        return within[0].points, within[0].curves
    points = [p for one in within for p in one.points]
    table = np.array(points)
    kept = front(table[None, :, 0], table[None, :, 1])[0]
    rates, scores = (np.concatenate([getattr(one, name) for one in within], axis=1) for name in ("rates", "scores"))
    return [p for p, k in zip(points, kept, strict=True) if k], Curves(rates, scores, bounds, front(rates, scores))


def _compared(base: Row, pair: Pair) -> Iterator[Row]:
    metric, scale = base.metric, scale_of(base.metric)
    rate, quality = bd_rate(pair.anchor, pair.test, scale.bounds), bd_metric(pair.anchor, pair.test, scale.bounds)
    if quality.value is not None:
        quality = replace(quality, value=scale.sign * quality.value)
    yield _row(
        replace(base, metric=f"bd_rate({metric})", unit="%"),
        rate,
        of_resamples(pair.anchors, pair.tests, "quality").value,
    )
    yield _row(
        replace(base, metric=f"bd_{metric}", unit=scale.unit),
        quality,
        scale.sign * of_resamples(pair.anchors, pair.tests, "log_rate").value,
    )
    if rate.value is None or quality.value is None:
        yield from _at_matched_rates(base, pair)


def _row(base: Row, result: Difference, samples: Floats) -> Row:
    if result.value is None:
        return replace(base, value=math.nan, status="n/a", reason=result.reason)
    overlap = f"overlap {result.overlap_test:.0%} of test, {result.overlap_anchor:.0%} of anchor"
    low, high, refused = interval(samples)
    parts = [result.method, overlap, *([refusals(samples)] if refused else [])]
    return replace(base, value=result.value, low=low, high=high, reason="; ".join(parts))


def refusals(samples: Floats) -> str:
    """How many resamples gave no number and what the others say: never dropped in silence."""
    valued = samples[~np.isnan(samples)]
    others = interval(valued)
    text = f"{len(samples) - len(valued)} of {len(samples)} resamples refused"
    return text + (f", the others give {others.low:+.4g} to {others.high:+.4g}" if len(valued) >= MIN_RESAMPLES else "")


def _at_matched_rates(base: Row, pair: Pair) -> Iterator[Row]:
    """The difference of two curves' values at three rates they share; none where they share none, or one of them is no
    curve.
    """
    over: Axis = "log_rate"
    scale = scale_of(base.metric)
    one = Curves.of(pair.anchor, scale.bounds), Curves.of(pair.test, scale.bounds)
    spans = [curve.span(over) for curve in one]
    low, high = (
        float(np.max([s[0][0] for s in spans])),
        float(np.min([s[1][0] for s in spans])),
    )  # NaN where one of them is no curve
    if not low < high:
        return
    for share in MATCHED:
        at = low + share * (high - low)
        anchor, test = (scale.sign * float(curve.at(np.array([at]))[0]) for curve in one)
        many = np.full(len(pair.tests.trouble), at)
        ends = interval(scale.sign * (pair.tests.at(many) - pair.anchors.at(many)))
        said = f"{test:.1%} against {anchor:.1%}" if scale.percent else f"{test:.4g} against {anchor:.4g}"
        part = f"at {math.exp(at):.4f} bpp"
        yield replace(
            base,
            metric=f"d_{base.metric}",
            part=part,
            unit=scale.unit,
            value=test - anchor,
            low=ends.low,
            high=ends.high,
            reason=said,
        )
