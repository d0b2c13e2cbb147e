"""Scoring as jobs: the same numbers wherever they are worked out, labels and predictions unpacked one at a time, and
what a job needs travels with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from metric_testkit import Miscount

from benchmarks.api import METRICS, MetricFacts, Score, Tallied, Truth
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Executor, Inline, Processes
from benchmarks.harness.label_maps import LabelMaps, packed_maps
from benchmarks.harness.packed_predictions import PackedPredictions, Relabelling
from benchmarks.harness.scoring_job import MetricNumbers, ScoringJob, Wanted, work_out
from benchmarks.harness.shared_values import Filed, Held, filed
from benchmarks.harness.surroundings import Surroundings
from benchmarks.harness.worker import step
from benchmarks.stats.bootstrap import Draws
from downstream.api import NO_CLASS, VOID, Classification, Detections, Prediction, SegmentationMap, to_bytes
from hsc.devices import current_device, use_device
from hsc.errors import AnnotationError, HscError, PluginError

IMAGES = 12
DRAWS = Draws(IMAGES, 40, 7)


def cell() -> tuple[Truth, PackedPredictions]:
    """What the head of the testkit finds in its squares, halved by the codec, and their labels."""
    data = Squares(IMAGES)
    codec = Blocks(8)
    seen = FindSquares().predict([codec.decode(codec.encode(data.load(i).image)) for i in range(IMAGES)])
    truth = Truth(tuple(data.image_ids()), ("square", "unseen"), data.coco())
    return truth, PackedPredictions(tuple(map(to_bytes, seen)))


def worked_out(metric: Any, executor: Executor) -> MetricNumbers:
    truth, predictions = cell()
    with executor.share(truth) as shared:
        jobs = [ScoringJob(3, shared, predictions, (Wanted(metric, True, True, False),), DRAWS)]
        ((job, answer, died),) = executor.run(work_out, jobs)
    assert died is None
    assert job.cell == 3
    assert not isinstance(answer, HscError)
    assert answer is not None
    return answer[0]


@pytest.mark.parametrize("metric", [METRICS.build("coco_ap"), Miscount()], ids=["tallied", "plain"])
def test_a_job_gives_the_numbers_of_its_metric(metric: Any) -> None:
    truth, predictions = cell()
    numbers = worked_out(metric, Inline())
    assert isinstance(metric, Tallied) == (metric != Miscount())
    assert repr(numbers.scores) == repr(metric.compute(truth, list(predictions)))  # NaN equals itself as text
    expected = metric.resample(truth, list(predictions), DRAWS.whole())
    assert numbers.samples is not None
    assert numbers.samples.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(numbers.samples[name], values)
        assert len(set(values.tolist())) > 5
    assert numbers.counts is None


class OnlyHalf(type(METRICS.build("coco_ap"))):  # type: ignore[misc]
    """Somebody's change of a metric that knows nothing of tallies."""

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return [Score("ap", 0.5)]


def test_a_subclass_that_changes_its_scores_alone_has_them() -> None:
    assert worked_out(OnlyHalf(), Inline()).scores == [Score("ap", 0.5)]


@pytest.mark.slow
def test_a_job_gives_the_same_numbers_in_a_process_of_its_own() -> None:
    processes = Processes(1)
    try:
        for metric in (METRICS.build("coco_ap"), Miscount()):
            here, there = worked_out(metric, Inline()), worked_out(metric, processes)
            assert repr(there.scores) == repr(here.scores)
            np.testing.assert_equal(dict(there.samples or {}), dict(here.samples or {}))
    finally:
        processes.close()


@dataclass(frozen=True)
class Breaks:
    """A metric that raises, or ends its process, where boxes lack: at the coarse point of ``Blocks``."""

    error: str = "raise"

    output: ClassVar[type[Prediction]] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = {"whole": MetricFacts(main=True)}

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        boxes = sum(len(one.scores) for one in predictions)
        if boxes < len((truth.coco or {})["annotations"]) // 2:
            if self.error == "exit":
                os._exit(3)
            raise {"raise": RuntimeError, "refuse": AnnotationError}[self.error]("it does not like this")
        return [Score("whole", 1.0)]


def outcome(metric: Any, folder: Path, executor: Executor) -> dict[tuple[str, str], tuple[str, str]]:
    """Status and reason of each point's own score by the metric."""
    codecs = [Blocks(48), Blocks(4)]
    config = configure(
        "detection", Squares(3), codecs, [FindSquares()], anchors=[], resamples=0, metrics=[metric], noise_floor=False
    )  # type: ignore[arg-type]
    rows = run(config, cache=folder, executor=executor).score_rows
    rows = [row for row in rows if row.head and (row.metric == "whole" or row.status != "ok")]
    return {(row.codec, row.point): (row.status, row.reason) for row in rows}


def test_a_metric_that_breaks_fails_its_own_points_alone(tmp_path: Path) -> None:
    found = outcome(Breaks(), tmp_path, Inline())
    assert found["blocks", "size=4"] == found["original", ""] == ("ok", found["original", ""][1])
    status, reason = found["blocks", "size=48"]
    assert status == "failed"
    assert reason.startswith("it cannot be scored: RuntimeError: it does not like this")


def test_a_metric_that_refuses_its_labels_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="it does not like this"):
        outcome(Breaks("refuse"), tmp_path, Inline())


