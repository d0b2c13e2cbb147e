"""Every table and figure of a run is written once before anything is coded, on made-up numbers under the run's real
names.

    plan --one made-up image, its labels as predictions--> metrics --> rows, counts --write--> a folder that is thrown
    away

A class called ``$$ cash``, a codec's setting, a data set's name: what cannot be written under them is found now, and
not at the end. Each name is drawn at least once; numbers and most of the panels are not, so that it takes a second.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import METRICS, Counted, Counts, Illustrated, Metric, Row, ScoresMasks, Truth
from benchmarks.harness.guard import guarded
from benchmarks.harness.plan import Cell, Plan, cell_id, dataset_label
from benchmarks.harness.truth import covered, labels_of
from benchmarks.reporting import html
from benchmarks.reporting.figures import rate_curves
from benchmarks.runs import provenance, tables
from benchmarks.runs.rows import frame
from downstream.api import Detections, LabelSpace, Prediction, SegmentationMap
from downstream.ops.masks import pack
from hsc.errors import HscError, ResultsError, UsageError

_RATE = {"bpp": "bit/pixel", "size_bytes": "byte", "psnr": "dB", "encode_s": "s", "decode_s": "s"}
_SIDE = 64
"""Of the made-up image, pixels."""


def rehearse(plan: Plan) -> None:
    """Write a run's files into a folder that is thrown away.

    Raises:
        UsageError: one of them cannot be written under the run's names.
        ResultsError: there is no room for them.
    """
    if not plan.todo:
        return  # everything was coded before, so the end is near
    rows, counts = made_up(plan)
    try:
        with tempfile.TemporaryDirectory(prefix="hsc-") as folder, rate_curves.laid_out_only():
            _write(plan, rows, counts, Path(folder))
    except OSError as error:
        raise ResultsError(
            f"the run's files cannot be tried in {tempfile.gettempdir()}: {error.strerror}; make room, or set TMPDIR"
        ) from error


def _write(plan: Plan, rows: Sequence[Row], counts: Sequence[Counts], folder: Path) -> None:
    """Everything in its order. Raises as ``rehearse``."""
    for name, write in _files(plan, rows, counts, folder):
        try:
            write()
        except OSError:
            raise
        except Exception as error:
            text = str(error) if isinstance(error, HscError) else f"{type(error).__name__}: {error}"
            raise UsageError(
                f"{name} of this run could not be written at its end: {' '.join(text.split())}; change the names of "
                f"classes, pictures or "
                "settings that stand in it"
            ) from error


def _files(
    plan: Plan, rows: Sequence[Row], counts: Sequence[Counts], folder: Path
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is written at the end, in its order; the page is made from what was written before it."""
    task = plan.config.task
    yield "the tables", lambda: tables.write(rows, task.columns, folder, plan.notices)
    yield "the curves", lambda: rate_curves.curves(frame(rows), task.columns, folder / "curves")
    if isinstance(task, Illustrated):
        yield "the figures of the task", lambda: task.figures(rows, counts, folder)
    yield (
        "run.json",
        lambda: provenance.write(folder / "run.json", provenance.describe(plan, 1, "cpu", {"command": ""})),
    )
    yield "the page", lambda: html.write(folder)


def made_up(plan: Plan) -> tuple[list[Row], list[Counts]]:
    """Rows and counts of the first point of every curve: each curve with one head or two, each head once, and its
    classes once a space.
    """
    cells = list({cell.curve: cell for cell in reversed(plan.cells)}.values())[::-1]
    rows = [row for k, cell in enumerate(cells) for row in _rate_rows(plan, cell, k)]
    counts: list[Counts] = []
    spaces: set[LabelSpace] = set()
    readers = [r for r in plan.config.readers if any(r.name in cell.predictions for cell in cells)]
    for place, reader in enumerate(readers):
        label, head = reader.label, reader.head
        space = covered(head.label_space, labels_of(plan.config, head.output) or head.label_space)
        scores, counted = _scores(plan, head, space)
        named = {"head": label, "route": reader.route, "regime": head.regime}
        reads = [cell for cell in cells if reader.name in cell.predictions]
        drawn = [cell for cell in reads if cells.index(cell) % len(readers) == place] or reads[-1:]
        for cell in drawn:
            kept = [
                (metric, part) for metric, part in scores if not part or (space not in spaces and cell is drawn[-1])
            ]
            about = {**named, "cell": cell_id(cell, reader.name), "value": 0.5, "low": 0.4, "high": 0.6, "unit": "1"}
            rows += [_row(plan, cell, metric=metric, part=part, **about) for metric, part in kept]
        if counted is not None and space not in spaces:
            pair = (reads[0], reads[-1])
            counts += [
                Counts(label, reader.route, c.curve, c.point, space.classes, counted, original=c is reads[0])
                for c in pair[: len({id(one) for one in pair})]
            ]
        spaces.add(space)
        main = plan.config.design.main_metric_of({metric for metric, _ in scores})
        rows += [_difference(plan, cell, anchor, main, named) for anchor in plan.config.anchors for cell in drawn]
    return rows, counts


