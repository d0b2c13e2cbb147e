"""The scoring of one head at one operating point, as a job: everything it needs travels with it or is shared.

truth (shared), packed predictions, metrics --work_out--> MetricNumbers, one a metric; the driver keeps them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Counted, CountsTally, Metric, Resampled, Score, Tallied, Tally, Truth
from benchmarks.harness.guard import guarded
from benchmarks.harness.packed_predictions import PackedPredictions
from benchmarks.harness.shared_values import Shared
from benchmarks.harness.worker import step
from benchmarks.stats.bootstrap import Draws, Floats
from downstream.api import Prediction
from hsc.errors import HscError

IMAGES_A_LIMIT = 100
"""Predictions that may be scored in the time that one image has to be coded or read."""


@dataclass(frozen=True)
class Wanted:
    """A metric, and the parts of its numbers that are not known yet."""

    metric: Metric
    scores: bool
    samples: bool
    counts: bool

    def __bool__(self) -> bool:
        return self.scores or self.samples or self.counts


@dataclass(frozen=True)
class ScoringJob:
    """The work of one head at one operating point. cell: its number in the plan."""

    on_device: ClassVar[bool] = False
    cell: int
    truth: Shared[Truth]
    predictions: PackedPredictions
    wanted: tuple[Wanted, ...]
    draws: Draws


class MetricNumbers(NamedTuple):
    """The numbers of one metric, each None where it was not wanted. samples: float64 (R,) by name."""

    scores: list[Score] | None = None
    samples: Mapping[str, Floats] | None = None
    counts: npt.NDArray[np.int64] | None = None


def work_out(job: ScoringJob) -> list[MetricNumbers] | HscError:
    """The numbers of each metric of a job, or the error that a metric, which may be a plug-in, has raised."""
    try:
        step(1 + len(job.predictions) // IMAGES_A_LIMIT)
        return guarded(_worked_out, job)
    except HscError as error:
        return error


def _worked_out(job: ScoringJob) -> list[MetricNumbers]:
    return [_numbers(wanted, job.truth.get(), job.predictions, job.draws) for wanted in job.wanted]


def _numbers(wanted: Wanted, truth: Truth, predictions: Sequence[Prediction], draws: Draws) -> MetricNumbers:
    metric = wanted.metric
    if isinstance(metric, Tallied) and _tally_is_its_own(type(metric)):
        tally: Tally = metric.tally(truth, predictions)
        parts: Iterable[npt.NDArray[np.integer[Any]]] = draws.blocks()
    else:
        tally = _Plain(metric, truth, predictions)
        parts = (draws.whole() for _ in range(1))
    samples: dict[str, list[Floats]] = {}
    for part in parts if wanted.samples else ():
        for name, values in tally.resample(part).items():
            samples.setdefault(name, []).append(values)
    return MetricNumbers(
        tally.scores() if wanted.scores else None,
        {name: np.concatenate(values) for name, values in samples.items()} if wanted.samples else None,
        tally.counts() if wanted.counts and isinstance(tally, CountsTally) else None,
    )


def _tally_is_its_own(kind: type) -> bool:
    """Whether a metric's tally stands for its other methods: not where a subclass has changed one of those alone."""
    depth = {name: depth for depth, one in reversed([*enumerate(kind.__mro__)]) for name in vars(one)}
    return all(depth["tally"] <= depth.get(name, depth["tally"]) for name in ("compute", "resample", "counts"))


class _Plain(NamedTuple):
    """The tally of a metric that makes none itself."""

    metric: Any
    truth: Truth
    predictions: Sequence[Prediction]

    def scores(self) -> list[Score]:
        scores: list[Score] = self.metric.compute(self.truth, self.predictions)
        return scores

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> Mapping[str, Floats]:
        assert isinstance(self.metric, Resampled)
        return self.metric.resample(self.truth, self.predictions, draws.astype(np.int64, copy=False))

    def counts(self) -> npt.NDArray[np.int64]:
        assert isinstance(self.metric, Counted)
        return self.metric.counts(self.truth, self.predictions)
