"""The design of a run, as its comparisons need it: its curves, the anchors of these, and the scores compared."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from benchmarks.api import MetricFacts
from benchmarks.stats.metric_facts import Facts, facts_of


@dataclass(frozen=True)
class Ladder:
    """The operating points of one codec configuration, by name.

    label: its name in tables. points: in ladder order, ``("",)`` for a codec of one point. second: whether this is the
    codec's second ladder, which measures the noise floor.
    """

    label: str
    points: tuple[str, ...]
    second: bool = False


@dataclass(frozen=True)
class Design:
    """The curves of a run in its order, and the settings of its comparisons.

    anchors: of Bjontegaard differences, as ``benchmarks.stats.anchors`` writes them. match_bpp: bits per pixel at which
    codecs were matched, empty where they ran their ladders. columns: the scores shown in tables, the main one first.
    main_metric: the task's main score. facts: of each score. added: the main scores of metrics that the user added to
    the task's own; they are among the columns, and codecs are compared by them as by the main score.
    """

    curves: tuple[Ladder, ...]
    anchors: tuple[str, ...]
    match_bpp: tuple[float, ...]
    columns: tuple[str, ...]
    main_metric: str
    facts: Facts = field(default_factory=dict)
    added: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The labels of all curves but second ladders."""
        return [curve.label for curve in self.curves if not curve.second]

    @property
    def swept(self) -> list[str]:
        """The labels of curves of more than one point, second ladders left out."""
        return [curve.label for curve in self.curves if curve.points[0] and not curve.second]

    def main_metric_of(self, metrics: Container[str]) -> str:
        """A head's main score: the first of the columns among ``metrics``; for most tasks this is the task's own."""
        return main_metric_of(self.columns, self.main_metric, metrics)

    def compared_metrics(self, metrics: Container[str]) -> tuple[str, ...]:
        """The scores among ``metrics`` by which codecs are compared: a head's main score and those that were added."""
        return compared_metrics(self.columns, self.main_metric, self.added, metrics)

    def facts_of(self, score: str) -> MetricFacts:
        """The facts of one score."""
        return facts_of(self.facts, score)


def main_metric_of(columns: Iterable[str], main_metric: str, metrics: Container[str]) -> str:
    """The first of the columns among a head's ``metrics``, or the task's own main score where none is."""
    return next((name for name in columns if name in metrics), main_metric)


def compared_metrics(
    columns: Iterable[str], main_metric: str, added: Iterable[str], metrics: Container[str]
) -> tuple[str, ...]:
    """The scores among a head's ``metrics`` by which codecs are compared: its main score and those that were added."""
    main = main_metric_of(columns, main_metric, metrics)
    return tuple(dict.fromkeys(name for name in (main, *added) if name in metrics))
