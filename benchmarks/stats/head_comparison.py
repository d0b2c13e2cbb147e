"""Paired score differences between adapted heads that read the same bitstreams.

the bitstreams of a point --+--> the first adapted head on images -----> score --+
                            +--> every other adapted head, any route --> score --+--> heads_apart, with a paired
                            interval

Frozen heads are left out: a head that was trained on decoded images is no measure of one that was not, nor the other
way round. Where no adapted head reads images, the first of the run is what the others are compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.api import Comparison, ScoreRow
from benchmarks.stats.bd_comparison import views, with_interval
from benchmarks.stats.bootstrap import Bootstrap, Floats
from benchmarks.stats.design import Design


def heads_apart(design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap) -> list[Comparison]:
    """For each adapted head but the first, and each point that both read: its score less that of the first."""
    adapted = [view for view in views(design, scores) if view.regime == "adapted"]
    if not adapted:
        return []
    first = next((view for view in adapted if view.route == "image"), adapted[0])
    others = [view for view in adapted if view is not first and view.metric == first.metric]
    return [comparison for view in others for comparison in _apart(design, view, first, scores, bootstrap)]


def _apart(
    design: Design, view: Comparison, first: Comparison, scores: Sequence[ScoreRow], bootstrap: Bootstrap
) -> Iterator[Comparison]:
    blank = replace(view, kind="heads_apart", unit=design.facts_of(view.metric).unit)
    blank = replace(blank, other=first.head, other_route=first.route)
    own, others = _scores(view, scores), _scores(first, scores)
    for codec, point in (key for key in own if key in others):
        samples = _samples(view, codec, point, bootstrap), _samples(first, codec, point, bootstrap)
        paired = samples[0] - samples[1] if all(len(values) for values in samples) else np.empty(0)
        value = own[codec, point] - others[codec, point]
        yield with_interval(replace(blank, codec=codec, point=point, value=value), paired)


def _scores(view: Comparison, scores: Sequence[ScoreRow]) -> dict[tuple[str, str], float]:
    """The head's scores by codec and point, second ladders left out."""
    wanted = (view.head, view.route, view.metric, "", "", "ok")
    return {
        (row.codec, row.point): row.value
        for row in scores
        if (row.head, row.route, row.metric, row.part, row.ladder, row.status) == wanted
    }


def _samples(view: Comparison, codec: str, point: str, bootstrap: Bootstrap) -> Floats:
    """The resampled scores of a point: none where the head's scores have no interval, NaN where only this point lacks
    them.
    """
    known = any(key[:2] == (view.head, view.route) for key in bootstrap.scores)
    missing = np.full(bootstrap.resamples if known else 0, np.nan)
    return bootstrap.scores.get((view.head, view.route, codec, "", point), missing)
