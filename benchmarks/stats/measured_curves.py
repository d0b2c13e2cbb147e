"""The curves of a run as heads scored them: their points, their resamples, and their scores at a rate.

scores, bootstrap --measured--> curves by codec --anchor_of--> the anchor, one curve or the front of several
                                                --reading----> its score at a rate between its points
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Comparison, Method, ScoreRow
from benchmarks.stats import local_reading
from benchmarks.stats.bjontegaard import Curves, front
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.design import Design
from benchmarks.stats.noise_floor import SECOND

Floats = npt.NDArray[np.float64]


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


class Reading(NamedTuple):
    """A curve's score at a rate, the sign turned as in ``CurvePoint``. samples: (R,). method: as in ``Comparison``.
    reason: why there is no value (NaN), for the end of a sentence; empty where there is one.
    """

    value: float
    samples: Floats
    method: Method = ""
    reason: str = ""


@dataclass(frozen=True)
class CurveKey:
    """The curve that a score lies on. codec: its label. ladder: "second", or empty for the codec's own."""

    codec: str
    ladder: str = ""


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
            # The dips of resamples are levelled where the curve's own are; elsewhere such a resample counts as refused,
            # which makes an interval wider and never narrower.
            level = bool(Curves.of(points, facts.bounds).levelled[0])
            curves[curve] = Measured(points, rates, risen, Curves(rates, risen, facts.bounds, level=level))
    return curves


def anchor_of(within: Sequence[Measured], bounds: tuple[float, float]) -> Measured:
    """The curve of an anchor: one curve, or the front of several, which is another one on each resample."""
    if len(within) == 1:
        return within[0]
    points = [point for curve in within for point in curve.points]
    table = np.array(points)
    on_front = front(table[None, :, 0], table[None, :, 1])[0]
    rates = np.concatenate([curve.rates for curve in within], axis=1)
    scores = np.concatenate([curve.scores for curve in within], axis=1)
    kept = front(rates, scores)
    resampled = Curves(rates, scores, bounds, kept)
    # Points beside the front repeat one that is on it, so that nothing is read from them.
    one = np.argmax(kept, axis=1)[:, None]
    rates, scores = (np.where(kept, values, np.take_along_axis(values, one, 1)) for values in (rates, scores))
    return Measured([point for point, on in zip(points, on_front, strict=True) if on], rates, scores, resampled)


def span(curve: Measured) -> tuple[float, float]:
    """The logs of the least and the largest rate that a curve has a score at; NaN where it has none."""
    points = [point for point in curve.points if math.isfinite(point.score) and 0 < point.bpp < math.inf]
    log_rates = np.log([point.bpp for point in points])
    return (float(log_rates.min()), float(log_rates.max())) if points else (math.nan, math.nan)


def reading(curve: Measured, log_rate: float, bounds: tuple[float, float]) -> Reading | None:
    """A curve's score at a log rate between its points; None where no two of its points have that rate between them.

    A curve that PCHIP or a cubic stands for is read there; any other, as far as it has points, between the two
    neighbours of the rate. There a dip elsewhere does no harm, and neither do too few points for a Bjontegaard number.
    """
    whole = Curves.of(curve.points, bounds)
    at_rates = np.full(len(curve.rates), log_rate)
    if not (whole.trouble[0] or whole.levelled[0]):
        value = float(whole.at(np.array([log_rate]))[0])
        method: Method = "fit" if whole.fitted[0] else "pchip"
        return None if math.isnan(value) else Reading(value, curve.curves.at(at_rates), method)
    rates, scores = np.array(curve.points).T
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rates = np.log(rates)
    if not np.nanmin(log_rates, initial=np.inf) <= log_rate <= np.nanmax(log_rates, initial=-np.inf):
        return None
    value = float(local_reading.value(rates[None], scores[None], np.array([log_rate]))[0])
    if math.isnan(value):
        return Reading(math.nan, np.empty(0), reason=_why_unread(rates, scores, whole))
    return Reading(value, local_reading.value(curve.rates, curve.scores, at_rates), "local")


def _why_unread(rates: Floats, scores: Floats, curve: Curves) -> str:
    """Why a curve has no value between the two neighbours of a rate, for the end of a sentence."""
    if np.isfinite(rates).all() and np.isfinite(scores).all():
        return "has points of different scores at this very rate" if (rates > 0).all() else curve.reason(0)
    return "has a point without a value beside this rate" if np.isfinite(rates).all() else curve.reason(0)
