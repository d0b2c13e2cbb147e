"""Scores of a run: the rows of every cell, and the counts behind its metrics."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.api import Counted, Counts, Metric, Resampled, Score, ScoreRow
from benchmarks.harness.cache import Store
from benchmarks.harness.cell_rows import ladder_of, rate_rows, row_of, time_rows
from benchmarks.harness.guard import guarded
from benchmarks.harness.keys import metric_identity, samples_key, score_key
from benchmarks.harness.plan import Cell, Plan, cell_id, prediction_records
from benchmarks.harness.progress import Progress
from benchmarks.harness.reader_truth import ReaderTruth
from benchmarks.harness.readers import Reader
from benchmarks.stats.bootstrap import Bootstrap, Floats, interval, why_no_interval
from downstream.api import Detections, Prediction, measure_of
from hsc.errors import PluginError


class Scored(NamedTuple):
    """Every row of a run's cells, in the plan's order, and their metrics' counts, second ladders left out."""

    rows: list[ScoreRow]
    counts: list[Counts]


def score(plan: Plan, store: Store, bootstrap: Bootstrap, progress: Progress) -> Scored:
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
            scorer = guarded(Scorer, plan, store, reader, bootstrap)
        except PluginError as error:
            rows += [_failed_row(plan, cell, reader, str(error)) for cell in cells]
            continue
        for cell in cells:
            try:
                rows += guarded(scorer.rows, cell)
                counts += [] if cell.curve in second else guarded(scorer.counts, cell)
            except PluginError as error:  # metrics and data sets may be plug-ins
                rows.append(_failed_row(plan, cell, reader, str(error)))
            progress.advance(f"{cell.curve} {cell.point}", len(plan.images))
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
    """Scores one reader's predictions at every operating point against one truth."""

    def __init__(self, plan: Plan, store: Store, reader: Reader, bootstrap: Bootstrap) -> None:
        self.plan, self.store, self.reader, self.bootstrap = plan, store, reader, bootstrap
        self.metrics = [metric for metric in plan.config.all_metrics if metric.output is reader.head.output]
        self._truth = ReaderTruth(plan, store, reader)
        self.classes = self._truth.classes
        self._read: tuple[Sequence[str], list[Prediction]] = ([], [])

    def rows(self, cell: Cell) -> list[ScoreRow]:
        """The reader's rows at one operating point: its times and scores, or one that says why there are none."""
        reader, keys = self.reader, cell.predictions[self.reader.name]
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
        if self.bootstrap.resamples and self.reader.head.output is Detections:
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
        scores: list[Score] = []
        for metric in self.metrics:
            key = self._key(metric, keys)
            cached = self.store.scores(key)
            if cached is None:
                computed = metric.compute(self._truth.truth(), self._predictions(keys))
                cached = [[score.metric, score.value, score.part] for score in computed]
                self.store.add_scores(key, cached)
            scores += [Score(*score) for score in cached]
        return scores

    def _samples(self, keys: Sequence[str]) -> dict[str, Floats]:
        """The scores of each resample by metric, of metrics that can resample; none where a run has no resamples."""
        samples: dict[str, Floats] = {}
        for metric in self.metrics if self.bootstrap.resamples and not self.no_interval else ():
            if isinstance(metric, Resampled):
                key = samples_key(self._key(metric, keys), self.bootstrap.identity)
                cached = self.store.samples(key)
                if cached is None:
                    resampled = metric.resample(self._truth.truth(), self._predictions(keys), self.bootstrap.draws)
                    cached = self._supported(resampled)
                    self.store.add_samples(key, cached)
                samples |= cached
        return samples

    def counts(self, cell: Cell) -> list[Counts]:
        """The counts of the reader's metrics at one operating point; none where predictions are missing."""
        reader, keys = self.reader, cell.predictions[self.reader.name]
        if self.store.known("predictions", keys) < set(keys):
            return []
        counts: list[Counts] = []
        for metric in self.metrics:
            if isinstance(metric, Counted):
                key = self._key(metric, keys)
                counted = self.store.counts(key)
                if counted is None:
                    counted = metric.counts(self._truth.truth(), self._predictions(keys))
                    self.store.add_counts(key, counted)
                original = cell.curve == self.plan.config.curves[0].label
                names = self.classes.space.classes
                counts.append(Counts(reader.label, reader.route, cell.curve, cell.point, names, counted, original))
        return counts

    def _key(self, metric: Metric, keys: Sequence[str]) -> str:
        return score_key(keys, metric_identity(metric), self._truth.identity)

    def _predictions(self, keys: Sequence[str]) -> list[Prediction]:
        """Predictions in the scored classes; the last cell's are kept, since scores and samples ask for the same."""
        if self._read[0] != keys:
            records = prediction_records(self.plan.images, keys, self.store)
            relabel = self.classes.relabel
            self._read = keys, [relabel(r.prediction) for r in records if r.prediction is not None]
        return self._read[1]
