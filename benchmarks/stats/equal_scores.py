"""Bits at equal scores: each operating point of a codec against the rate that an anchor needs for the same score.

    point of the codec (rate, score) ---------------------> rate
    curve of the anchor ------------read at that score----> rate of the anchor      value: rate / anchor's rate - 1

A BD-rate is a mean of such numbers over the scores that both curves reach; here each stands alone, so that one sees
at which qualities a codec saves bits. The anchor's curve is the one that figures draw (``bjontegaard.Curves``), solved
for the rate. On each resample of the images the point and the curve are those of that resample, so an image that is
hard for both codecs drops out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.api import Comparison, ScoreRow
from benchmarks.stats.bjontegaard import Curves
from benchmarks.stats.bootstrap import Bootstrap, interval
from benchmarks.stats.design import Design
from benchmarks.stats.measured_curves import CurveKey, Measured, measured, views

Floats = npt.NDArray[np.float64]

_HALVINGS = 48


@dataclass(frozen=True)
class EqualScore:
    """A codec's point against an anchor that scores the same: the columns of ``equal-scores.csv``.

    score, bpp: of the point. anchor_bpp: rate at which the anchor's curve has that score. value: bpp over anchor_bpp
    less 1, in percent; negative where the codec needs fewer bits. low, high: its 95 % interval, paired over
    ``resamples`` resamples, of which ``refused`` had no value; NaN where there is none. method: as in ``Comparison``.
    status: "ok", or "n/a" with the reason; a reason beside "ok" says why there is no interval.
    """

    task: str
    dataset: str
    split: str
    metric: str
    head: str
    route: str
    regime: str
    codec: str
    point: str
    anchor: str
    score: float
    bpp: float
    anchor_bpp: float = math.nan
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    method: str = ""
    resamples: int = 0
    refused: int = 0
    seed: int = 0
    images: int = 0
    status: str = "ok"
    reason: str = ""


def equal_scores(
    design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap, codecs: Sequence[str], anchor: str
) -> Iterator[EqualScore]:
    """Every point of every codec against the anchor, for each head, route and compared metric, in the run's order.

    codecs, anchor: labels of curves. bootstrap: without samples of a head's scores there are no intervals.
    """
    names = {ladder.label: ladder.points for ladder in design.curves if not ladder.second}
    for view in views(design, scores):
        facts = design.facts_of(view.metric)
        curves = measured(design, scores, bootstrap, view)
        against = curves.get(CurveKey(anchor))
        for codec in codecs:
            curve = curves.get(CurveKey(codec))
            if against is None or curve is None:
                continue
            scored = {row.point for row in scores if _is_of(row, view, codec) and not math.isinf(row.value)}
            points = [point for point in names[codec] if point in scored]
            for place, point in enumerate(points):
                blank = _blank(view, codec, point, anchor, curve, place, facts.sign)
                yield _filled(blank, curve, place, against, facts.bounds)


def _is_of(row: ScoreRow, view: Comparison, codec: str) -> bool:
    reader = (row.metric, row.head, row.route, row.part) == (view.metric, view.head, view.route, "")
    return reader and row.codec == codec and not row.ladder


def _blank(
    view: Comparison, codec: str, point: str, anchor: str, curve: Measured, place: int, sign: float
) -> EqualScore:
    bpp, score = curve.points[place]
    return EqualScore(
        task=view.task,
        dataset=view.dataset,
        split=view.split,
        metric=view.metric,
        head=view.head,
        route=view.route,
        regime=view.regime,
        codec=codec,
        point=point,
        anchor=anchor,
        score=sign * score,
        bpp=bpp,
        seed=view.seed,
        images=view.images,
    )


def _filled(
    blank: EqualScore, curve: Measured, place: int, against: Measured, bounds: tuple[float, float]
) -> EqualScore:
    """The comparison of one point, or the reason why there is none."""
    anchor_curve = Curves.of(against.points, bounds)
    if reason := anchor_curve.reason(0):
        return replace(blank, status="n/a", reason=f"the anchor's curve {reason}")
    score = curve.points[place].score
    log_rate = float(log_rate_at(anchor_curve, np.array([score]))[0])
    if math.isnan(log_rate):
        if not math.isfinite(score):
            return replace(blank, status="n/a", reason="the point has no score")
        side = "better" if score < float(anchor_curve.span("quality")[0][0]) else "worse"
        return replace(blank, status="n/a", reason=f"all scores of the anchor are {side}")
    method = "fit" if anchor_curve.fitted[0] else "isotonic" if anchor_curve.levelled[0] else "pchip"
    anchor_bpp = math.exp(log_rate)
    valued = replace(blank, anchor_bpp=anchor_bpp, value=100 * (blank.bpp / anchor_bpp - 1), method=method)
    if not len(curve.rates):
        return valued
    with np.errstate(divide="ignore", invalid="ignore"):
        samples = 100 * np.expm1(np.log(curve.rates[:, place]) - log_rate_at(against.curves, curve.scores[:, place]))
    low, high, refused = interval(samples)
    return replace(valued, low=low, high=high, resamples=len(samples), refused=refused)


def log_rate_at(curves: Curves, quality: Floats) -> Floats:
    """The log of the rate at which each curve has a quality: (R,) -> (R,).

    NaN where a resample has no curve, or its curve does not reach that quality.

    >>> curve = Curves.of([(1, 30.0), (2, 33.0), (4, 36.0), (8, 39.0)])
    >>> np.exp(log_rate_at(curve, np.array([34.5]))).round(6).tolist()
    [2.828427]
    """
    (first, last), (lowest, highest) = curves.span("log_rate"), curves.span("quality")
    low, high = first.copy(), last.copy()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(invalid="ignore"):
            below = curves.at(middle) < quality
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    with np.errstate(invalid="ignore"):
        reached = (lowest <= quality) & (quality <= highest)
    return np.where(reached, (low + high) / 2, np.nan)
