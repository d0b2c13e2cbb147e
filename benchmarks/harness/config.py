"""Everything that decides a run's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.api import Dataset, Task
from benchmarks.harness.operating_points import Curve
from benchmarks.stats.design import Design, Ladder
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

    @property
    def design(self) -> Design:
        """What comparisons ask of the run."""
        ladders = tuple(
            Ladder(curve.label, tuple(point for point, _ in curve.points), curve.null_of) for curve in self.curves
        )
        return Design(ladders, self.anchors, self.match_bpp, tuple(self.task.columns), self.task.main_metric)
