"""What comparisons ask of a run, and no more: which curves there are, what they are compared with, and how a head is
scored.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True)
class Ladder:
    """One codec configuration over its rate axis, by names alone.

    label: how tables name it. points: names of its operating points in ladder order, ``("",)`` for a codec of one
    point.
    second_of: the label of the curve whose second ladder it is, empty for a curve of its own.
    """

    label: str
    points: tuple[str, ...]
    second_of: str = ""


@dataclass(frozen=True)
class Design:
    """The curves of a run in its order, and what its comparisons rest on.

    anchors: what Bjontegaard differences are taken against, as ``benchmarks.stats.anchors`` writes them. match_bpp:
    bits per pixel at which codecs were matched, empty where they ran their ladders. columns: the task's scores, the
    main one first. main_metric: the task's own.
    """

    curves: tuple[Ladder, ...]
    anchors: tuple[str, ...]
    match_bpp: tuple[float, ...]
    columns: tuple[str, ...]
    main_metric: str

    @property
    def labels(self) -> list[str]:
        """The labels of all curves but second ladders."""
        return [curve.label for curve in self.curves if not curve.second_of]

    @property
    def swept(self) -> list[str]:
        """The labels of curves of more than one point, second ladders left out."""
        return [curve.label for curve in self.curves if curve.points[0] and not curve.second_of]

    def main_metric_of(self, metrics: Container[str]) -> str:
        """A head's main score: the first of the task's columns among ``metrics``, which for most tasks is the task's
        own.
        """
        return next((name for name in self.columns if name in metrics), self.main_metric)
