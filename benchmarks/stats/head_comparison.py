"""Paired score differences between adapted heads that read the same bitstreams.

    the bitstreams of a point --+--> the first adapted head on images -----> score --+
                                +--> every other adapted head, any route --> score --+--> heads_apart, paired interval

Frozen heads are left out: comparing a head that was trained on decoded images with one that was not says nothing of
either. The first adapted head on images is the one the others are compared with; where there is none, the first adapted
head of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.api import Comparison, ScoreRow
from benchmarks.stats.bd_comparison import with_interval
from benchmarks.stats.bootstrap import Bootstrap, Floats
from benchmarks.stats.design import Design
from benchmarks.stats.measured_curves import views


def heads_apart(design: Design, scores: Sequence[ScoreRow], bootstrap: Bootstrap) -> list[Comparison]:
    """The score of each adapted head but the first, less that of the first, at each point that both read."""
    adapted = [view for view in views(design, scores) if view.regime == "adapted"]
    if not adapted:
        return []
    compared: list[Comparison] = []
    for metric in dict.fromkeys(view.metric for view in adapted):
        readers = [view for view in adapted if view.metric == metric]
        first = next((view for view in readers if view.route == "image"), readers[0])
        for view in (view for view in readers if view is not first):
            compared += _apart(design, view, first, scores, bootstrap)
    return compared


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
    """The resampled scores of a point: empty where the head has none at all, NaN where this point alone lacks them."""
    reader = (view.head, view.route, view.metric)
    return bootstrap.scores.get((*reader, codec, "", point), bootstrap.missing(reader))
