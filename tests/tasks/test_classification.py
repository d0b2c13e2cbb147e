"""The task classification through the harness: scenes coded and crops classified, crops coded, agreement, classes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from class_testkit import LEVELS, SHADES, Shades, TellShade
from hsc_testkit import Blocks

from benchmarks.api import TASKS, Sample
from benchmarks.datasets.images import Images
from benchmarks.datasets.mismatched import Mismatched
from benchmarks.datasets.object_crops import ObjectCrops
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.runs.prediction_files import write
from hsc.errors import DataError, UsageError

SCENES = ObjectCrops("shades", min_side=8)
CROPS = ObjectCrops("shades", coded="crop", min_side=8)


def outcome(
    tmp_path: Path, dataset: Any, head: Any = None, codecs: Any = None, task: str = "classification"
) -> Outcome:
    config = configure(task, dataset, codecs or [Blocks(16), Blocks(2)], [head or TellShade()], anchors=[])
    return run(config, cache=tmp_path, executor=Inline())


def value(table: pd.DataFrame, metric: str, codec: str = "original", point: str = "", part: str = "") -> float:
    wanted = {"metric": metric, "codec": codec, "point": point, "part": part, "status": "ok"}
    found = table[np.logical_and.reduce([table[column] == text for column, text in wanted.items()])]
    (number,) = found["value"]
    return float(number)


def expected_top(size: int, rank: int) -> float:
    """The share of squares whose shade is among the first ``rank``, by decoding each scene once more in plain loops."""
    codec, right, squares = Blocks(size), 0, 0
    for index in range(12):
        decoded = codec.decode(codec.encode(Shades().load(index).image))
        for left, top, side, shade in Shades().squares(index):
            grown = 0.15 * side
            x0, y0 = max(0, int(np.floor(left - grown))), max(0, int(np.floor(top - grown)))
            x1, y1 = min(148, int(np.ceil(left + side + grown))), min(32, int(np.ceil(top + side + grown)))
            grey = decoded[y0 + (y1 - y0) // 2, x0 + (x1 - x0) // 2].mean()
            order = sorted(range(7), key=lambda label, grey=grey: (abs(float(LEVELS[label]) - grey), label))
            right, squares = right + (shade in order[:rank]), squares + 1
    return right / squares


def test_the_scene_is_coded_and_the_crop_is_classified(tmp_path: Path) -> None:
    table = outcome(tmp_path, SCENES).scores
    assert value(table, "top1") == value(table, "top5") == 1.0
    for size in (16, 2):
        for rank, metric in ((1, "top1"), (5, "top5")):
            assert value(table, metric, "blocks", f"size={size}") == pytest.approx(expected_top(size, rank))
    assert value(table, "top1", "blocks", "size=16") < 1.0
    rows = table[(table["metric"] == "top1") & (table["part"] == "") & (table["codec"] == "blocks")]
    assert (rows["images"] == 12).all()
    assert (rows["low"] <= rows["value"]).all()  # resamples draw scenes
    assert (rows["value"] <= rows["high"]).all()
    original = Shades().load(0).image
    sizes = [len(Blocks(2).encode(Shades().load(i).image)) for i in range(12)]
    assert value(table, "bpp", "blocks", "size=2") == pytest.approx(8 * sum(sizes) / (12 * original[..., 0].size))


def test_crops_are_coded_one_by_one(tmp_path: Path) -> None:
    result = outcome(tmp_path, CROPS)
    assert len(result.plan.images) == sum(len(Shades().squares(i)) for i in range(12))
    assert value(result.scores, "top1") == 1.0
    assert any("scenes" in notice for notice in result.plan.notices)
    assert CROPS.image_ids()[:2] == ["shades-0#0", "shades-0#1"]


def test_regions_are_in_the_key_of_a_prediction(tmp_path: Path) -> None:
    datasets = [ObjectCrops("shades", margin=margin, min_side=8) for margin in (0.15, 0.3)]
    cells = [outcome(tmp_path, dataset, codecs=[Blocks(2)]).plan.cells[1] for dataset in datasets]
    keys, streams = [next(iter(cell.predictions.values())) for cell in cells], [cell.streams for cell in cells]
    assert list(streams[0]) == list(streams[1])  # scenes are coded once
    with_objects = [i for i in range(12) if Shades().squares(i)]
    assert all(keys[0][i] != keys[1][i] for i in with_objects)


def test_a_head_is_scored_on_the_classes_that_it_knows(tmp_path: Path) -> None:
    """It knows five of seven shades: the objects of the others are left out, and of five classes there is no top-5."""
    result = outcome(tmp_path, SCENES, TellShade(5))
    parts = set(result.scores[result.scores["metric"] == "top1"]["part"])
    assert parts == {"", *SHADES.classes[:5]}
    assert "top5" not in set(result.scores["metric"])
    assert any("top-5" in notice for notice in result.plan.notices)
    assert value(result.scores, "top1") == 1.0


class NothingFirst(ObjectCrops):
    """Nothing is to be classified in the first scene."""

    def regions(self, index: int) -> Any:
        return () if index == 0 else super().regions(index)

    def class_labels(self, index: int) -> Any:
        return super().class_labels(index)[: len(self.regions(index))]


class Breaks(TellShade):
    def predict(self, images: Any) -> Any:
        raise RuntimeError("no such layer")


def test_a_head_that_reads_no_original_is_told_with_the_image_that_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read an original, shades-1: RuntimeError: no such layer"):
        outcome(tmp_path, NothingFirst("shades", min_side=8), Breaks())


def test_without_labels_the_answers_on_the_originals_stand_in(tmp_path: Path) -> None:
    from PIL import Image

    for place, level in enumerate(LEVELS):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(tmp_path / f"{place}.png")
    table = outcome(tmp_path / "cache", Images(str(tmp_path))).scores
    assert set(table["dataset"]) == {"images (pseudo-labels)"}
    assert value(table, "top1") == value(table, "top1", "blocks", "size=2") == 1.0


def test_agreement_in_the_task_reconstruction(tmp_path: Path) -> None:
    table = outcome(tmp_path, SCENES, task="reconstruction").scores
    assert value(table, "agreement") == 1.0
    assert 0 < value(table, "agreement", "blocks", "size=16") < 1.0


def test_mismatched_labels_leave_chance(tmp_path: Path) -> None:
    dataset = Mismatched("object_crops(of='shades(images=60)', min_side=8)")
    table = outcome(tmp_path, dataset, codecs=[Blocks(2)]).scores
    assert value(table, "top1") < 0.4
    counts = np.bincount(np.concatenate([dataset.class_labels(i) for i in range(60)]), minlength=7)
    own = ObjectCrops("shades(images=60)", min_side=8)
    assert (
        counts.tolist() == np.bincount(np.concatenate([own.class_labels(i) for i in range(60)]), minlength=7).tolist()
    )


class _NoLabels(Shades):
    def class_labels(self, index: int) -> np.ndarray:
        return np.zeros(2, np.int64)

    def label_space(self, kind: type) -> Any:
        return SHADES

    def load(self, index: int) -> Sample:
        return super().load(index)


def test_labels_that_do_not_fit_the_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(2,\).*\(1,\)"):
        outcome(tmp_path, _NoLabels())


def test_a_data_set_without_boxes_has_no_objects(tmp_path: Path) -> None:
    dataset = ObjectCrops(f"images(path={str(tmp_path)!r})")
    (tmp_path / "a.png").write_bytes(b"")
    assert "boxes" in (dataset.available() or "")
    with pytest.raises(ValueError, match="margin"):
        ObjectCrops(margin=2.0)
    assert "min_side" in (ObjectCrops("shades", min_side=500).available() or "")


def test_an_answer_of_another_form_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    from downstream.api import Classification

    class Twice(TellShade):
        def _one(self, image: Any) -> Classification:
            return Classification(np.zeros((1, 2), np.uint16))

    with pytest.raises(UsageError, match="twice"):
        outcome(tmp_path, SCENES, Twice())


def test_kept_predictions_give_the_tables_top1(tmp_path: Path) -> None:
    result = outcome(tmp_path, SCENES)
    with Store(tmp_path / "store.sqlite") as store:
        place = write(result.plan, store, tmp_path)
    for file in json.loads((place / "manifest.json").read_text("utf-8"))["files"]:
        with (place / file["labels"]).open(newline="") as table:
            truth = {(row["image"], row["object"]): row["class"] for row in csv.DictReader(table)}
        with (place / file["file"]).open(newline="") as table:
            found = list(csv.DictReader(table))
        right = sum(row["rank"] == "1" and truth[row["image"], row["object"]] == row["class"] for row in found)
        assert right / len(truth) == pytest.approx(value(result.scores, "top1", file["codec"], file["point"]))
        assert {row["rank"] for row in found} == set("12345")


def test_the_defaults_are_there() -> None:
    task = TASKS.build("classification")
    assert (task.main_metric, task.dataset) == ("top1", "object_crops")
