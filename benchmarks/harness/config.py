"""Everything that decides a run's numbers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.api import METRICS, Dataset, Metric, Task
from benchmarks.harness.operating_points import Curve
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.metric_facts import facts_of_metrics, main_score
from downstream.api import Route

Overwrite = Literal["missing", "always", "never"]


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's numbers, and how it is done. Head n reads by ``routes[n]``.

    limit: 0 means all images. resamples: 0 means no intervals. match_bpp: bits per pixel at which curves are to have
    their points; none:
    their ladders. metrics: those added to the task's own.
    """

    task: Task
    dataset: Dataset
    curves: tuple[Curve, ...]
    heads: tuple[tuple[str, Any], ...]
    routes: tuple[Route, ...]
    anchors: tuple[str, ...] = ()
    limit: int = 0
    seed: int = 0
    repeats: int = 1
    overwrite: Overwrite = "missing"
    resamples: int = 0
    match_bpp: tuple[float, ...] = ()
    metrics: tuple[Metric, ...] = ()

    @functools.cached_property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The task's metrics, then those that were added."""
        return (*(METRICS.build(name) for name in self.task.metrics), *self.metrics)

    @functools.cached_property
    def design(self) -> Design:
        """What comparisons ask of the run."""
        ladders = tuple(
            Ladder(curve.null_of or curve.label, tuple(point for point, _ in curve.points), bool(curve.null_of))
            for curve in self.curves
        )
        added = tuple(main_score(metric) for metric in self.metrics)
        columns, facts = (*self.task.columns, *added), facts_of_metrics(self.all_metrics)
        return Design(ladders, self.anchors, self.match_bpp, columns, self.task.main_metric, facts, added)
