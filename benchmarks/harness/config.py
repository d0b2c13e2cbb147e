"""Everything that decides a run's numbers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.api import METRICS, Dataset, Task
from benchmarks.harness.operating_points import Curve
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.metric_facts import facts_of_metrics
from downstream.api import Route

Overwrite = Literal["missing", "always", "never"]


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's numbers, and how it is done. Head n reads by ``routes[n]``.

    limit: 0 means all images. resamples: 0 means no intervals. match_bpp: bits per pixel at which curves are to have
    their points; none:
    their ladders.
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

    @functools.cached_property
    def design(self) -> Design:
        """What comparisons ask of the run."""
        ladders = tuple(
            Ladder(curve.null_of or curve.label, tuple(point for point, _ in curve.points), bool(curve.null_of))
            for curve in self.curves
        )
        facts = facts_of_metrics(METRICS.build(name) for name in self.task.metrics)
        columns, main_metric = tuple(self.task.columns), self.task.main_metric
        return Design(ladders, self.anchors, self.match_bpp, columns, main_metric, facts)
