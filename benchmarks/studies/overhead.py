"""What a run spends that a bare loop over the same pictures does not: CPU seconds of both, taken in turns.

Both sides work on the same generated pictures, in rounds: first the run's way, then the other. The first round warms up
and does not count, so starting, imports and loading are left out. ``scripts/scale`` prints the ratios.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS, Truth
from benchmarks.harness.cache import Store
from benchmarks.harness.config import Config
from benchmarks.harness.execute import Coder, run_plan
from benchmarks.harness.executors import Executor, Inline, Processes
from benchmarks.harness.index_images import index_images
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.jobs import Item, Job
from benchmarks.harness.make_plan import make_plan
from benchmarks.harness.measure import measure
from benchmarks.harness.operating_points import Curve, curves
from benchmarks.harness.plan import stream_records
from benchmarks.harness.progress import Silent
from benchmarks.harness.readers import Reader
from benchmarks.harness.scorer import score
from benchmarks.harness.torch_threads import one_thread
from benchmarks.imaging.image_arrays import pixels_sha256
from benchmarks.stats.bootstrap import Bootstrap
from downstream.api import HEADS
from hsc.networks.network_holder import HOLDER
from hsc.registry import Spec, parse_spec

CLASSES = ("car", "bus", "pedestrian", "bicyclist", "sign")
"""Those that the detectors of this project know."""
HEIGHT, WIDTH = 360, 480
QUALITIES = (5, 10, 20, 35, 50, 75)
HEAD = "small"
THREE_HEADS = ("small", "small(arch=hourglass)", "small_adapted(arch=hourglass)")
JOBS = 8
ROUNDS = 3
_SETTINGS_OF_THE_BENCH = {"jpeg": "optimize=False", "webp": "method=4"}
"""Pillow's defaults, at which CompressAI's bench calls it."""


@dataclass(frozen=True)
class Ratio:
    """One line of the table. run_s, other_s: CPU seconds that the run and the other way took; pictures: of a round,
    each at every operating point.
    """

    name: str
    pictures: int
    run_s: float
    other_s: float

    @property
    def ratio(self) -> float:
        return self.run_s / self.other_s


def write_pictures(folder: Path, first: int, count: int) -> Path:
    """Write smooth noise as PNG files, and a COCO label file with a few boxes in each. Returns the label file."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        coarse = PIL.Image.fromarray(random.integers(0, 256, (HEIGHT // 12, WIDTH // 12, 3), np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), PIL.Image.Resampling.BICUBIC), np.int16)
        pixels = np.clip(smooth + random.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number + 1, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
        for left, top, width, height in random.uniform(10, 150, (6, 4)).round(1).tolist():
            box = {"bbox": [left, top, width, height], "area": width * height, "iscrowd": 0, "image_id": number + 1}
            annotations.append({"id": len(annotations) + 1, "category_id": int(random.integers(1, 6)), **box})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    labels = folder / f"labels{first}.json"
    labels.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))
    return labels


def taken(name: str, pictures: int, folder: Path) -> Ratio:
    """A ratio, by its name in ``RATIOS``. folder: where pictures and caches go.

    Raises:
        ImportError: CompressAI is compared with, and is not installed.
    """
    ways = RATIOS[name]()
    took = np.zeros(2)
    executor = Processes(1)
    try:
        for number in range(ROUNDS + 1):
            work = Round(folder, write_pictures(folder, number * pictures, pictures), executor)
            took += np.array([_cpu_s(work, way) for way in ways]) * (number > 0)
    finally:
        executor.close()
    return Ratio(name, pictures, *took.tolist())


class Round(NamedTuple):
    """The pictures of one round: their folder and label file, and the executor that a run uses."""

    folder: Path
    labels: Path
    executor: Executor

    @property
    def dataset(self) -> Any:
        """The pictures as a data set."""
        return DATASETS.build(Spec("coco", {"images": str(self.folder), "annotations": str(self.labels)}))

    @property
    def store(self) -> Store:
        """A new cache."""
        return Store(self.folder / self.labels.stem / "store.sqlite")


Way = Callable[[Round], object]


def _cpu_s(work: Round, way: Way) -> float:
    """CPU seconds of this process and of its children, also of those that go on."""
    before = _of_all()
    way(work)
    return _of_all() - before


