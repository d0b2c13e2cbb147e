"""Scores of a run: the rows of every cell, and the counts behind its metrics."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from benchmarks.api import Counted, Counts, Metric, Resampled, Score, ScoreRow, Truth
from benchmarks.harness.cache import Store
from benchmarks.harness.cell_rows import ladder_of, rate_rows, row_of, time_rows
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded
from benchmarks.harness.keys import metric_identity, samples_key, score_key
from benchmarks.harness.plan import Cell, Plan, cell_id, packed_predictions
from benchmarks.harness.progress import Progress
from benchmarks.harness.reader_truth import ReaderTruth
from benchmarks.harness.readers import Reader
from benchmarks.harness.scoring_job import MetricNumbers, ScoringJob, Wanted, work_out
from benchmarks.harness.shared_values import Shared
from benchmarks.stats.bootstrap import Bootstrap, Floats, interval, why_no_interval
from downstream.api import Classification, Detections, measure_of
from hsc.errors import HscError, PluginError, ResultsError

T = TypeVar("T")


class Scored(NamedTuple):
    """Every row of a run's cells, in the plan's order, and their metrics' counts, second ladders left out."""

    rows: list[ScoreRow]
    counts: list[Counts]


def score(plan: Plan, store: Store, bootstrap: Bootstrap, executor: Executor, progress: Progress) -> Scored:
    """Score every cell; ``bootstrap`` takes in the rates and scores of its resamples.

    A cell that is not whole gets its reason in place of a number.
    """
    second = {curve.label for curve in plan.config.curves if curve.second_of}
    counts: list[Counts] = []
    rows = [row_of(plan, label, "", status="skipped", reason=reason) for label, reason in plan.skipped.items()]
    for cell in plan.cells:
        rows += rate_rows(plan, cell, store, bootstrap)
    progress.begin("scoring", len(plan.images) * sum(len(cell.predictions) for cell in plan.cells))
    for reader in plan.config.readers:
        cells = plan.cells_of(reader)
        if not cells:
            rows += _unread_rows(plan, reader)
            continue
        try:
            scorer = guarded(Scorer, plan, store, reader, bootstrap, executor)
            reasons = scorer.work(cells, progress)
        except PluginError as error:
            rows += [_failed_row(plan, cell, reader, str(error)) for cell in cells]
            continue
        for number, cell in enumerate(cells):
            if number in reasons:
                rows.append(_failed_row(plan, cell, reader, reasons[number]))
                continue
            try:
                rows += guarded(scorer.rows, cell)
                counts += [] if cell.curve in second else guarded(scorer.counts, cell)
            except PluginError as error:  # metrics and data sets may be plug-ins
                rows.append(_failed_row(plan, cell, reader, str(error)))
    # Of a second ladder only what the noise floor needs is kept: no scores by class, and no row where it was skipped.
    rows = [row for row in rows if not (row.ladder and (row.part or row.status == "skipped"))]
    return Scored(rows, counts)


def _unread_rows(plan: Plan, reader: Reader) -> list[ScoreRow]:
    """A row for each reason that a reader reads no operating point for; one where its head cannot run here at all."""
    name = reader.name
    named = {"head": reader.label, "regime": reader.head.regime, "route": reader.route}
    status = plan.unfit[name].status if name in plan.unfit else "skipped"
    reasons = {cell.why_not[name] for cell in plan.cells if name in cell.why_not}
    if reader.label in plan.skipped_heads:
        reasons = {plan.skipped_heads[reader.label]}
    return [row_of(plan, "", "", status=status, reason=reason, **named) for reason in sorted(reasons)]


def _failed_row(plan: Plan, cell: Cell, reader: Reader, reason: str) -> ScoreRow:
    """The row of an operating point that could not be scored."""
    named = {"head": reader.label, "regime": reader.head.regime, "route": reader.route}
    reason = f"it cannot be scored: {reason}"
    return row_of(plan, cell.curve, cell.point, cell_id(cell, reader.name), status="failed", reason=reason, **named)


