"""How far heads are apart that answer from the same bytes: latents against decoded images, or one control against
another.

a point's bytes --+--> the first adapted head on images -----> score --+
                  +--> every other adapted head, any route --> score --+--> d_head(ap), with the interval of the
                  difference itself

Frozen heads are left out: a head that learnt from what a codec leaves is no measure of one that did not, nor the other
way round. Where no adapted head reads images, the first of the run is what the others are compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.api import Row
from benchmarks.stats.bd_comparison import refusals, views
from benchmarks.stats.bootstrap import Bootstrap, Floats, interval
from benchmarks.stats.design import Design
from benchmarks.stats.metric_facts import HEADS_APART, LESS_ROUTE, scale_of


def same_bytes(design: Design, rows: Sequence[Row], bootstrap: Bootstrap) -> list[Row]:
    """A row for each adapted head but the first, and each point that both answered: its score less that of the first."""
    adapted = [base for base in views(design, rows) if base.regime == "adapted"]
    if not adapted:
        return []
    first = next((base for base in adapted if base.route == "image"), adapted[0])
    return [
        row
        for base in adapted
        if base is not first and base.metric == first.metric
        for row in _apart(base, first, rows, bootstrap)
    ]


def _apart(base: Row, first: Row, rows: Sequence[Row], bootstrap: Bootstrap) -> Iterator[Row]:
    own, other = _scores(base, rows), _scores(first, rows)
    part = f"{LESS_ROUTE}{first.route} route"
    like = replace(
        base, metric=f"{HEADS_APART}{base.metric})", unit=scale_of(base.metric).unit, anchor=first.head, part=part
    )
    for codec, point in (at for at in own if at in other):
        both = [_samples(one, codec, point, bootstrap) for one in (base, first)]
        samples = both[0] - both[1] if all(len(one) for one in both) else np.empty(0)
        low, high, refused = interval(samples)
        reason = refusals(samples) if refused and len(samples) else ""
        yield replace(
            like,
            codec=codec,
            point=point,
            value=own[codec, point] - other[codec, point],
            low=low,
            high=high,
            reason=reason,
        )


def _scores(base: Row, rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Codec and point -> score."""
    mine = (
        r
        for r in rows
        if (r.head, r.route, r.metric, r.part, r.anchor, r.status) == (base.head, base.route, base.metric, "", "", "ok")
    )
    return {(r.codec, r.point): r.value for r in mine}


def _samples(base: Row, codec: str, point: str, bootstrap: Bootstrap) -> Floats:
    """Of a point, or none where the head's scores have no interval; NaN where those of this point alone are not known."""
    known = any(key[:2] == (base.head, base.route) for key in bootstrap.scores)
    return bootstrap.scores.get(
        (base.head, base.route, codec, point), np.full(bootstrap.resamples if known else 0, np.nan)
    )
