"""From records to rows: rates, times and fidelity of each operating point, and each head's scores, with their
intervals.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.api import (
    METRICS,
    Counted,
    Counts,
    HasBoxes,
    HasLabelMaps,
    Metric,
    PredictionRecord,
    Resampled,
    Score,
    ScoreRow,
    Truth,
)
from benchmarks.harness.answers import guarded
from benchmarks.harness.cache import Store, latents_kind
from benchmarks.harness.keys import identity, metric_identity, samples_key, score_key
from benchmarks.harness.plan import Cell, Plan, cell_id, dataset_label, stream_records
from benchmarks.harness.progress import Progress
from benchmarks.harness.requirements import PSEUDO_SCORE, boxes_of
from benchmarks.harness.truth import covered, labels_of, limit_coco, lookup, pseudo_truth, relabelled
from benchmarks.stats.bootstrap import Bootstrap, Floats, interval, why_no_interval
from benchmarks.stats.metric_facts import STREAM_FACTS
from benchmarks.stats.noise_floor import SECOND
from downstream.api import Detections, Prediction, SegmentationMap
from downstream.class_maps import ClassMap, map_between
from hsc.errors import PluginError, ResultsError, UsageError


class Scored(NamedTuple):
    """Every row of a run's cells, in the plan's order, and what was counted, second ladders left out."""

    rows: list[ScoreRow]
    counts: list[Counts]


def score(plan: Plan, store: Store, bootstrap: Bootstrap, progress: Progress) -> Scored:
    """Score every cell; ``bootstrap`` takes in what its resamples gave. A cell that is not whole gets no number but its
    reason.
    """
    second = {curve.label for curve in plan.config.curves if curve.null_of}
    counts: list[Counts] = []
    rows = [
        _row(plan, label.removeprefix("head "), "", status="skipped", reason=reason)
        for label, reason in plan.skipped.items()
    ]
    for cell in plan.cells:
        rows += _rate_rows(plan, cell, store, bootstrap)
    progress.begin("scoring", len(plan.images) * sum(len(cell.predictions) for cell in plan.cells))
    for number, (label, head) in enumerate(plan.config.heads):
        cells = [cell for cell in plan.cells if number in cell.predictions]
        if cells:
            try:
                scorer = guarded(Scorer, plan, store, number, bootstrap)
            except PluginError as error:
                named = {
                    "head": label,
                    "route": plan.config.routes[number],
                    "status": "failed",
                    "reason": f"it cannot be scored: {error}",
                }
                rows += [_row(plan, cell.curve, cell.point, cell_id(cell, number), **named) for cell in cells]
                continue
            for cell in cells:
                try:
                    rows += guarded(scorer.rows, cell)
                    counts += [] if cell.curve in second else guarded(scorer.counts, cell)
                except PluginError as error:  # a metric, or a data set's labels, may be anybody's
                    rows.append(scorer.failed(cell, str(error)))
                progress.advance(f"{cell.curve} {cell.point}", len(plan.images))
        else:
            reasons = {cell.why_not[number] for cell in plan.cells if number in cell.why_not}
            named = {"head": label, "regime": head.regime, "route": plan.config.routes[number]}
            status = plan.unfit[number].status if number in plan.unfit else "skipped"
            rows += [_row(plan, "", "", status=status, reason=r, **named) for r in sorted(reasons)]
    # Of a second ladder only what the noise floor needs is kept: no scores by class, and no row where it was skipped.
    rows = [row for row in rows if not (row.ladder and (row.part or row.status == "skipped"))]
    return Scored(rows, counts)


def _row(plan: Plan, codec: str, point: str, cell: str = "", **columns: Any) -> ScoreRow:
    """A row with what is the same all through a run filled in."""
    config = plan.config
    codec, ladder = _ladder(plan, codec)
    base = ScoreRow(
        cell=cell,
        task=getattr(config.task, "spec_name", ""),
        dataset=dataset_label(plan),
        split=config.dataset.split,
        codec=codec,
        ladder=ladder,
        point=point,
        route="image",
        regime="",
        head="",
        part="",
        seed=config.seed,
        metric=config.task.main_metric,
        value=math.nan,
        images=len(plan.images),
    )
    return replace(base, **columns)


def _ladder(plan: Plan, label: str) -> tuple[str, str]:
    """The codec and the ladder of a curve's label, as the columns of ``ScoreRow`` name them."""
    second_of = next((curve.null_of for curve in plan.config.curves if curve.label == label), "")
    return (second_of, SECOND) if second_of else (label, "")