@pytest.mark.slow
def test_a_metric_that_ends_its_process_fails_its_own_points_alone(tmp_path: Path) -> None:
    processes = Processes(1)
    try:
        found = outcome(Breaks("exit"), tmp_path, processes)
    finally:
        processes.close()
    assert found["blocks", "size=4"][0] == found["original", ""][0] == "ok"
    assert found["blocks", "size=48"] == (
        "failed",
        "it cannot be scored: the worker process died: it exited with status 3",
    )


# Label maps and predictions, one at a time


class Maps:
    """Label maps of a few images, which counts those that are read. broken: the image whose map is not."""

    def __init__(self, broken: int = -1) -> None:
        self.broken, self.read = broken, 0

    def label_map(self, index: int) -> SegmentationMap:
        if index == self.broken:
            raise ValueError("no map")
        self.read += 1
        return SegmentationMap(np.full((6, 8), index % 3, np.uint8))


TABLE = np.full(256, NO_CLASS, np.uint16)
TABLE[:3] = (1, 0, NO_CLASS)


def test_label_maps_are_read_when_they_are_asked_for() -> None:
    data = Maps()
    maps = LabelMaps(data, tuple(range(40)), Relabelling(TABLE))
    assert (len(maps), data.read) == (40, 0)
    assert [int(maps[place].labels[0, 0]) for place in (0, 1, 2, 39)] == [1, 0, VOID, 1]
    assert data.read == 4
    packed = packed_maps(maps, Inline())
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(packed, maps, strict=True))
    assert sum(map(len, packed.data)) < 40 * 200


def test_a_label_map_that_cannot_be_read_has_its_own_error() -> None:
    with pytest.raises(PluginError, match="ValueError: no map"):
        packed_maps(LabelMaps(Maps(broken=33), tuple(range(40)), Relabelling(TABLE)), Inline())


def test_predictions_are_relabelled_as_they_are_unpacked() -> None:
    boxes = Detections(np.eye(3, 4, dtype=np.float32), np.array([0.3, 0.2, 0.1], np.float32), np.array([2, 1, 0]))
    labels = SegmentationMap(np.arange(4, dtype=np.uint8).reshape(2, 2))
    packed = PackedPredictions((to_bytes(boxes), to_bytes(labels)), Relabelling(TABLE))
    assert packed[0].labels.tolist() == [0, 1]
    assert packed[0].scores.tolist() == boxes.scores[1:].tolist()
    assert packed[-1].labels.tolist() == [[1, 0], [VOID, VOID]]
    assert [type(one) for one in packed] == [Detections, SegmentationMap]
    assert len(packed[1:]) == 1


def test_rankings_are_relabelled_and_filled_up_from_behind() -> None:
    """Two classes that are scored as one have the rank of the likelier; a class that has none there goes."""
    table = np.full(256, NO_CLASS, np.uint16)
    table[[0, 1, 3]] = (7, 5, 7)
    ranking = np.array([[3, 2, 0, 1], [2, NO_CLASS, NO_CLASS, NO_CLASS], [1, 3, 0, 2]], np.uint16)
    packed = PackedPredictions((to_bytes(Classification(ranking)),), Relabelling(table))
    assert packed[0].ranking.tolist() == [[7, 5], [NO_CLASS, NO_CLASS], [5, 7]]
    assert packed[0].ranking.dtype == np.uint16


# What travels with a job


def test_a_shared_value_is_read_once_and_its_file_goes() -> None:
    with filed({"truth": 1}) as handle:
        assert isinstance(handle, Filed)
        assert handle.get() == {"truth": 1}
        assert handle.get() is handle.get()
        path = Path(handle.path)
        assert path.exists()
    assert not path.exists()
    with Inline().share("truth") as held:
        assert isinstance(held, Held)
        assert held.get() == "truth"


def test_surroundings_come_along_and_go_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_DATA", "far")
    monkeypatch.setenv("HSC_WORKER", "other")
    with use_device("cuda:3"):
        far = Surroundings.here()
    monkeypatch.setenv("HSC_DATA", "near")
    monkeypatch.setenv("HSC_WORKER", "own")
    monkeypatch.setenv("HSC_CLASS_MAPS", "maps.toml")
    before = current_device()
    with far.applied():
        here = {name: os.environ.get(name) for name in ("HSC_DATA", "HSC_WORKER", "HSC_CLASS_MAPS")}
        assert here == {"HSC_DATA": "far", "HSC_WORKER": "own", "HSC_CLASS_MAPS": None}
        assert current_device() == "cuda:3"
    assert (os.environ["HSC_DATA"], os.environ["HSC_CLASS_MAPS"], current_device()) == ("near", "maps.toml", before)


def settings(job: str) -> str | None:
    return os.environ.get(job)


def test_a_worker_has_the_settings_of_the_process_that_sends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(1)

    def asked() -> Iterator[str | None]:
        return (answer for _, answer, _ in processes.run(settings, ["HSC_DATA"]))

    try:
        monkeypatch.setenv("HSC_DATA", "one")
        assert list(asked()) == ["one"]
        monkeypatch.setenv("HSC_DATA", "two")  # the same worker, started before
        assert list(asked()) == ["two"]
        monkeypatch.delenv("HSC_DATA")
        assert list(asked()) == [None]
    finally:
        processes.close()


def waits_long(job: int) -> int:
    step(job)
    return job


def test_a_limit_of_months_is_waited_for_in_pieces() -> None:
    processes = Processes(1)
    try:
        assert [answer for _, answer, _ in processes.run(waits_long, [1_000_000])] == [1_000_000]
    finally:
        processes.close()
