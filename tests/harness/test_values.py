"""The values that a plan is made of: what they are keyed by, what travels, and keys that never change."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares

from benchmarks.api import METRICS
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline, Processes
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.jobs import Item, Job
from benchmarks.harness.keys import identity, key_of, metric_identity, prediction_key, score_key, stream_key
from benchmarks.harness.plan import cell_id
from benchmarks.harness.reader_truth import ReaderTruth
from benchmarks.harness.readers import Reader, ReaderName, latent_names
from hsc.devices import current_device, use_device

CODEC = {"name": "blocks", "config": {"size": 4}, "provenance": {"code": "blocks-1"}}
HEAD = {"name": "squares", "config": {"threshold": 120}, "provenance": {"version": "1"}}
METRIC = {"name": "coco_ap", "version": "1"}
TRUTH = {"dataset": {"name": "squares"}, "revision": "1", "pseudo": [], "classes": ("square",), "map": {}, "merge": {}}


def done(tmp_path: Path) -> Outcome:
    heads = [FindSquares(), GridSquares()]
    config = configure("detection", Squares(images=3), [Blocks(4), Grid()], heads, anchors=[], resamples=0)
    return run(config, cache=tmp_path / "cache", executor=Inline())


def test_keys_are_those_of_every_cache_that_was_ever_made() -> None:
    stream = stream_key("a" * 64, CODEC)
    prediction = prediction_key(stream, "latent", HEAD)
    assert stream == "e8134044bba1dcc0a4f4da321e74f9aaf574e03043001eb2819b58e66c898e02"
    assert prediction == "a017887a863e8a4be0c02f258ecbc83f60a49a8b9db8e3e26ccb6aed30220321"
    score = score_key([prediction, stream], METRIC, TRUTH)
    assert score == "0965581a8a0ea1e1136aceddfd78914ec6761fab4c44496c38faafa01a5c87a7"


def test_a_plan_keys_its_results_by_pixels_codec_route_and_head(tmp_path: Path) -> None:
    plan = done(tmp_path).plan
    by_name = {reader.name: reader for reader in plan.config.readers}
    assert list(by_name) == [ReaderName("squares", "image"), ReaderName("grid_squares", "latent")]
    for cell in plan.cells:
        assert list(cell.streams) == [stream_key(image.pixels.sha256, identity(cell.codec)) for image in plan.images]
        assert cell.id == key_of(list(cell.streams))[:12]
        for name, keys in cell.predictions.items():
            head = identity(by_name[name].head)
            assert list(keys) == [prediction_key(key, name.route, head) for key in cell.streams]
            assert cell_id(cell, name) == key_of(list(keys))[:12]
    assert {cell.curve: list(cell.predictions) for cell in plan.cells} == {
        "original": [("squares", "image")],
        "blocks": [("squares", "image")],
        "grid": [("squares", "image"), ("grid_squares", "latent")],
    }


def test_scores_are_kept_under_predictions_metric_and_truth(tmp_path: Path) -> None:
    plan = done(tmp_path).plan
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        for reader in plan.config.readers:
            truth = ReaderTruth(plan, store, reader)
            for cell in plan.cells_of(reader):
                metric = metric_identity(METRICS.build("coco_ap"))
                assert store.scores(score_key(cell.predictions[reader.name], metric, truth.identity))


def test_a_run_of_equal_parts_finds_everything_in_the_cache(tmp_path: Path) -> None:
    first = done(tmp_path)
    again = done(tmp_path)
    assert (first.plan.todo, again.plan.todo) == (9, 0)


@pytest.mark.parametrize("device", ["cpu", "cuda:7"])
def test_the_current_device_travels_with_each_job(device: str) -> None:
    executor = Processes(1)
    with use_device(device):
        travelled = [answer for _, answer, _ in executor.run(device_of, ["job", "job"])]
    assert travelled == [device, device]
    with use_device("cuda:1"):  # a worker that is used again forgets the device of the run before
        assert [answer for _, answer, _ in executor.run(device_of, ["job"])] == ["cuda:1"]
    executor.close()


def device_of(job: str) -> str:
    return current_device()


def test_a_run_leaves_no_device_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_DEVICE", "cuda:5")
    outcome = done(tmp_path)
    assert outcome.plan.conditions is not None
    assert outcome.plan.conditions.device == "cpu"
    assert current_device() == "cuda:5"


def job(*readers: Reader, images: int = 1) -> Job:
    names = tuple(reader.name for reader in readers)
    items = tuple(
        Item(IndexedImage(n, f"{n}", Pixels("a" * 64, (8, 9), None)), None, True, names) for n in range(images)
    )
    return Job(0, Squares(), Grid(), readers, items, 1, latent_names(readers))


def test_a_job_is_split_by_image_and_then_by_the_reader_at_work() -> None:
    squares, grid = Reader("squares", FindSquares(), "image"), Reader("grid", GridSquares(), "latent")
    whole = job(squares, grid, images=2)
    assert [part.items for part in whole.parts(grid.name)] == [(item,) for item in whole.items]
    (one, *_) = whole.parts(grid.name)
    others, alone = one.parts(grid.name)
    assert [(part.items[0].code, part.items[0].readers) for part in (others, alone)] == [
        (True, (squares.name,)),
        (False, (grid.name,)),
    ]
    assert alone.parts(grid.name) == []
    assert one.parts(None) == []


def test_names_of_readers_survive_the_way_to_a_worker_and_latents_are_those_of_latent_readers() -> None:
    squares, grid = Reader("squares", FindSquares(), "image"), Reader("grid", GridSquares(), "latent")
    assert pickle.loads(pickle.dumps(grid.name)) == ("grid", "latent") == grid.name
    assert latent_names([squares]) == ()
    assert latent_names([squares, grid]) == tuple(sorted(spec.name for spec in GridSquares().needs))