def _row(plan: Plan, point: Cell, /, **columns: Any) -> Row:
    config = plan.config
    about = {
        "task": getattr(config.task, "spec_name", ""),
        "dataset": dataset_label(plan),
        "split": config.dataset.split,
    }
    where = {
        "cell": point.id,
        "codec": point.curve,
        "point": point.point,
        "head": "",
        "part": "",
        "route": "image",
        "regime": "",
        "anchor": "",
    }
    return Row(**{**about, **where, "seed": config.seed, "images": len(plan.images), **columns})


def _rate_rows(plan: Plan, cell: Cell, place: int) -> list[Row]:
    return [_row(plan, cell, metric=metric, value=0.1 + place / 1000, unit=unit) for metric, unit in _RATE.items()]


def _difference(plan: Plan, cell: Cell, anchor: str, metric: str, named: dict[str, Any]) -> Row:
    where = {**named, "cell": "", "point": "", "anchor": anchor, "metric": f"bd_rate_{metric}", "unit": "%"}
    return _row(plan, cell, value=-1.0, low=-2.0, high=-0.5, reason="overlap 90% of test, 90% of anchor", **where)


def _scores(plan: Plan, head: Any, space: LabelSpace) -> tuple[list[tuple[str, str]], Any]:
    """(metric, part) of everything that is scored of a head, and what is counted, from a made-up image on which it is
    right.
    """
    sample = _sample(head.output, space, masks=isinstance(plan.config.task, ScoresMasks))
    names: list[tuple[str, str]] = []
    counted = None
    metrics: list[Metric] = [m for name in plan.config.task.metrics if (m := METRICS.build(name)).output is head.output]
    for metric in metrics:
        if sample is None:
            own = getattr(head, "measure", "")
            names += [(name, "") for name in metric.scores if not own or name == own]
            continue
        try:
            names += [(score.metric, score.part) for score in guarded(metric.compute, sample[0], [sample[1]])]
            counted = guarded(metric.counts, sample[0], [sample[1]]) if isinstance(metric, Counted) else counted
        except HscError:  # somebody's plug-in may not like what was made up, which dooms nothing
            names += [(name, "") for name in metric.scores]
    return names, counted


def _sample(output: type[Prediction], space: LabelSpace, *, masks: bool) -> tuple[Truth, Prediction] | None:
    """An image that shows each class once, as labels and as what a head says of it; None for answers that are no
    classes.
    """
    classes = len(space.classes)
    if output is SegmentationMap:
        found = SegmentationMap(np.arange(classes, dtype=np.uint8)[None])
        return Truth(("made up",), space.classes, maps=[found]), found
    if output is not Detections:
        return None
    boxes = np.tile(np.array([0, 0, _SIDE, _SIDE], np.float32), (classes, 1))
    drawn = pack(np.ones((classes, _SIDE, _SIDE), np.bool_)) if masks else None
    entry = {"image_id": 1, "iscrowd": 0, "bbox": [0.0, 0.0, float(_SIDE), float(_SIDE)], "area": float(_SIDE**2)}
    annotations: list[dict[str, Any]] = [{**entry, "id": n + 1, "category_id": n + 1} for n in range(classes)]
    for n, annotation in enumerate(annotations if drawn else ()):
        annotation["segmentation"] = {
            "size": [_SIDE, _SIDE],
            "counts": drawn.counts[n].decode("ascii") if drawn else "",
        }
    images = [{"id": 1, "file_name": "made up", "height": _SIDE, "width": _SIDE}]
    categories = [{"id": n + 1, "name": name} for n, name in enumerate(space.classes)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    truth = Truth(("made up",), space.classes, coco=coco)
    return truth, Detections(boxes, np.full(classes, 0.9, np.float32), np.arange(classes, dtype=np.int64), drawn)
