"""The predictions that a run kept, read back from its folder within the bounds of what a run writes.

predictions/manifest.json --read_manifest--> KeptCell --read_truth, read_predictions--> as the run has scored them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import Truth
from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.packed_predictions import PackedPredictions
from benchmarks.imaging.image_decoding import decode_image
from benchmarks.runs.class_tables import read_labels, read_rankings
from benchmarks.runs.folder_files import exists, read_bytes, read_json
from benchmarks.runs.prediction_files import FOLDER, MANIFEST
from benchmarks.runs.run_folder import Run
from benchmarks.runs.schema import Fields, ListOf, MapOf, Number, OneOf, Row, Shape, Text, Whole, check
from downstream.api import NO_CLASS, Detections, Fidelity, Masks, Prediction, SegmentationMap, to_bytes
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
    "kind": OneOf(("COCO results", "label maps", "classes", "fidelity")),
    "labels": Text(300),
    "classes": ListOf(_NAME, NO_CLASS),
    "metrics": ListOf(_NAME, 100),
}
_LEFT_OUT: dict[str, Shape] = {"head": _NAME, "route": _NAME, "reason": Text(10_000)}
_MANIFEST = Fields(
    {
        "images": ListOf(Text(4096), 1_000_000),
        "files": ListOf(Fields(_FILE), 1_000_000),
        "left_out": ListOf(Fields(_LEFT_OUT), 1_000_000),
    }
)
_FIDELITIES = Fields(
    {"measure": Text(200), "numbers": ListOf(ListOf(Number(-1e300, 1e300, endless=True), 1000), 1_000_000)}
)
_SIZE = Number(-1e9, 1e9)
_RESULT = Fields(
    {"image_id": Whole(0, 1 << 40), "category_id": Whole(1, NO_CLASS), "score": Number(0, 1)},
    {
        **dict.fromkeys(("bbox", "box"), Row((_SIZE,) * 4)),
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


class Kept(NamedTuple):
    """What a run has kept. left_out: why there is nothing of a head, by head and route."""

    cells: list[KeptCell]
    left_out: dict[Reader, str]


def read_manifest(run: Run) -> Kept:
    """The cells of which a run has kept the predictions, in its order; none where it kept none.

    Raises:
        ResultsError: the manifest is damaged, or is of other images.
    """
    path = run.folder / FOLDER / MANIFEST
    if not exists(path):
        return Kept([], {})
    manifest = _checked(path, _MANIFEST, "the manifest")
    if tuple(manifest["images"]) != run.images:
        raise ResultsError(f"{path} is of other images than run.json; its predictions belong to another run")
    left_out = {(entry["head"], entry["route"]): entry["reason"] for entry in manifest["left_out"]}
    cells = [
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
    return Kept(cells, left_out)


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
    if cell.kind == "fidelity":
        return Truth(run.images, ())
    place = file_inside(run.folder / FOLDER, cell.labels)
    pseudo = run.about.get("pseudo_label_score") is not None
    if cell.kind == "label maps":
        return Truth(run.images, cell.classes, maps=_maps(place, len(run.images)), pseudo=pseudo)
    if cell.kind == "classes":
        return Truth(run.images, cell.classes, labels=read_labels(place, run.images, cell.classes), pseudo=pseudo)
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


def file_inside(folder: Path, name: str) -> Path:
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
    place = file_inside(run.folder / FOLDER, cell.file)
    if cell.kind == "label maps":
        return _maps(place, len(run.images))
    if cell.kind == "classes":
        return PackedPredictions(tuple(map(to_bytes, read_rankings(place, truth))))
    if cell.kind == "fidelity":
        read = _checked(place, _FIDELITIES, "the fidelities")
        answers = (Fidelity(read["measure"], np.array(numbers, np.float64)) for numbers in read["numbers"])
        return PackedPredictions(tuple(map(to_bytes, answers)))
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
    """One image's detections from COCO's results. Raises KeyError where one has no box."""
    boxes = np.array([result["box" if "box" in result else "bbox"] for result in results], np.float64).reshape(-1, 4)
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
