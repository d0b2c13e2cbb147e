"""Predictions and labels of a run as files that other programs score: COCO's result files, and label maps as PNG.

    predictions/manifest.json                 what each file holds: head, route, codec, operating point, cell, classes
    predictions/labels-0.json                 boxes and masks that they are scored against, as COCO's annotations
    predictions/labels-0/000001.png           label maps that they are scored against
    predictions/CELL.json                     COCO's results: COCO("labels-0.json").loadRes("CELL.json")
    predictions/CELL/000001.png               label maps; a value is the number of its class, 255 is void
    predictions/labels-0.csv                  classes that are scored against: image, object, class
    predictions/CELL.csv                      the first five classes of each object: image, object, rank, class
    predictions/CELL.json                     of a head that compares with originals: its measure, numbers by image

All are in the classes that the run scores, so that COCO's own evaluator gives the numbers of the run's tables.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import METRICS, Truth
from benchmarks.harness.cache import Store
from benchmarks.harness.cell_rows import ladder_of
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.plan import Plan, cell_id, packed_predictions
from benchmarks.harness.reader_truth import ReaderTruth
from benchmarks.harness.readers import Reader
from benchmarks.runs.class_tables import write_labels, write_rankings
from downstream.api import Classification, Detections, Fidelity, Prediction, SegmentationMap
from hsc.errors import HscError, ResultsError
from hsc.files.atomic_files import replacing, write_text

FOLDER = "predictions"
MANIFEST = "manifest.json"
VERSION = "1"


def write(plan: Plan, store: Store, folder: Path) -> Path:
    """Write the predictions of every complete cell into ``FOLDER`` of a run's folder; what lay there is replaced.

    Heads whose answers are neither boxes, label maps, classes nor fidelities have no files, and cells of which
    predictions are missing neither; the manifest says so. Returns the folder of the files.

    Raises:
        ResultsError: the folder cannot be written.
    """
    place = folder / FOLDER
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        files: list[dict[str, Any]] = []
        left_out: list[dict[str, str]] = []
        labels = _Labels(place)
        for reader in plan.config.readers:
            _write_reader(plan, store, reader, labels, files, left_out)
        ids = [image.image_id for image in plan.images]
        manifest = {"version": VERSION, "images": ids, "files": files, "left_out": left_out}
        write_text(place / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ResultsError(f"the predictions cannot be written into {place}: {error.strerror}") from error
    return place


def _write_reader(
    plan: Plan,
    store: Store,
    reader: Reader,
    labels: _Labels,
    files: list[dict[str, Any]],
    left_out: list[dict[str, str]],
) -> None:
    """Write the files of one head by one route, and note them, or why there are none."""
    cells = plan.cells_of(reader)
    if not cells:
        return
    named = {"head": reader.label, "route": reader.route}
    if reader.head.output not in (Detections, SegmentationMap, Classification, Fidelity):
        left_out.append(
            {**named, "reason": f"its answers are {reader.head.output.__name__}, of which no files are kept"}
        )
        return
    try:
        reading = ReaderTruth(plan, store, reader)
        truth = guarded(reading.truth)
    except HscError as error:  # the scores of that head are missing for the same reason
        left_out.append({**named, "reason": why(error)})
        return
    label_file = "" if reader.head.output is Fidelity else labels.of(truth)
    metrics = [str(METRICS.spec(m).name) for m in plan.config.all_metrics if m.output is reader.head.output]
    for cell in cells:
        keys = cell.predictions[reader.name]
        codec, ladder = ladder_of(plan, cell.curve)
        about = {**named, "codec": codec, "ladder": ladder, "point": cell.point, "cell": cell_id(cell, reader.name)}
        if missing := len(set(keys) - set(store.known("predictions", keys))):
            left_out.append({**about, "reason": f"{missing} of {len(keys)} predictions are missing"})
            continue
        predictions = packed_predictions(keys, store, reading.classes.relabel)
        kind = _write_cell(labels.place, about["cell"], truth, predictions)
        files.append({**about, **kind, "labels": label_file, "classes": list(truth.classes), "metrics": metrics})


class _Labels:
    """The labels that predictions are scored against, each of them written once. place: the folder of all files."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._written: list[tuple[Any, str]] = []

    def of(self, truth: Truth) -> str:
        """The name of the file or folder that holds these labels; it is written where none holds them yet."""
        content: Any = truth.coco if truth.maps is None else truth.maps
        if truth.labels is not None:
            content = truth.labels
        for known, name in self._written:
            if _equal(known, content):
                return name
        name = f"labels-{len(self._written)}"
        if truth.labels is not None:
            name += ".csv"
            write_labels(self.place / name, truth)
        elif truth.maps is None:
            name += ".json"
            write_text(self.place / name, json.dumps(_complete(truth), separators=(",", ":")) + "\n")
        else:
            _write_maps(self.place / name, truth.maps)
        self._written.append((content, name))
        return name


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return bool(one == other)
    if len(one) != len(other):
        return False
    arrays = ([getattr(item, "labels", item) for item in content] for content in (one, other))
    return all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