def _rate_rows(plan: Plan, cell: Cell, store: Store, bootstrap: Bootstrap) -> list[ScoreRow]:
    records, reason = stream_records(plan, cell, store)
    if reason:
        status = "failed" if any(k in plan.failures for k in cell.streams) else "missing"
        return [
            _row(
                plan,
                cell.curve,
                cell.point,
                cell.id,
                metric="bpp",
                unit=STREAM_FACTS["bpp"].unit,
                status=status,
                reason=reason,
            )
        ]
    pixels = sum(h * w for h, w in (r.image_hw for r in records))
    size, error = sum(r.size_bytes for r in records), sum(r.squared_error for r in records)
    numbers = {
        "bpp": 8 * size / pixels,
        "size_bytes": size / len(records),
        "psnr": 10 * math.log10(255**2 * 3 * pixels / error) if error else math.inf,
    }
    source = [p.source_bytes for _, _, p in plan.images]
    if cell.curve == plan.config.curves[0].label and all(s is not None for s in source):
        numbers["source_bpp"] = 8 * sum(s for s in source if s is not None) / pixels
    rates = bootstrap.rate([r.size_bytes for r in records], [h * w for h, w in (r.image_hw for r in records)])
    bootstrap.rates[*_ladder(plan, cell.curve), cell.point] = rates
    low, high, _ = interval(rates)
    rows = [
        _row(plan, cell.curve, cell.point, cell.id, metric=m, value=v, unit=STREAM_FACTS[m].unit)
        for m, v in numbers.items()
    ]
    rows = [replace(row, low=low, high=high, reason=bootstrap.reason) if row.metric == "bpp" else row for row in rows]
    rows += [
        time
        for kind in ("encode_s", "decode_s")
        for time in _time_rows(plan, cell, store, kind, cell.streams, cell=cell.id)
    ]
    if cell.latents:
        named = {"cell": cell.id, "route": "latent", "metric": "decode_s"}
        rows += _time_rows(plan, cell, store, latents_kind(cell.latents), cell.streams, **named)
    return rows


def _time_rows(plan: Plan, cell: Cell, store: Store, kind: str, keys: Sequence[str], /, **named: Any) -> list[ScoreRow]:
    """The median of the times taken under the plan's conditions, which its reason tells; or why there is none. No row
    where a plan has no times.
    """
    if plan.conditions is None:
        return []
    known = store.times(kind, keys, plan.conditions)
    missing = [key for key in keys if key not in known]
    reasons = [plan.failures[key] for key in missing if key in plan.failures]
    base = {"metric": kind, "unit": "s", **named}
    if not missing:
        value = statistics.median(known[key] for key in keys)
        return [_row(plan, cell.curve, cell.point, value=value, reason=str(plan.conditions), **base)]
    count = f"{len(missing)} of {len(keys)} images"
    reason = (
        f"{count} failed: {reasons[0]}"
        if reasons
        else f"{count} have no time of this run's conditions ({plan.conditions})"
    )
    return [_row(plan, cell.curve, cell.point, status="failed" if reasons else "missing", reason=reason, **base)]