class Scorer:
    """Scores one reader's predictions at every operating point against one truth.

    What the store does not know yet is worked out by the executor; rows are then made of what the store knows.
    """

    def __init__(self, plan: Plan, store: Store, reader: Reader, bootstrap: Bootstrap, executor: Executor) -> None:
        self.plan, self.store, self.reader = plan, store, reader
        self.bootstrap, self.executor = bootstrap, executor
        self.metrics = [metric for metric in plan.config.all_metrics if metric.output is reader.head.output]
        self._truth = ReaderTruth(plan, store, reader, executor)
        self.classes = self._truth.classes

    def work(self, cells: Sequence[Cell], progress: Progress) -> dict[int, str]:
        """Work out and keep the numbers of these cells that the store does not know.

        Returns why cells could not be scored, by their place among these.

        Raises:
            HscError: labels cannot be read, or a metric refuses what it was given.
        """
        todo: dict[int, tuple[Wanted, ...]] = {}
        reasons: dict[int, str] = {}
        for number, cell in enumerate(cells):
            try:
                todo[number] = guarded(self._wanted, cell)
            except PluginError as error:  # metrics and data sets may be plug-ins
                reasons[number] = str(error)
            if not todo.get(number):
                todo.pop(number, None)
                progress.advance(f"{cell.curve} {cell.point}", len(self.plan.images))
        try:
            truth = guarded(self._truth.truth) if todo else None
        except PluginError as error:
            return reasons | dict.fromkeys(todo, str(error))
        if truth is not None:
            with self.executor.share(truth) as shared:
                for job, numbers, died in self.executor.run(work_out, self._jobs(cells, todo, shared)):
                    if reason := f"{died}" if numbers is None else self._kept(cells[job.cell], job.wanted, numbers):
                        reasons[job.cell] = reason
                    progress.advance(f"{cells[job.cell].curve} {cells[job.cell].point}", len(self.plan.images))
        return reasons

    def _jobs(
        self, cells: Sequence[Cell], todo: Mapping[int, tuple[Wanted, ...]], truth: Shared[Truth]
    ) -> Iterator[ScoringJob]:
        for number, wanted in todo.items():
            predictions = packed_predictions(self._keys(cells[number]), self.store, self.classes.relabel)
            yield ScoringJob(number, truth, predictions, wanted, self.bootstrap.resampling)

    def _wanted(self, cell: Cell) -> tuple[Wanted, ...]:
        """The numbers of one cell that are not known; none where predictions are missing."""
        keys = self._keys(cell)
        if not self.store.known("predictions", keys) >= set(keys):
            return ()
        second = any(curve.second_of and curve.label == cell.curve for curve in self.plan.config.curves)
        wanted = []
        for metric in self.metrics:
            key = self._key(metric, keys)
            scores = self.store.scores(key) is None
            samples = self._resampled(metric) and self.store.samples(self._samples_key(key)) is None
            counts = isinstance(metric, Counted) and not second and self.store.counts(key) is None
            wanted.append(Wanted(metric, scores, samples, counts))
        return tuple(one for one in wanted if one)

    def _kept(self, cell: Cell, wanted: Sequence[Wanted], numbers: list[MetricNumbers] | HscError) -> str:
        """Keep a job's numbers; returns why there are none, empty where there are. Raises as ``work``."""
        try:
            if isinstance(numbers, HscError):
                raise numbers
            guarded(self._keep, cell, wanted, numbers)
        except PluginError as error:
            return str(error)
        return ""

    def _keep(self, cell: Cell, wanted: Sequence[Wanted], numbers: Sequence[MetricNumbers]) -> None:
        for one, (scores, samples, counts) in zip(wanted, numbers, strict=True):
            key = self._key(one.metric, self._keys(cell))
            if scores is not None:
                self.store.add_scores(key, [[score.metric, score.value, score.part] for score in scores])
            if samples is not None:
                self.store.add_samples(self._samples_key(key), self._supported(samples))
            if counts is not None:
                self.store.add_counts(key, counts)

    def rows(self, cell: Cell) -> list[ScoreRow]:
        """The reader's rows at one operating point: its times and scores, or one that says why there are none."""
        reader, keys = self.reader, self._keys(cell)
        base = {
            "cell": cell_id(cell, reader.name),
            "head": reader.label,
            "regime": reader.head.regime,
            "route": reader.route,
        }
        known = self.store.known("predictions", keys)
        if missing := [key for key in keys if key not in known]:
            return [self._unscored(cell, missing, base)]
        rows = time_rows(self.plan, cell, self.store, "head_s", keys, **base)
        samples = self._samples(keys)
        ladder = ladder_of(self.plan, cell.curve)
        for name in self.plan.config.design.compared_metrics(samples):
            self.bootstrap.scores[reader.label, reader.route, name, *ladder, cell.point] = samples[name]
        for score in self._scores(keys):
            row = row_of(
                self.plan,
                cell.curve,
                cell.point,
                metric=score.metric,
                part=score.part,
                value=score.value,
                unit=self.plan.config.design.facts_of(score.metric).unit,
                **base,
            )
            name = f"{score.metric}/{score.part}" if score.part else score.metric
            low, high, _ = interval(samples[name]) if name in samples else (math.nan, math.nan, 0)
            rows.append(replace(row, low=low, high=high, reason="" if row.part else self.no_interval))
        return rows

    def _unscored(self, cell: Cell, missing: Sequence[str], base: Mapping[str, Any]) -> ScoreRow:
        """The row of an operating point of which predictions are missing. base: the columns that name it."""
        failures = [self.plan.failures[key] for key in missing if key in self.plan.failures]
        count = f"{len(missing)} of {len(cell.predictions[self.reader.name])} images"
        reason = f"{count} failed: {failures[0]}" if failures else f"{count} not read yet"
        measure = measure_of(self.reader.head)
        scores = [measure] if measure else [name for metric in self.metrics for name in metric.facts]
        main = self.plan.config.design.main_metric_of(scores)
        status = "failed" if failures else "missing"
        return row_of(self.plan, cell.curve, cell.point, metric=main, status=status, reason=reason, **base)

    @functools.cached_property
    def no_interval(self) -> str:
        """The reason that no score of the reader has an interval where resamples were asked for; else empty."""
        if self.bootstrap.resamples and self.reader.head.output in (Detections, Classification):
            return why_no_interval(*self._truth.objects())
        return self.bootstrap.reason

    def _supported(self, samples: Mapping[str, Floats]) -> dict[str, Floats]:
        """The samples of scores over all classes, and of each class with enough images and objects for an interval."""
        return {
            name: values
            for name, values in samples.items()
            if "/" not in name or not why_no_interval(*self._truth.objects(name.split("/", 1)[1]))
        }

    def _scores(self, keys: Sequence[str]) -> list[Score]:
        known = [self._known(self.store.scores(self._key(metric, keys))) for metric in self.metrics]
        return [Score(*score) for scores in known for score in scores]

    def _samples(self, keys: Sequence[str]) -> dict[str, Floats]:
        """The scores of each resample by metric, of metrics that can resample; none where a run has no resamples."""
        samples: dict[str, Floats] = {}
        for metric in self.metrics:
            if self._resampled(metric):
                samples |= self._known(self.store.samples(self._samples_key(self._key(metric, keys))))
        return samples

    def _resampled(self, metric: Metric) -> bool:
        return isinstance(metric, Resampled) and bool(self.bootstrap.resamples) and not self.no_interval

    def counts(self, cell: Cell) -> list[Counts]:
        """The counts of the reader's metrics at one operating point; none where predictions are missing."""
        reader, keys = self.reader, self._keys(cell)
        if self.store.known("predictions", keys) < set(keys):
            return []
        original = cell.curve == self.plan.config.curves[0].label
        names = self.classes.space.classes
        return [
            Counts(reader.label, reader.route, cell.curve, cell.point, names, self._known(counted), original)
            for counted in (self.store.counts(self._key(m, keys)) for m in self.metrics if isinstance(m, Counted))
        ]

    def _keys(self, cell: Cell) -> Sequence[str]:
        return cell.predictions[self.reader.name]

    def _key(self, metric: Metric, keys: Sequence[str]) -> str:
        return score_key(keys, metric_identity(metric), self._truth.identity)

    def _samples_key(self, score: str) -> str:
        return samples_key(score, self.bootstrap.identity)

    def _known(self, numbers: T | None) -> T:
        """Numbers that the store had a moment ago. Raises ResultsError where they have been damaged since."""
        if numbers is None:
            raise ResultsError("scores in the cache were damaged while the run went on; run the same line again")
        return numbers
