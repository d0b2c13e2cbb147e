"""What scoring costs at the size of COCO and beyond: CPU seconds and peaks of memory, on generated labels and boxes.

Each figure is a function that is run in a fresh process (``measured``), since a process's peak never falls.
``scripts/scale`` prints them as a table.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, Truth
from benchmarks.formats.coco_json import read_coco
from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Processes
from benchmarks.harness.keys import key_of, prediction_keys, stream_keys
from benchmarks.harness.label_maps import LabelMaps, packed_maps
from benchmarks.harness.packed_predictions import PackedPredictions, Relabelling
from benchmarks.harness.scoring_job import ScoringJob, Wanted, work_out
from benchmarks.harness.shared_values import Filed, Held, filed
from benchmarks.stats.bootstrap import Bootstrap, Draws
from benchmarks.studies.counters import resident_bytes
from downstream.api import VOID, Detections, SegmentationMap, to_bytes

CLASSES = tuple(f"class {number}" for number in range(80))
OBJECTS = 7.3
"""Labelled objects in a picture on average, as in COCO val2017."""
BOXES = 85
"""Detections in a picture."""
RESAMPLES = 1000
MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One line of the table. cpu_s: CPU seconds of the process. peak_mib: its largest resident size, of which start_mib
    was taken by the program itself before it began.
    """

    name: str
    pictures: int
    cpu_s: float
    peak_mib: float
    start_mib: float


def measured(name: str, pictures: int) -> Figure:
    """A figure, taken in a process of its own."""
    code = "import sys; from benchmarks.studies import scale; print(scale.taken(sys.argv[1], int(sys.argv[2])))"
    line = [sys.executable, "-c", code, name, str(pictures)]
    return Figure(**json.loads(_ran(line).splitlines()[-1]))


