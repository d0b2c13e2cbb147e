"""The floor under every Bjontegaard number: one codec against itself, on a second ladder halfway between the points of the first.

By rights the difference is 0. What comes out instead is what the method makes of points that lie elsewhere on one and the same curve,
and of a curve that dips; a difference between two codecs that is no larger says nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from benchmarks.api import Row
from benchmarks.curves import LEAST_POINTS
from benchmarks.points import Curve, point_label

PART = "null ladder"


def ladder(curve: Curve) -> Curve | None:
    """The second ladder, interleaved with the first; None where there are no four points between those of the first.

    >>> from benchmarks.points import curves
    >>> [point for point, _ in ladder(curves(["jpeg"])[0]).points]
    ['quality=7', 'quality=15', 'quality=27', 'quality=42', 'quality=62']
    """
    codecs: list[Any] = [codec for _, codec in curve.points]
    field = codecs[0].rate_field
    values = sorted({getattr(codec, field) for codec in codecs}) if field else []
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        return None
    whole = all(isinstance(v, int) for v in values)
    middles = [(low + high) // 2 if whole else (low + high) / 2 for low, high in itertools.pairwise(values)]
    between = [dataclasses.replace(codecs[0], **{field: middle}) for middle in middles if middle not in values]
    if len(between) < LEAST_POINTS:
        return None
    return Curve(f"{curve.label}, {PART}", tuple((point_label(codec), codec) for codec in between), null_of=curve.label)


def marked(rows: Sequence[Row], curves: Sequence[Curve]) -> list[Row]:
    """The rows of a run with those of second ladders as parts of their codec, so that no table takes them for a codec of its own."""
    codec = {curve.label: curve.null_of for curve in curves if curve.null_of}
    kept = [r for r in rows if r.codec not in codec or not (r.part or r.status == "skipped")]
    return [dataclasses.replace(r, codec=codec[r.codec], part=PART) if r.codec in codec else r for r in kept]
