"""The errors of a run: every head beside itself on the originals, at every operating point.

plan, kept predictions, labels --reader_errors--> counts by image --draws of the run--> rows of errors.csv
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Comparison, ScoresMasks, Truth
from benchmarks.errors.error_rows import NONE, THRESHOLD, ErrorRow
from benchmarks.errors.part_counts import PartCounts, differences, shares
from benchmarks.errors.reader_errors import (
    BoxDetail,
    Compared,
    MapDetail,
    ScoredImages,
    errors_of_boxes,
    errors_of_maps,
)
from benchmarks.harness.cache import Store
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.plan import Cell, Plan, cell_id, packed_predictions
from benchmarks.harness.progress import Progress
from benchmarks.harness.reader_truth import ReaderTruth
from benchmarks.harness.readers import Reader
from benchmarks.metrics._coco_detections import Kind
from benchmarks.stats.bootstrap import Bootstrap, Draws
from downstream.api import Detections, SegmentationMap
from hsc.errors import HscError, UsageError


class PointErrors(NamedTuple):
    """The errors of one head at one operating point. detail: what they were counted from."""

    reader: Reader
    cell: Cell
    counts: PartCounts
    detail: BoxDetail | MapDetail


class RunErrors(NamedTuple):
    """The errors of a run. points: of every head that can be told, the originals first. rows: of ``errors.csv``."""

    points: list[PointErrors]
    rows: list[ErrorRow]


def decompose(plan: Plan, store: Store, matched: Sequence[Comparison], progress: Progress) -> RunErrors:
    """Decompose the errors of every head of a run.

    matched: the operating points that were matched in rate, whose shares are compared with each other.
    """
    config = plan.config
    bootstrap = Bootstrap.of([image.pixels.sha256 for image in plan.images], config.resamples, config.seed)
    points: list[PointErrors] = []
    rows: list[ErrorRow] = []
    progress.begin("decomposing errors", len(config.readers))
    for reader in config.readers:
        progress.advance(reader.label, 0)
        try:
            own, thresholds = guarded(_of_reader, plan, store, reader)
        except HscError as error:
            rows.append(_row(plan, None, reader, kind=NONE, reason=why(error)))
        else:
            points += own
            rows += thresholds
            rows += [row for point in own for row in _shares(plan, point, bootstrap)]
            rows += _differences(plan, own, matched, bootstrap.resampling)
        progress.advance(reader.label, 1)
    progress.end()
    return RunErrors(points, rows)


def _of_reader(plan: Plan, store: Store, reader: Reader) -> tuple[list[PointErrors], list[ErrorRow]]:
    """One head's errors at every operating point whose predictions are complete, and its thresholds.

    Raises:
        UsageError: there are no labels, or no predictions on the originals.
        HscError: labels or images cannot be used.
    """
    output = reader.head.output
    if output not in (Detections, SegmentationMap):
        raise UsageError(f"its answers are {output.__name__}, whose errors are not decomposed")
    reading = ReaderTruth(plan, store, reader)
    if reading.classes.target is None:
        raise UsageError("the data set has no labels that could tell what is lost and what is made up")
    second = {curve.label for curve in plan.config.curves if curve.second_of}
    cells = [cell for cell in plan.cells_of(reader) if cell.curve not in second and _complete(cell, reader, store)]
    if not cells or cells[0].curve != plan.config.curves[0].label:
        raise UsageError("it has no predictions on the originals to be compared with")
    truth = reading.truth()
    predictions = [packed_predictions(cell.predictions[reader.name], store, reading.classes.relabel) for cell in cells]
    images = ScoredImages(plan.config.dataset, [image.index for image in plan.images], _same_as(plan))
    if output is Detections:
        kind: Kind = "segm" if isinstance(plan.config.task, ScoresMasks) else "bbox"
        compared = errors_of_boxes(truth, predictions, kind, images)
    else:
        compared = errors_of_maps(truth, predictions, images.same_as)
    points = [
        PointErrors(reader, cell, counts, compared.details[number])
        for number, (cell, counts) in enumerate(zip(cells, compared.counts, strict=True))
    ]
    return points, _thresholds(plan, points[0], truth, compared)


def _complete(cell: Cell, reader: Reader, store: Store) -> bool:
    keys = cell.predictions[reader.name]
    return not set(keys) - set(store.known("predictions", keys))


def _same_as(plan: Plan) -> npt.NDArray[np.int64]:
    """The first image of the plan with the same pixels as each."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(image.pixels.sha256, n) for n, image in enumerate(plan.images)], np.int64)


def _row(plan: Plan, cell: Cell | None, reader: Reader, **columns: object) -> ErrorRow:
    named = {"cell": "", "codec": "", "point": ""}
    if cell is not None:
        named = {"cell": cell_id(cell, reader.name), "codec": cell.curve, "point": cell.point}
    empty = {"by": "", "part": "", "kind": ""}
    values: dict[str, object] = {**named, **empty, "route": reader.route, "head": reader.label, **columns}
    return ErrorRow(**values, images=len(plan.images))  # type: ignore[arg-type]


def _thresholds(plan: Plan, original: PointErrors, truth: Truth, compared: Compared) -> list[ErrorRow]:
    make = functools.partial(_row, plan, original.cell, original.reader, by="class", kind=THRESHOLD)
    named = zip(truth.classes, compared.thresholds.tolist(), strict=False)  # label maps have none
    return [make(part=name, value=threshold) for name, threshold in named]


def _shares(plan: Plan, point: PointErrors, bootstrap: Bootstrap) -> Iterator[ErrorRow]:
    for share in shares(point.counts, bootstrap.resampling):
        numbers = {name: getattr(share, name) for name in ("kind", "count", "of", "value", "low", "high")}
        reason = (share.reason or bootstrap.reason) if math.isnan(share.low) and share.part.by == "all" else ""
        by, part = share.part
        yield _row(plan, point.cell, point.reader, by=by, part=part, **numbers, reason=reason)


def _differences(
    plan: Plan, points: Sequence[PointErrors], matched: Sequence[Comparison], draws: Draws
) -> Iterator[ErrorRow]:
    """The differences of every two codecs at points that were matched to one rate."""
    by_name = {(point.cell.curve, point.cell.point): point for point in points}
    for rate in dict.fromkeys(one.at_bpp for one in matched):
        names = [(one.codec, one.point) for one in matched if one.at_bpp == rate and one.status == "ok"]
        present = [by_name[name] for name in names if name in by_name]
        for point, other in itertools.permutations(present, 2):
            for kind, value, low, high in differences(point.counts, other.counts, draws):
                against = {"other": other.cell.curve, "other_point": other.cell.point}
                numbers = {"kind": kind, "value": value, "low": low, "high": high}
                yield _row(plan, point.cell, point.reader, by="all", **numbers, **against)