def _of_all() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended since
            fields = stat.read_text().rpartition(")")[2].split()
            alive += (int(fields[11]) + int(fields[12])) * (int(fields[1]) == os.getpid())
    return time.process_time() + ended.ru_utime + ended.ru_stime + alive / os.sysconf("SC_CLK_TCK")


def _against_a_loop() -> tuple[Way, Way]:
    """A run of JPEG at six qualities with one head, against a loop that reads, codes, decodes, detects and scores."""
    line: Sequence[Curve] = curves(["original", f"jpeg(quality={list(QUALITIES)})"])
    head: Any = HEADS.build(parse_spec(HEAD))

    def run(work: Round) -> None:
        config = Config(TASKS.build("detection"), work.dataset, tuple(line), (Reader(HEAD, head, "image"),))
        with work.store as store:
            plan = make_plan(config, store, work.executor, Silent())
            run_plan(plan, store, work.executor, Silent())
            hashes = [image.pixels.sha256 for image in plan.images]
            rows = score(plan, store, Bootstrap.of(hashes, 0, 0), work.executor, Silent()).rows
        assert sum(row.metric == "ap" and not row.part for row in rows) == len(QUALITIES) + 1

    def loop(work: Round) -> None:
        dataset, codecs = work.dataset, [point.codec for curve in line for point in curve.points]
        predictions: list[list[Any]] = [[] for _ in codecs]
        with one_thread():
            for index in range(len(dataset)):
                image = dataset.load(index).image
                for codec, answers in zip(codecs, predictions, strict=True):
                    answers.extend(head.predict([codec.decode(codec.encode(image))]))
        truth = Truth(tuple(dataset.image_ids()), CLASSES, dataset.coco())
        for answers in predictions:
            METRICS.build("coco_ap").compute(truth, answers)

    return run, loop


def _against_compressai(name: str) -> tuple[Way, Way]:
    """A codec's rates and PSNR, against CompressAI's bench of the same codec with PSNR alone."""
    from compressai.utils.bench import codecs as bench

    (line,) = curves([f"{name}(quality={list(QUALITIES)}, {_SETTINGS_OF_THE_BENCH[name]})"])
    theirs = {"jpeg": bench.JPEG, "webp": bench.WebP}[name](None)

    def run(work: Round) -> None:
        config = Config(TASKS.build("reconstruction"), work.dataset, (line,), ())
        with work.store as store:
            images = index_images(config, store, work.executor, Silent())
            plan = Coder(config, images, store, work.executor, Silent()).code([line])
            assert all(len(stream_records(plan, cell, store)[0]) == len(images) for cell in plan.cells)

    def loop(work: Round) -> None:
        names = [image["file_name"] for image in work.dataset.coco()["images"]]
        with one_thread():
            for quality in QUALITIES:
                for file in names:
                    theirs.run(str(work.folder / file), quality, ["psnr-rgb"])

    return run, loop


RATIOS: dict[str, Callable[[], tuple[Way, Way]]] = {
    "loop": _against_a_loop,
    "jpeg": lambda: _against_compressai("jpeg"),
    "webp": lambda: _against_compressai("webp"),
}
"""What a run is compared with, by name: each gives the run's way and the other."""


def loads(folder: Path, jobs: int = JOBS) -> int:
    """How many networks a worker loads for so many jobs with three heads of one kind."""
    work = Round(folder, write_pictures(folder, 0, jobs), Inline())
    dataset = work.dataset
    readers = tuple(Reader(spec, HEADS.build(parse_spec(spec)), "image") for spec in THREE_HEADS)
    codec = CODECS.build(parse_spec("jpeg"))
    items = []
    for index in range(jobs):
        image = dataset.load(index).image
        pixels = Pixels(pixels_sha256(image), image.shape[:2], None)
        indexed = IndexedImage(index, dataset.image_ids()[index], pixels)
        items.append(Item(indexed, None, code=True, readers=tuple(reader.name for reader in readers)))
    HOLDER.clear()
    before = HOLDER.loads
    for _, answers, _ in work.executor.run(measure, (Job(0, dataset, codec, readers, (item,)) for item in items)):
        assert answers is not None
        assert all(len(answer.readings) == len(readers) for answer in answers)
    return HOLDER.loads - before
