"""What comparisons ask of a run, and no more: its curves, what they are compared with, and how a head is scored."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from benchmarks.api import MetricFacts
from benchmarks.stats.metric_facts import Facts, facts_of


@dataclass(frozen=True)
class Ladder:
    """One codec configuration over its rate axis, by names alone.

    label: how tables name it. points: names of its operating points in ladder order, ``("",)`` for a codec of one
    point.
    second: whether this is the codec's second ladder, which measures the noise floor.
    """

    label: str
    points: tuple[str, ...]
    second: bool = False


@dataclass(frozen=True)
class Design:
    """The curves of a run in its order, and what its comparisons rest on.

    anchors: what Bjontegaard differences are taken against, as ``benchmarks.stats.anchors`` writes them. match_bpp:
    bits per pixel at which codecs were matched, empty where they ran their ladders. columns: the scores of the run's
    tables, the main one first. main_metric: the task's own. facts: of each score.
    """

    curves: tuple[Ladder, ...]
    anchors: tuple[str, ...]
    match_bpp: tuple[float, ...]
    columns: tuple[str, ...]
    main_metric: str
    facts: Facts = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """The labels of all curves but second ladders."""
        return [curve.label for curve in self.curves if not curve.second]

    @property
    def swept(self) -> list[str]:
        """The labels of curves of more than one point, second ladders left out."""
        return [curve.label for curve in self.curves if curve.points[0] and not curve.second]

    def main_metric_of(self, metrics: Container[str]) -> str:
        """A head's main score: the first of the columns among ``metrics``, which for most tasks is the task's own."""
        return next((name for name in self.columns if name in metrics), self.main_metric)

    def facts_of(self, score: str) -> MetricFacts:
        """The facts of one score."""
        return facts_of(self.facts, score)
