"""Made-up numbers under the real names of a run: each curve, head, class and anchor is named at least once.

plan --one made-up image, its labels as predictions--> metrics --> scores, comparisons, counts
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import Comparison, Counted, Counts, Kind, ScoreRow, ScoresMasks, Truth
from benchmarks.harness.guard import guarded
from benchmarks.harness.keys import registered_name
from benchmarks.harness.plan import Cell, Plan, cell_id
from benchmarks.harness.readers import Reader
from benchmarks.harness.truth import covered, labels_of
from benchmarks.runs.number_texts import RATE_KINDS
from benchmarks.runs.results import Results
from benchmarks.stats.anchors import members
from benchmarks.stats.metric_facts import STREAM_FACTS
from benchmarks.stats.noise_floor import SECOND
from downstream.api import Classification, Detections, LabelSpace, Prediction, SegmentationMap, measure_of
from downstream.ops.masks import pack
from hsc.errors import HscError

_STREAM_SCORES = ("bpp", "size_bytes", "psnr", "encode_s", "decode_s")
_AGAINST_ANCHOR: tuple[Kind, ...] = ("bd_rate", "bd_metric", "difference_at_rate")
_NOISE_FLOOR: tuple[Kind, ...] = ("noise_floor_rate", "noise_floor_metric")
_BPP = 0.25
_SIDE = 64
"""Of the made-up image, pixels."""


class MadeUp(NamedTuple):
    """Scores and comparisons as rows, and counts for the task's figures."""

    scores: list[ScoreRow]
    comparisons: list[Comparison]
    counts: list[Counts]


