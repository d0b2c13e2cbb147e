"""The predictions that a run kept, read back from its folder, and its scores on the resamples of a bootstrap.

    predictions/manifest.json --read--> KeptCell (labels, predictions) --resampled--> {point: scores of each resample}

Nothing is taken on trust: where the predictions of a point do not give the scores of ``scores.csv``, none of its head's
resamples are used, and the reason is returned in their place.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import METRICS, Metric, Resampled, Truth
from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.executors import Executor
from benchmarks.harness.packed_predictions import PackedPredictions
from benchmarks.harness.progress import Progress
from benchmarks.harness.scoring_job import ScoringJob, Wanted, work_out
from benchmarks.imaging.image_decoding import decode_image
from benchmarks.runs.folder_files import exists, read_bytes, read_json
from benchmarks.runs.prediction_files import FOLDER, MANIFEST
from benchmarks.runs.run_folder import Run
from benchmarks.runs.schema import Fields, ListOf, MapOf, Number, OneOf, Row, Shape, Text, Whole, check
from benchmarks.stats.bootstrap import Bootstrap, Floats
from downstream.api import Detections, Masks, Prediction, SegmentationMap, to_bytes
from hsc.errors import HscError, ResultsError

_NAME, _PATH = Text(2000), Text(300, least=1)
_FILE: dict[str, Shape] = {
    "head": _NAME,
    "route": OneOf(("image", "latent")),
    "codec": _NAME,
    "ladder": OneOf(("", "second")),
    "point": _NAME,
    "cell": Text(200),
    "file": _PATH,
    "kind": OneOf(("COCO results", "label maps")),
    "labels": _PATH,
    "classes": ListOf(_NAME, 255),
    "metrics": ListOf(_NAME, 100),
}
_MANIFEST = Fields({"images": ListOf(Text(4096), 1_000_000), "files": ListOf(Fields(_FILE), 1_000_000)})
_SIZE = Number(-1e9, 1e9)
_RESULT = Fields(
    {"image_id": Whole(0, 1 << 40), "category_id": Whole(1, 255), "score": Number(0, 1)},
    {
        "bbox": Row((_SIZE,) * 4),
        "segmentation": Fields({"size": Row((Whole(1, 1 << 30),) * 2), "counts": Text(1 << 26)}),
    },
)
_RESULTS = ListOf(_RESULT, 100_000_000)

Reader = tuple[str, str]
"""The label and the route of a head."""
Point = tuple[str, str, str]
"""The label of a codec, its ladder and its operating point."""


class KeptCell(NamedTuple):
    """One head at one operating point. labels: the name of the file or folder of what it is scored against."""

    reader: Reader
    point: Point
    cell: str
    file: str
    kind: str
    labels: str
    classes: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass
class Samples:
    """The resampled scores of a run's heads.

    scores: (head, route, metric, codec, ladder, point) -> float64 (R,), as ``Bootstrap.scores`` holds them. reasons:
    why there are none, for the end of a sentence, by head and route.
    """

    scores: dict[tuple[str, str, str, str, str, str], Floats] = field(default_factory=dict)
    reasons: dict[Reader, str] = field(default_factory=dict)


def read_cells(run: Run) -> list[KeptCell]:
    """The cells of which a run has kept the predictions, in its order; none where it kept none.

    Raises:
        ResultsError: the manifest is damaged, or is of other images.
    """
    path = run.folder / FOLDER / MANIFEST
    if not exists(path):
        return []
    manifest = _checked(path, _MANIFEST, "the manifest")
    if tuple(manifest["images"]) != run.images:
        raise ResultsError(f"{path} is of other images than run.json; its predictions belong to another run")
    return [
        KeptCell(
            (entry["head"], entry["route"]),
            (entry["codec"], entry["ladder"], entry["point"]),
            entry["cell"],
            entry["file"],
            entry["kind"],
            entry["labels"],
            tuple(entry["classes"]),
            tuple(entry["metrics"]),
        )
        for entry in manifest["files"]
    ]


def _checked(path: Path, shape: Shape, where: str) -> Any:
    value = read_json(path)
    try:
        check(value, shape, where)
    except ValueError as error:
        raise ResultsError(f"{path} is damaged: {error}; restore it or run again") from error
    return value


def read_truth(run: Run, cell: KeptCell) -> Truth:
    """What the predictions of a cell are scored against.

    Raises:
        ResultsError: its file is missing or damaged.
        AnnotationError: it holds something that is no number.
    """
    place = _inside(run.folder / FOLDER, cell.labels)
    pseudo = run.about.get("pseudo_label_score") is not None
    if cell.kind == "label maps":
        return Truth(run.images, cell.classes, maps=_maps(place, len(run.images)), pseudo=pseudo)
    coco = _checked(place, MapOf(_ANY, 100), "the labels")
    if len(coco.get("images", ())) != len(run.images):
        raise ResultsError(f"{place} is damaged: it has {len(coco.get('images', ()))} images, not those of the run")
    try:
        return Truth(run.images, cell.classes, coco=CocoTable.of(coco), pseudo=pseudo)
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{place} is damaged: {error!r}; restore it or run again") from error


class _Any:
    """Any JSON, for a reader that checks it itself."""

    def check(self, value: Any, where: str) -> None:
        """Nothing is refused."""


_ANY = _Any()


def _inside(folder: Path, name: str) -> Path:
    """A file of the folder by its name. Raises ResultsError for a name that leads out of it."""
    if Path(name).name != name or name in (".", ".."):
        raise ResultsError(f"{folder / MANIFEST} is damaged: it names the file {name!r}; restore it or run again")
    return folder / name


def _maps(folder: Path, count: int) -> PackedPredictions:
    """Label maps from PNG files that are numbered from 1. Raises ResultsError."""
    packed = []
    for number in range(1, count + 1):
        path = folder / f"{number:06d}.png"
        try:
            labels = decode_image(read_bytes(path), name=str(path))[:, :, 0]
        except HscError as error:
            raise ResultsError(f"{error}") from error
        packed.append(to_bytes(SegmentationMap(np.ascontiguousarray(labels))))
    return PackedPredictions(tuple(packed))


def read_predictions(run: Run, cell: KeptCell, truth: Truth) -> PackedPredictions:
    """The predictions of a cell, one an image, in the classes that are scored.

    Raises:
        ResultsError: its file is missing or damaged.
    """
    place = _inside(run.folder / FOLDER, cell.file)
    if cell.kind == "label maps":
        return _maps(place, len(run.images))
    results: dict[int, list[dict[str, Any]]] = {}
    for result in _checked(place, _RESULTS, "the results"):
        results.setdefault(result["image_id"], []).append(result)
    images = [image["id"] for image in (truth.coco or {})["images"]]
    if strangers := results.keys() - set(images):
        raise ResultsError(f"{place} is damaged: it has the image {min(strangers)}, which its labels do not have")
    try:
        return PackedPredictions(tuple(to_bytes(_detections(results.get(image, []))) for image in images))
    except (KeyError, ValueError) as error:
        raise ResultsError(f"{place} is damaged: {error!r}; restore it or run again") from error


def _detections(results: Sequence[Mapping[str, Any]]) -> Prediction:
    """One image's detections from COCO's results. Boxes of masks are not kept, and no score of masks needs them."""
    boxes = np.array([result.get("bbox", (0.0,) * 4) for result in results], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = None
    if results and "segmentation" in results[0]:
        packed = [result["segmentation"] for result in results]
        height, width = packed[0]["size"]
        masks = Masks(tuple(one["counts"].encode("ascii") for one in packed), (height, width))
    return Detections(
        boxes.astype(np.float32),
        np.array([result["score"] for result in results], np.float32),
        np.array([result["category_id"] - 1 for result in results], np.int64),
        masks,
    )


def resampled(
    run: Run, bootstrap: Bootstrap, executor: Executor, progress: Progress, only: Container[str] | None = None
) -> Samples:
    """The scores by which codecs are compared, on each resample, of every head whose predictions were kept whole.

    Heads whose scores have no interval in the run itself are left out without a reason. only: the ids of the cells that
    are wanted, None for all.
    """
    samples = Samples()
    wanted = _with_intervals(run, only)
    try:
        cells = read_cells(run)
    except ResultsError as error:
        samples.reasons = dict.fromkeys(wanted, f"its predictions cannot be read: {error}")
        return samples
    for reader, points in wanted.items():
        of_reader = [cell for cell in cells if cell.reader == reader and cell.point in points]
        if missing := [point for point in points if point not in {cell.point for cell in of_reader}]:
            kept = "none of its predictions were" if not of_reader else f"predictions at {missing[0][2]} were not"
            samples.reasons[reader] = f"{kept} kept; run with --keep-predictions"
            continue
        try:
            samples.scores |= _of_reader(run, of_reader, bootstrap, executor, progress)
        except HscError as error:
            samples.reasons[reader] = str(error)
    return samples


def _with_intervals(run: Run, only: Container[str] | None) -> dict[Reader, set[Point]]:
    """The operating points that each head has scored, of heads with any score that has an interval. only: the cells."""
    points: dict[Reader, set[Point]] = {}
    sure: set[Reader] = set()
    for row in run.score_rows:
        if row.head and (only is None or row.cell in only) and row.status == "ok" and not row.part:
            points.setdefault((row.head, row.route), set()).add((row.codec, row.ladder, row.point))
            if row.low == row.low:
                sure.add((row.head, row.route))
    return {reader: of_reader for reader, of_reader in points.items() if reader in sure}


def _of_reader(
    run: Run, cells: Sequence[KeptCell], bootstrap: Bootstrap, executor: Executor, progress: Progress
) -> dict[tuple[str, str, str, str, str, str], Floats]:
    """The samples of one head. Raises HscError where a file is damaged, or gives other scores than the tables."""
    metrics = _metrics(run, cells[0].metrics)
    recorded = {(row.cell, row.metric): row.value for row in run.score_rows if row.head and not row.part}
    truth = read_truth(run, cells[0])
    samples = {}
    with executor.share(truth) as shared:

        def jobs() -> Iterator[ScoringJob]:
            wanted = tuple(Wanted(metric, True, isinstance(metric, Resampled), False) for metric in metrics)
            for number, cell in enumerate(cells):
                yield ScoringJob(number, shared, read_predictions(run, cell, truth), wanted, bootstrap.resampling)

        for job, numbers, died in executor.run(work_out, jobs()):
            cell = cells[job.cell]
            if numbers is None or isinstance(numbers, HscError):
                raise ResultsError(f"they cannot be scored: {numbers or died}")
            for score in (score for of_metric in numbers for score in of_metric.scores or () if not score.part):
                value = recorded.get((cell.cell, score.metric), score.value)
                if abs(value - score.value) > 1e-9 * max(1.0, abs(value)):
                    raise ResultsError(
                        f"its kept predictions at {cell.point[0]} {cell.point[2]} give {score.metric} "
                        f"{score.value:.6g}, {run.folder} has {value:.6g}"
                    )
            of_cell = {name: values for of_metric in numbers for name, values in (of_metric.samples or {}).items()}
            for name in run.design.compared_metrics(of_cell):
                samples[(*cell.reader, name, *cell.point)] = of_cell[name]
            progress.advance(" ".join(cell.point).strip(), len(run.images))
    return samples


def _metrics(run: Run, names: Sequence[str]) -> list[Metric]:
    """The run's metrics that score a head's predictions. Raises HscError where one is not installed."""
    metrics = [METRICS.build(text) for text in (*run.task.metrics, *run.about.get("metrics", ()))]
    return [metric for metric in metrics if METRICS.spec(metric).name in names]
