"""Everything that decides a run's numbers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from benchmarks.api import METRICS, Dataset, Metric, RateDefinition, Task
from benchmarks.harness.operating_points import Curve
from benchmarks.harness.readers import Reader
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.metric_facts import facts_of_metrics, main_score

Overwrite = Literal["missing", "always", "never"]
"""Which images are coded and read: those that the cache does not know, all, or none."""


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's numbers, and how it is done.

    curves: the codecs with their operating points, ``original`` first. readers: heads by their routes. anchors: what
    Bjontegaard differences are taken against. limit: how many images, 0 for all. seed: of the images drawn and of the
    bootstrap. repeats: how often a time is taken, of which the median is kept. resamples: of the bootstrap, 0 for no
    intervals. match_bpp: bits per pixel at which curves are to have their points, empty for their ladders. metrics:
    those added to the task's own. names: (label, name) of codecs and heads that were given a name for people to read,
    which decides no number. default_heads: whether the readers are the task's own, since no head was named. rates:
    definitions of the rate that stand beside ``bpp``.
    """

    task: Task
    dataset: Dataset
    curves: tuple[Curve, ...]
    readers: tuple[Reader, ...]
    anchors: tuple[str, ...] = ()
    limit: int = 0
    seed: int = 0
    repeats: int = 1
    overwrite: Overwrite = "missing"
    resamples: int = 0
    match_bpp: tuple[float, ...] = ()
    metrics: tuple[Metric, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    default_heads: bool = False
    rates: tuple[RateDefinition, ...] = ()

    @functools.cached_property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The task's metrics, then those that were added."""
        return (*(METRICS.build(name) for name in self.task.metrics), *self.metrics)

    @functools.cached_property
    def design(self) -> Design:
        """The part of the run that comparisons ask for."""
        ladders = tuple(
            Ladder(curve.second_of or curve.label, tuple(point.label for point in curve.points), bool(curve.second_of))
            for curve in self.curves
        )
        added = tuple(main_score(metric) for metric in self.metrics)
        columns, facts = (*self.task.columns, *added), facts_of_metrics(self.all_metrics)
        return Design(ladders, self.anchors, self.match_bpp, columns, self.task.main_metric, facts, added)
