"""The floor under every Bjontegaard number: one codec against itself, on a second ladder halfway between the points of
the first.

By rights the difference is 0. What comes out instead is what the method makes of points that lie elsewhere on one and
the same curve, and of a curve that dips; a difference between two codecs that is no larger says nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from benchmarks.api import Row
from benchmarks.stats.design import Ladder

PART = "null ladder"


def marked(rows: Sequence[Row], curves: Sequence[Ladder]) -> list[Row]:
    """The rows of a run with those of second ladders as parts of their codec, so that no table takes them for a codec
    of its own.
    """
    codec = {curve.label: curve.second_of for curve in curves if curve.second_of}
    kept = [r for r in rows if r.codec not in codec or not (r.part or r.status == "skipped")]
    return [dataclasses.replace(r, codec=codec[r.codec], part=PART) if r.codec in codec else r for r in kept]