class Scorer:
    """Scores one head's predictions at every operating point against one truth."""

    def __init__(self, plan: Plan, store: Store, number: int, bootstrap: Bootstrap) -> None:
        self.plan, self.store, self.number, self.bootstrap = plan, store, number, bootstrap
        self.label, self.head = plan.config.heads[number]
        self.metrics: list[Metric] = [
            m for name in plan.config.task.metrics if (m := METRICS.build(name)).output is self.head.output
        ]
        self.measure: str = getattr(self.head, "measure", "")
        self.target = labels_of(plan.config, self.head.output)
        self.space = covered(self.head.label_space, self.target or self.head.label_space)
        self.between = map_between(self.head.label_space, self.target or self.head.label_space) or ClassMap({}, {})
        self.merge = self.between.merge
        self.relabel = relabelled(self.head.label_space, self.space, self.target)
        self._truth: Truth | None = None
        self._read: tuple[Sequence[str], list[Prediction]] = ([], [])

    def rows(self, cell: Cell) -> list[ScoreRow]:
        keys = cell.predictions[self.number]
        route = self.plan.config.routes[self.number]
        base = {"cell": cell_id(cell, self.number), "head": self.label, "regime": self.head.regime, "route": route}
        known = self.store.known("predictions", keys)
        missing = [k for k in keys if k not in known]
        if missing:
            reasons = [self.plan.failures[k] for k in missing if k in self.plan.failures]
            reason = (
                f"{len(missing)} of {len(keys)} images failed: {reasons[0]}"
                if reasons
                else f"{len(missing)} of {len(keys)} images not read yet"
            )
            own = self.plan.config.design.main_metric_of(
                [self.measure] if self.measure else [s for m in self.metrics for s in m.scores]
            )
            return [
                _row(
                    self.plan,
                    cell.curve,
                    cell.point,
                    metric=own,
                    status="failed" if reasons else "missing",
                    reason=reason,
                    **base,
                )
            ]
        rows = _time_rows(self.plan, cell, self.store, "head_s", keys, **base)
        samples = self._samples(keys)
        if (main := self.plan.config.design.main_metric_of(samples)) in samples:
            self.bootstrap.scores[self.label, route, *_ladder(self.plan, cell.curve), cell.point] = samples[main]
        for found in self._scores(keys):
            unit = self.plan.config.design.facts_of(found.metric).unit
            row = _row(
                self.plan,
                cell.curve,
                cell.point,
                metric=found.metric,
                part=found.part,
                value=found.value,
                unit=unit,
                **base,
            )
            name = f"{found.metric}/{found.part}" if found.part else found.metric
            low, high, _ = interval(samples[name]) if name in samples else (math.nan, math.nan, 0)
            rows.append(replace(row, low=low, high=high, reason="" if row.part else self.no_interval))
        return rows

    @functools.cached_property
    def no_interval(self) -> str:
        """Why none of the head's scores has an interval, where resamples were asked for; empty where they have."""
        if self.bootstrap.resamples and self.head.output is Detections:
            return why_no_interval(*self._images_and_objects())
        return self.bootstrap.reason

    def _images_and_objects(self, of_class: str = "") -> tuple[int, int | None]:
        """How many different images have something scored, and how many objects there are; crowds are no objects, label
        maps have none.

        of_class: of this class alone.
        """
        fingerprints = [pixels.sha256 for _, _, pixels in self.plan.images]
        number = self.space.classes.index(of_class) if of_class else -1
        if self.head.output is not Detections:
            maps = self.truth().maps or ()
            return len(
                {
                    sha
                    for sha, one in zip(fingerprints, maps, strict=True)
                    if not of_class or (one.labels == number).any()
                }
            ), None
        coco = self._boxes() if self._truth is None else self._truth.coco
        assert coco is not None
        sha256 = {record["id"]: sha for record, sha in zip(coco["images"], fingerprints, strict=True)}
        labels = [
            label
            for label in coco["annotations"]
            if not label.get("iscrowd", 0) and (not of_class or label["category_id"] == number + 1)
        ]
        return len({sha256[label["image_id"]] for label in labels}), len(labels)

    def _of_enough(self, samples: Mapping[str, Floats]) -> dict[str, Floats]:
        """Those of the whole, and of each class that has enough behind it."""
        return {
            name: values
            for name, values in samples.items()
            if "/" not in name or not why_no_interval(*self._images_and_objects(name.split("/", 1)[1]))
        }

    def _boxes(self) -> Mapping[str, Any] | None:
        """The labels that boxes are scored against; their masks are not drawn only to count them."""
        dataset = self.plan.config.dataset
        if self.target is None or not isinstance(dataset, HasBoxes):
            return self.truth().coco
        return limit_coco(dataset.coco(), [index for index, _, _ in self.plan.images], self.space.classes, self.merge)

    def failed(self, cell: Cell, reason: str) -> ScoreRow:
        """The row of an operating point that could not be scored."""
        named = {"head": self.label, "regime": self.head.regime, "route": self.plan.config.routes[self.number]}
        return _row(
            self.plan,
            cell.curve,
            cell.point,
            cell_id(cell, self.number),
            status="failed",
            reason=f"it cannot be scored: {reason}",
            **named,
        )

    def _records(self, keys: Sequence[str]) -> list[PredictionRecord]:
        known = self.store.predictions(
            {key: image_id for key, (_, image_id, _) in zip(keys, self.plan.images, strict=True)}
        )
        if damaged := [key for key in keys if key not in known]:
            raise ResultsError(
                f"{len(damaged)} of {len(keys)} predictions in the cache were damaged while the run went on; run the "
                f"same line again"
            )
        return [
            replace(known[key], image_id=image_id) for key, (_, image_id, _) in zip(keys, self.plan.images, strict=True)
        ]

    def _scores(self, keys: Sequence[str]) -> list[Score]:
        found = []
        for metric in self.metrics:
            key = self._key(metric, keys)
            cached = self.store.scores(key)
            if cached is None:
                cached = [[s.metric, s.value, s.part] for s in metric.compute(self.truth(), self._predictions(keys))]
                self.store.add_scores(key, cached)
            found += [Score(*s) for s in cached]
        return found

    def _samples(self, keys: Sequence[str]) -> dict[str, Floats]:
        """Each resample's scores by metric, of those metrics that can; none where a run has no resamples."""
        found: dict[str, Floats] = {}
        for metric in self.metrics if self.bootstrap.resamples and not self.no_interval else ():
            if isinstance(metric, Resampled):
                key = samples_key(self._key(metric, keys), self.bootstrap.identity)
                samples = self.store.samples(key)
                if samples is None:
                    samples = self._of_enough(
                        metric.resample(self.truth(), self._predictions(keys), self.bootstrap.draws)
                    )
                    self.store.add_samples(key, samples)
                found |= samples
        return found

    def counts(self, cell: Cell) -> list[Counts]:
        """What its metrics counted at one operating point, of those that count; none where predictions lack."""
        keys = cell.predictions[self.number]
        if self.store.known("predictions", keys) < set(keys):
            return []
        found = []
        for metric in self.metrics:
            if isinstance(metric, Counted):
                key = self._key(metric, keys)
                counted = self.store.counts(key)
                if counted is None:
                    counted = metric.counts(self.truth(), self._predictions(keys))
                    self.store.add_counts(key, counted)
                original = cell.curve == self.plan.config.curves[0].label
                route = self.plan.config.routes[self.number]
                found.append(Counts(self.label, route, cell.curve, cell.point, self.space.classes, counted, original))
        return found

    def _key(self, metric: Metric, keys: Sequence[str]) -> str:
        return score_key(keys, metric_identity(metric), self.truth_identity)

    def _predictions(self, keys: Sequence[str]) -> list[Prediction]:
        """In the classes they are scored in; those of the last cell are kept, since scores and samples ask for the
        same.
        """
        if self._read[0] != keys:
            self._read = keys, [self.relabel(r.prediction) for r in self._records(keys) if r.prediction is not None]
        return self._read[1]

    @functools.cached_property
    def truth_identity(self) -> dict[str, Any]:
        """What the scores are measured against, for their key; hashing a data set is not free, so once a head."""
        config = self.plan.config
        known = {"dataset": identity(config.dataset), "revision": config.dataset.revision, "pseudo": self._originals()}
        return {**known, "classes": self.space.classes, "map": self.between.names, "merge": self.merge}

    def _originals(self) -> list[str]:
        """The keys of the predictions that stand in for labels; none where there are labels."""
        return [] if self.target else [*self.plan.cells[0].predictions[self.number], str(PSEUDO_SCORE)]

    def truth(self) -> Truth:
        if self._truth is None and self.head.output not in (Detections, SegmentationMap):
            self._truth = Truth(tuple(image_id for _, image_id, _ in self.plan.images), ())
        if self._truth is None:
            ids = tuple(image_id for _, image_id, _ in self.plan.images)
            indices = [index for index, _, _ in self.plan.images]
            dataset = self.plan.config.dataset
            if self.target is None and self.number not in self.plan.cells[0].predictions:
                raise UsageError(
                    f"{dataset_label(self.plan)} has no labels, and {self.label} cannot read the originals, which "
                    f"would stand in for them"
                )
            if self.target is None:
                records = self._records(self.plan.cells[0].predictions[self.number])
                self._truth = pseudo_truth(
                    ids, self.space, [r.prediction for r in records], [p.image_hw for _, _, p in self.plan.images]
                )
            elif self.head.output is Detections and isinstance(dataset, HasBoxes):
                coco = boxes_of(dataset, self.plan.config.task)
                self._truth = Truth(
                    ids, self.space.classes, coco=limit_coco(coco, indices, self.space.classes, self.merge)
                )
            elif self.head.output is SegmentationMap and isinstance(dataset, HasLabelMaps):
                to = lookup(self.target, self.space, {c: self.merge.get(c, c) for c in self.target.classes})
                self._truth = Truth(
                    ids, self.space.classes, maps=[SegmentationMap(to[dataset.label_map(i).labels]) for i in indices]
                )
            else:
                raise UsageError(f"the data set {dataset_label(self.plan)} has no labels for this task")
        return self._truth