@dataclass(frozen=True)
class _Reading:
    """A reader, and what is made up of it. cells: one a curve that it reads; drawn: those of them that its scores are
    made up for. compared: the scores by which codecs are compared.
    """

    reader: Reader
    cells: list[Cell]
    drawn: list[Cell]
    compared: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of its rows that name it."""
        return {"head": self.reader.label, "route": self.reader.route, "regime": self.reader.head.regime}


class _Scored(NamedTuple):
    """What metrics give of one head. names: (score, class) each. counted: None where no metric counts."""

    names: list[tuple[str, str]]
    counted: Any


def results_of(plan: Plan, made_up: MadeUp) -> Results:
    """The tables of made-up numbers."""
    design = plan.config.design
    names = (design.columns, design.main_metric, design.facts, design.added)
    return Results.of(made_up.scores, made_up.comparisons, *names, dict(plan.config.names))


def make_up(plan: Plan) -> MadeUp:
    """Numbers of the first point of every curve: each curve with one head or two, each head once, and the classes of a
    label space once.
    """
    cells = list({cell.curve: cell for cell in reversed(plan.cells)}.values())[::-1]
    scores = [row for place, cell in enumerate(cells) for row in _stream_scores(plan, cell, place)]
    counts: list[Counts] = []
    comparisons = list(_matched_rates(plan, cells))
    spaces: set[LabelSpace] = set()
    readings: list[_Reading] = []
    for reading in _readings(plan, cells):
        head = reading.reader.head
        space = covered(head.label_space, labels_of(plan.config, head.output) or head.label_space)
        scored = _scored(plan, head, space)
        compared = plan.config.design.compared_metrics({metric for metric, _ in scored.names})
        readings.append(replace(reading, compared=compared))
        scores += _head_scores(plan, reading, scored, with_classes=space not in spaces)
        if scored.counted is not None and space not in spaces:
            counts += _counts(reading, space, scored.counted)
        spaces.add(space)
        comparisons += _comparisons(plan, readings)
    return MadeUp(scores, comparisons, counts)


def _readings(plan: Plan, cells: Sequence[Cell]) -> Iterator[_Reading]:
    """Every head that reads anything, with its share of the curves: each curve is drawn for one of them."""
    readers = [reader for reader in plan.config.readers if any(reader.name in cell.predictions for cell in cells)]
    for place, reader in enumerate(readers):
        read = [cell for cell in cells if reader.name in cell.predictions]
        drawn = [cell for cell in read if cells.index(cell) % len(readers) == place] or read[-1:]
        yield _Reading(reader, read, drawn)


def _about(plan: Plan) -> dict[str, Any]:
    """The columns that all rows of a run share."""
    config = plan.config
    task = registered_name(config.task)
    shared = {"task": task, "dataset": plan.dataset_label, "split": config.dataset.split}
    return {**shared, "seed": config.seed, "images": len(plan.images)}


def _ladder(plan: Plan, cell: Cell) -> dict[str, str]:
    """The columns ``codec`` and ``ladder`` of a cell."""
    first = next((curve.second_of for curve in plan.config.curves if curve.label == cell.curve), "")
    return {"codec": first or cell.curve, "ladder": SECOND if first else ""}


def _score(plan: Plan, cell: Cell, /, **columns: Any) -> ScoreRow:
    where = {"cell": cell.id, **_ladder(plan, cell), "point": cell.point}
    blank = {"head": "", "part": "", "route": "image", "regime": ""}
    return ScoreRow(**{**_about(plan), **where, **blank, **columns})


def _stream_scores(plan: Plan, cell: Cell, place: int) -> list[ScoreRow]:
    value = 0.1 + place / 1000
    return [_score(plan, cell, metric=name, value=value, unit=STREAM_FACTS[name].unit) for name in _STREAM_SCORES]


def _head_scores(plan: Plan, reading: _Reading, scored: _Scored, *, with_classes: bool) -> Iterator[ScoreRow]:
    """The scores of the drawn cells, those of classes at the last of them alone."""
    facts_of = plan.config.design.facts_of
    numbers = {**reading.columns, "value": 0.5, "low": 0.4, "high": 0.6}
    for cell in reading.drawn:
        for metric, part in scored.names:
            if not part or (with_classes and cell is reading.drawn[-1]):
                named = {"cell": cell_id(cell, reading.reader.name), "metric": metric, "part": part}
                yield _score(plan, cell, **numbers, **named, unit=facts_of(metric).unit)


def _counts(reading: _Reading, space: LabelSpace, counted: Any) -> list[Counts]:
    """The same counts of the first cell, which stands for the originals, and of the last."""
    pair = list({id(cell): cell for cell in (reading.cells[0], reading.cells[-1])}.values())
    return [
        Counts(
            reading.reader.label,
            reading.reader.route,
            cell.curve,
            cell.point,
            space.classes,
            counted,
            original=cell is reading.cells[0],
        )
        for cell in pair
    ]


def _matched_rates(plan: Plan, cells: Sequence[Cell]) -> Iterator[Comparison]:
    for target in plan.config.match_bpp:
        for cell in cells:
            named: dict[str, Any] = {"metric": "bpp", "unit": STREAM_FACTS["bpp"].unit}
            named |= {"codec": cell.curve, "point": cell.point}
            yield Comparison(kind="matched_rate", **_about(plan), **named, at_bpp=target, value=target)


def _comparisons(plan: Plan, readings: Sequence[_Reading]) -> Iterator[Comparison]:
    """One of each kind for the last of the readings, in each score compared, under the names of its drawn curves."""
    for metric in readings[-1].compared:
        yield from _comparisons_by(plan, readings, metric)


def _comparisons_by(plan: Plan, readings: Sequence[_Reading], metric: str) -> Iterator[Comparison]:
    reading = readings[-1]
    numbers: dict[str, Any] = {"value": -1.0, "low": -2.0, "high": -0.5, "method": "fit"}
    blank = Comparison(kind="bd_rate", **_about(plan), metric=metric, **reading.columns, **numbers)
    own = [cell.curve for cell in reading.drawn if not _ladder(plan, cell)["ladder"]]
    labels = plan.config.design.labels
    for anchor in plan.config.anchors:
        against = replace(blank, anchor=anchor)
        rivals = [label for label in own if label not in members(anchor, labels)]
        for label in rivals:
            yield from (_filled(plan, replace(against, kind=kind, codec=label)) for kind in _AGAINST_ANCHOR)
        for label in rivals[1:]:
            lead = replace(against, codec=rivals[0], other=label)
            yield from (_filled(plan, replace(lead, kind=kind)) for kind in ("lead_bd_rate", "lead_bd_metric"))
    for label in own:
        yield _filled(plan, replace(blank, kind="score_at_rate", codec=label))
    for label in own[1:]:
        yield _filled(plan, replace(blank, kind="lead_at_rate", codec=own[0], other=label))
    for label in (_ladder(plan, cell)["codec"] for cell in reading.cells if _ladder(plan, cell)["ladder"]):
        yield from (_filled(plan, replace(blank, kind=kind, codec=label, anchor=label)) for kind in _NOISE_FLOOR)
    if len(readings) > 1:
        first, cell = readings[0], reading.cells[-1]
        apart = replace(blank, kind="heads_apart", other=first.reader.label, other_route=first.reader.route)
        yield _filled(plan, replace(apart, codec=_ladder(plan, cell)["codec"], point=cell.point, method=""))


def _filled(plan: Plan, comparison: Comparison) -> Comparison:
    """The comparison with its unit, and with the numbers that its kind has beside its value."""
    unit = "%" if comparison.kind in RATE_KINDS else plan.config.design.facts_of(comparison.metric).unit
    more: dict[str, Any] = {"resamples": plan.config.resamples}
    if comparison.kind in ("bd_rate", "bd_metric", *_NOISE_FLOOR):
        more |= {"overlap_test": 0.9, "overlap_anchor": 0.9}
        more |= {"refused": 1, "valued_low": -2.0, "valued_high": -0.5} if plan.config.resamples else {}
    if comparison.kind in ("score_at_rate", "lead_at_rate", "difference_at_rate"):
        more |= {"at_bpp": _BPP}
    if comparison.kind == "difference_at_rate":
        more |= {"codec_score": 0.4, "other_score": 0.5, "method": ""}
    return replace(comparison, unit=unit, **more)


def _scored(plan: Plan, head: Any, space: LabelSpace) -> _Scored:
    """Everything that is scored of a head, and what is counted, from a made-up image on which it is right."""
    sample = _sample(head.output, space, masks=isinstance(plan.config.task, ScoresMasks))
    names: list[tuple[str, str]] = []
    counted = None
    for metric in (metric for metric in plan.config.all_metrics if metric.output is head.output):
        if sample is None:
            measure = measure_of(head)
            names += [(name, "") for name in metric.facts if not measure or name == measure]
            continue
        try:
            names += [(score.metric, score.part) for score in guarded(metric.compute, sample[0], [sample[1]])]
            counted = guarded(metric.counts, sample[0], [sample[1]]) if isinstance(metric, Counted) else counted
        except HscError:  # a plug-in's metric may refuse a made-up image, which dooms no run
            names += [(name, "") for name in metric.facts]
    return _Scored(names, counted)


def _sample(output: type[Prediction], space: LabelSpace, *, masks: bool) -> tuple[Truth, Prediction] | None:
    """An image that shows each class once, as labels and as a prediction; None for predictions without classes."""
    classes = len(space.classes)
    if output is SegmentationMap:
        label_map = SegmentationMap(np.arange(classes, dtype=np.uint8)[None])
        return Truth(("made up",), space.classes, maps=[label_map]), label_map
    if output is Classification:
        rankings = [np.roll(np.arange(classes), -label) for label in range(classes)]
        labels = np.arange(classes, dtype=np.int64)
        return Truth(("made up",), space.classes, labels=[labels]), Classification(np.stack(rankings).astype(np.uint16))
    if output is not Detections:
        return None
    boxes = np.tile(np.array([0, 0, _SIDE, _SIDE], np.float32), (classes, 1))
    packed = pack(np.ones((classes, _SIDE, _SIDE), np.bool_)) if masks else None
    box = {"image_id": 1, "iscrowd": 0, "bbox": [0.0, 0.0, float(_SIDE), float(_SIDE)], "area": float(_SIDE**2)}
    annotations: list[dict[str, Any]] = [{**box, "id": n + 1, "category_id": n + 1} for n in range(classes)]
    for annotation, run_lengths in zip(annotations, packed.counts if packed else (), strict=False):
        annotation["segmentation"] = {"size": [_SIDE, _SIDE], "counts": run_lengths.decode("ascii")}
    images = [{"id": 1, "file_name": "made up", "height": _SIDE, "width": _SIDE}]
    categories = [{"id": n + 1, "name": name} for n, name in enumerate(space.classes)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    truth = Truth(("made up",), space.classes, coco=coco)
    return truth, Detections(boxes, np.full(classes, 0.9, np.float32), np.arange(classes, dtype=np.int64), packed)
