"""Kept predictions: COCO's own evaluator gives the tables' AP from the files alone, and label maps give their mIoU."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares
from page_testkit import Bands, Broken, ReadGrey

from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.runs.prediction_files import FOLDER, write


def kept(tmp_path: Path, task: str, dataset: Any, codecs: list[Any], heads: list[Any]) -> tuple[Outcome, Path]:
    outcome = run(
        configure(task, dataset, codecs, heads, resamples=0, anchors=[]), cache=tmp_path / "cache", executor=Inline()
    )
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        return outcome, write(outcome.plan, store, tmp_path)


def manifest(place: Path) -> dict[str, Any]:
    return json.loads((place / "manifest.json").read_text("utf-8"))


def test_pycocotools_gives_the_aps_of_the_table(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    codecs = [*(Grid(s) for s in (48, 16)), *(Blocks(s) for s in (16, 8))]
    outcome, place = kept(tmp_path, "detection", Squares(12), codecs, [FindSquares(), GridSquares()])
    rows = {(r.cell, r.metric): r.value for r in outcome.score_rows if r.head and not r.part}
    files = manifest(place)["files"]
    assert {(file["head"], file["route"]) for file in files} == {("squares", "image"), ("grid_squares", "latent")}
    assert {file["codec"] for file in files} == {"original", "grid", "blocks"}
    assert manifest(place)["images"] == [f"squares-{n}" for n in range(12)]
    assert len(list(place.glob("labels-*.json"))) == 1  # both heads are scored against the same labels
    for file in files:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = coco.COCO(str(place / file["labels"]))
            results = truth.loadRes(str(place / file["file"]))
            evaluated = evaluation.COCOeval(truth, results, "bbox")
            evaluated.evaluate()
            evaluated.accumulate()
            evaluated.summarize()
        for name, value in zip(("ap", "ap50", "ap75"), evaluated.stats, strict=False):
            assert value == pytest.approx(rows[file["cell"], name], abs=1e-9), (file["cell"], name)
        assert [category["name"] for category in truth.loadCats(truth.getCatIds())] == file["classes"]
    assert len({rows[file["cell"], "ap"] for file in files}) > 2


def test_label_maps_give_the_miou_of_the_table(tmp_path: Path) -> None:
    outcome, place = kept(tmp_path, "segmentation", Bands(), [Blocks(s) for s in (16, 2)], [ReadGrey()])
    rows = {r.cell: r.value for r in outcome.score_rows if r.metric == "miou"}
    files = manifest(place)["files"]
    assert len(files) == 3
    for file in files:
        labels, shown = (
            np.stack([np.asarray(PIL.Image.open(path)) for path in sorted((place / file[name]).glob("*.png"))])
            for name in ("labels", "file")
        )
        assert labels.shape == shown.shape == (12, 48, 80)
        scored = labels != 255
        ious = []
        for number in range(len(file["classes"])):
            true, found = (labels == number) & scored, (shown == number) & scored
            if union := (true | found).sum():
                ious.append((true & found).sum() / union)
        assert np.mean(ious) == pytest.approx(rows[file["cell"]], abs=1e-12)


def test_what_lay_there_is_replaced_and_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "old.json").write_text("[]")
    outcome, place = kept(tmp_path, "detection", Squares(12), [Blocks(8), Broken(4)], [FindSquares()])
    assert not (place / "old.json").exists()
    assert outcome.failed
    assert [(left["codec"], left["reason"]) for left in manifest(place)["left_out"]] == [
        ("broken", "12 of 12 predictions are missing")
    ]
    assert [file["codec"] for file in manifest(place)["files"]] == ["original", "blocks"]