def _complete(truth: Truth) -> dict[str, Any]:
    """COCO labels with the fields that the official evaluator needs: id, area and iscrowd of every box."""
    coco = truth.coco or {}
    annotations = [
        {
            **{name: annotation[name] for name in ("image_id", "category_id", "segmentation") if name in annotation},
            "id": number,
            "bbox": [float(value) for value in annotation["bbox"]],
            "area": float(annotation.get("area", annotation["bbox"][2] * annotation["bbox"][3])),
            "iscrowd": int(annotation.get("iscrowd", 0)),
        }
        for number, annotation in enumerate(coco.get("annotations", ()), 1)
    ]
    images = [
        {name: image[name] for name in ("id", "file_name", "height", "width") if name in image}
        for image in coco.get("images", ())
    ]
    return {
        "info": {"description": "labels that a run of HSC-Bench was scored against"},
        "images": images,
        "categories": [{"id": c["id"], "name": c["name"]} for c in coco.get("categories", ())],
        "annotations": annotations,
    }


def _write_cell(place: Path, cell: str, truth: Truth, predictions: Sequence[Prediction]) -> dict[str, str]:
    """Write one cell's predictions; returns its file and the kind of it."""
    if truth.maps is not None:
        _write_maps(place / cell, predictions)
        return {"file": cell, "kind": "label maps"}
    if truth.labels is not None:
        write_rankings(place / f"{cell}.csv", truth, predictions)
        return {"file": f"{cell}.csv", "kind": "classes"}
    if truth.coco is None:
        measured = [prediction for prediction in predictions if isinstance(prediction, Fidelity)]
        numbers = [fidelity.numbers.tolist() for fidelity in measured]
        text = json.dumps({"measure": measured[0].measure, "numbers": numbers}, separators=(",", ":"))
        write_text(place / f"{cell}.json", text + "\n")
        return {"file": f"{cell}.json", "kind": "fidelity"}
    coco = truth.coco
    image_ids = [image["id"] for image in coco["images"]]
    category_ids = [category["id"] for category in coco["categories"]]
    results = [
        result
        for image_id, prediction in zip(image_ids, predictions, strict=True)
        if isinstance(prediction, Detections)
        for result in _results(image_id, category_ids, prediction)
    ]
    name = f"{cell}.json"
    write_text(place / name, json.dumps(results, separators=(",", ":")) + "\n")
    return {"file": name, "kind": "COCO results"}


def _results(image_id: int, category_ids: Sequence[int], detections: Detections) -> list[dict[str, Any]]:
    """One image's detections as COCO's results, in the head's own order, which decides between equal scores."""
    boxes = detections.boxes_xyxy.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    results = [
        {"image_id": image_id, "category_id": category_ids[label], "bbox": box, "score": score}
        for label, box, score in zip(
            detections.labels.tolist(), boxes.tolist(), detections.scores.astype(np.float64).tolist(), strict=True
        )
    ]
    if detections.masks is not None:
        size = [*detections.masks.image_hw]
        for result, counts in zip(results, detections.masks.counts, strict=True):
            result["segmentation"] = {"size": size, "counts": counts.decode("ascii")}
            # the evaluator takes areas from masks where there is no bbox, and leaves other names alone
            result["box"] = result.pop("bbox")
    return results


def _write_maps(folder: Path, maps: Sequence[Any]) -> None:
    """Label maps as grey PNG files, numbered from 1 in the order of the run's images."""
    from PIL import Image

    folder.mkdir(parents=True)
    for number, labels in enumerate(maps, 1):
        with replacing(folder / f"{number:06d}.png") as part:
            Image.fromarray(np.ascontiguousarray(labels.labels, np.uint8)).save(part, "PNG", optimize=True)