def _ran(line: list[str]) -> str:
    """The output of a process that imports what this one can."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def taken(name: str, pictures: int) -> str:
    """A figure of this process, as JSON."""
    with tempfile.TemporaryDirectory(prefix="hsc-scale-") as folder:
        work = FIGURES[name](pictures, Path(folder))
        start_mib, before = resident_bytes("VmRSS") / MIB, time.process_time()
        work()
        cpu_s = time.process_time() - before
    return json.dumps(dataclasses.asdict(Figure(name, pictures, cpu_s, resident_bytes("VmHWM") / MIB, start_mib)))


def labels(pictures: int) -> CocoTable:
    """Labelled boxes of pictures of 640 x 480: a few objects each, of at most three classes."""
    random = np.random.default_rng(0)
    counts = random.poisson(OBJECTS, pictures)
    image_ids = np.repeat(np.arange(1, pictures + 1), counts)
    classes = random.integers(1, len(CLASSES) + 1, (pictures, 3))[image_ids - 1, random.integers(0, 3, len(image_ids))]
    boxes = np.concatenate(
        [random.uniform(0, 400, (len(image_ids), 2)), np.exp(random.uniform(2, 5.5, (len(image_ids), 2)))], 1
    )
    images = tuple(
        {"id": number, "file_name": "picture.png", "width": 640, "height": 480} for number in range(1, pictures + 1)
    )
    categories = tuple({"id": number, "name": name} for number, name in enumerate(CLASSES, 1))
    crowd = random.random(len(image_ids)) < 0.01
    return CocoTable(images, categories, image_ids, classes, boxes, boxes[:, 2] * boxes[:, 3] * 0.6, crowd)


def detections(table: CocoTable) -> Iterator[bytes]:
    """Packed detections of each picture: the half of them near its objects, the others anywhere."""
    random = np.random.default_rng(1)
    ends = np.searchsorted(table.image_ids, np.arange(1, len(table.images) + 2))
    for first, last in itertools.pairwise(ends):
        boxes = np.concatenate([random.uniform(0, 400, (BOXES, 2)), np.exp(random.uniform(2, 5.5, (BOXES, 2)))], 1)
        classes = random.integers(0, len(CLASSES), BOXES)
        if last > first:
            near = random.integers(first, last, BOXES // 2)
            boxes[: BOXES // 2] = table.boxes[near] + random.normal(0, 5, (BOXES // 2, 4))
            classes[: BOXES // 2] = table.category_ids[near] - 1
        boxes[:, 2:] = boxes[:, :2] + np.maximum(boxes[:, 2:], 1)
        yield to_bytes(Detections(boxes.astype(np.float32), random.random(BOXES).astype(np.float32), classes))


def scoring(pictures: int, folder: Path) -> Callable[[], None]:
    """A worker scores one cell of boxes, with resamples; unpacking is in it, starting up and compiling are not."""

    def job(table: CocoTable, resamples: int) -> ScoringJob:
        truth = Truth(tuple(str(image["id"]) for image in table.images), CLASSES, table)
        wanted = (Wanted(METRICS.build("coco_ap"), scores=True, samples=True, counts=False),)
        packed = PackedPredictions(tuple(detections(table)))
        return ScoringJob(0, Held(truth), packed, wanted, Draws(len(table.images), resamples, 0))

    work_out(job(labels(20), 2))
    whole = job(labels(pictures), RESAMPLES)
    return lambda: _checked(work_out(whole))


class GeneratedMaps:
    """Label maps of 640 x 480 with a few blocks."""

    def label_map(self, index: int) -> SegmentationMap:
        random = np.random.default_rng(index)
        plane = np.zeros((480, 640), np.uint8)
        for left, top, width, height in random.integers(10, 300, (12, 4)):
            plane[top : top + height, left : left + width] = random.integers(0, 20)
        return SegmentationMap(plane)


def label_maps(pictures: int, folder: Path) -> Callable[[], None]:
    """The driver has label maps packed by workers, and has one cell scored against them."""
    keys, maps = [str(number) for number in range(pictures)], GeneratedMaps()
    whole = Relabelling(np.where(np.arange(256) < 20, np.arange(256), VOID).astype(np.uint8))
    with Store(folder / "store.sqlite") as store:
        for key in keys:
            store.add({}, {key: to_bytes(maps.label_map(int(key) + 1))}, {})

    def work() -> None:
        executor = Processes(2)
        with Store(folder / "store.sqlite") as store:
            truth = Truth(
                tuple(keys), CLASSES[:20], maps=packed_maps(LabelMaps(maps, tuple(range(pictures)), whole), executor)
            )
            with executor.share(truth) as shared:
                known = store.packed(keys)
                packed = PackedPredictions(tuple(known[key] for key in keys), whole)
                wanted = (Wanted(METRICS.build("confusion"), scores=True, samples=True, counts=True),)
                job = ScoringJob(0, shared, packed, wanted, Draws(pictures, RESAMPLES, 0))
                for _, numbers, died in executor.run(work_out, [job]):
                    _checked(numbers or died)
        executor.close()

    return work


def driver(pictures: int, folder: Path) -> Callable[[], None]:
    """The driver reads a label file, makes the keys of two cells with three heads, and resamples their rates."""
    _ran([sys.executable, "-c", _WRITE, "labels.json", str(pictures), str(folder)])
    hashes = [key_of(number) for number in range(pictures)]

    def work() -> None:
        table = read_coco(folder / "labels.json", folder).table
        for quality in (10, 20):
            streams = stream_keys(hashes, {"name": "jpeg", "quality": quality})
            for head in range(3):
                key_of(list(prediction_keys(streams, "image", {"name": "head", "number": head})))
        Bootstrap(pictures, RESAMPLES, 0).rate(range(9, pictures + 9), [640 * 480] * pictures)
        with filed(table):
            pass

    return work


def worker(pictures: int, folder: Path) -> Callable[[], None]:
    """A worker takes the shared labels of all pictures and goes through all draws."""
    _ran([sys.executable, "-c", _WRITE, "labels.pickle", str(pictures), str(folder)])

    def work() -> None:
        shared: CocoTable = Filed[CocoTable](str(folder / "labels.pickle")).get()
        sums = [int(part.sum()) for part in Draws(pictures, RESAMPLES, 0).blocks()]
        assert len(shared.images) == pictures
        assert sum(sums) == RESAMPLES * pictures

    return work


FIGURES: dict[str, Callable[[int, Path], Callable[[], None]]] = {
    "scoring": scoring,
    "label_maps": label_maps,
    "driver": driver,
    "worker": worker,
}
"""What can be measured, by name: each prepares its inputs, and gives the work that is measured."""

_WRITE = "import sys; from benchmarks.studies import scale; scale.write(*sys.argv[1:])"


def write(name: str, pictures: str, folder: str) -> None:
    """Write generated labels.

    name: "labels.json" for a COCO label file in which each box has a polygon of twenty corners, beside the picture that
    all images name; "labels.pickle" for labels as the driver shares them.
    """
    table, place = labels(int(pictures)), Path(folder)
    if name == "labels.pickle":
        (place / name).write_bytes(pickle.dumps(table))
        return
    (place / "picture.png").touch()
    polygon: npt.NDArray[Any] = np.round(np.random.default_rng(2).uniform(0, 400, 40), 2)
    with (place / name).open("w") as file:
        file.write(f'{{"images": {json.dumps(table["images"])}, "categories": {json.dumps(table["categories"])}, ')
        file.write('"annotations": [')
        drawn = json.dumps([polygon.tolist()])
        columns = (table.image_ids, table.category_ids, table.boxes, table.areas, table.crowd)
        for number, (image, category, box, area, crowd) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            file.write(
                f'{", " * bool(number)}{{"id": {number + 1}, "image_id": {image}, "category_id": {category}, '
                f'"bbox": {box}, "area": {area}, "iscrowd": {int(crowd)}, "segmentation": {drawn}}}'
            )
        file.write("]}")


def _checked(numbers: Any) -> None:
    """Refuse a figure of work that failed."""
    if not isinstance(numbers, list):
        raise RuntimeError(f"the work that was to be measured failed: {numbers}")
