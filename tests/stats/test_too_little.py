"""Certainty from too little: no interval, no verdict and no bold below a stated number of images, of objects and of
draws.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from map_testkit import Greys, ReadGrey
from run_folders import edit, failures, judged, write_run

from benchmarks.api import Comparison, Sample, ScoreRow
from benchmarks.cli.model_card import section
from benchmarks.cli.paper import main as paper
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.reporting import html
from benchmarks.reporting.save_run import write
from benchmarks.runs.run_folder import load
from benchmarks.runs.sentences import too_little, verdicts
from benchmarks.runs.tables import blocks
from benchmarks.runs.verdicts import verdict
from benchmarks.stats.bootstrap import MIN_IMAGES, MIN_OBJECTS, Bootstrap, side_of_zero, why_no_interval
from benchmarks.stats.metric_facts import TIMES
from downstream.heads.fidelity import Psnr

LADDER = (12, 8, 6, 4, 2)


@dataclass(frozen=True)
class Static(Squares):
    """A camera that nobody moves: every image is the first, with its labels."""

    def load(self, index: int) -> Sample:
        return Sample(f"squares-{index}", Squares().load(0).image, 1000)

    def _boxes(self, index: int) -> list[tuple[int, int, int, int]]:
        return super()._boxes(0)


@dataclass(frozen=True)
class Sparse(Squares):
    """Images of which only the first ``objects`` have a labelled square, one each; ``crowds`` more are labelled as
    crowds.
    """

    objects: int = 0
    crowds: int = 0

    def coco(self) -> dict[str, Any]:
        coco = super().coco()
        kept = coco["annotations"][: self.objects + self.crowds]
        return {**coco, "annotations": [{**one, "iscrowd": int(n >= self.objects)} for n, one in enumerate(kept)]}


@dataclass(frozen=True)
class Spread(Sparse):
    """The same number of objects, one an image."""

    def coco(self) -> dict[str, Any]:
        coco = Squares.coco(self)
        return {
            **coco,
            "annotations": coco["annotations"][:: len(coco["annotations"]) // len(coco["images"])][: self.objects],
        }


@dataclass(frozen=True)
class Larger(Blocks):
    """Blocks with twice its bytes: worse by any interval."""

    def encode(self, image: np.ndarray) -> bytes:
        data = super().encode(image)
        return data + bytes(len(data))

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data[: len(data) // 2])


Larger.spec_name = "larger"  # type: ignore[attr-defined]


def outcome(folder: Path, dataset: Any, task: str = "detection", head: Any = None, **options: Any) -> Outcome:
    options = {"anchors": ["blocks"], "resamples": 60, **options}
    codecs = options.pop("codecs", [*map(Blocks, LADDER), *map(Larger, LADDER)])
    heads = options.pop("heads", [head or FindSquares()])
    return run(configure(task, dataset, codecs, heads, **options), cache=folder / "cache", executor=Inline())


def reasons(outcome: Outcome) -> set[str]:
    """Why scores and rates have no interval."""
    return {
        row.reason
        for row in outcome.score_rows
        if row.status == "ok" and row.metric not in TIMES and np.isnan(row.low) and row.reason
    }


def assert_nothing_is_sure(outcome: Outcome, reason: str, heads_only: bool = False) -> None:
    numbers: list[ScoreRow | Comparison] = [*outcome.score_rows, *outcome.comparison_rows]
    scored = [row for row in numbers if row.head] if heads_only else numbers
    assert scored
    assert np.isnan([end for row in scored for end in (row.low, row.high)]).all()
    assert reasons(outcome) == {reason}
    assert verdicts(outcome.results) == []
    for form in ("simple", "github", "latex_booktabs"):
        text = blocks(outcome.results, form)
        assert reason in text
        assert "Verdict" not in text
        assert "better: " not in text
        assert "worse: " not in text
        assert "nan," not in text


@pytest.mark.parametrize(("images", "head"), [(1, FindSquares()), (9, FindSquares()), (9, Psnr())])
def test_few_images_have_no_interval_anywhere(images: int, head: Any, tmp_path: Path) -> None:
    found = outcome(tmp_path, Squares(images), "reconstruction" if isinstance(head, Psnr) else "detection", head)
    assert any(c.kind == "noise_floor_rate" for c in found.comparison_rows)
    assert any(c.kind == "lead_at_rate" for c in found.comparison_rows) or images == 9
    assert_nothing_is_sure(found, f"{images} distinct image{'s' * (images > 1)}, at least 10 are needed")


def test_enough_of_all_have_intervals_and_a_verdict(tmp_path: Path) -> None:
    sizes = (32, 16, 8, 4, 2)
    codecs = [*map(Blocks, sizes), *map(Larger, sizes)]
    found = outcome(tmp_path, Squares(10), "reconstruction", heads=[FindSquares(), Psnr()], codecs=codecs)
    assert reasons(found) == set()
    assert any(
        "psnr" in sentence and sentence.endswith("against blocks: worse: larger.")
        for sentence in verdicts(found.results)
    )
    rate = next(c for c in found.comparison_rows if (c.kind, c.head, c.codec) == ("bd_rate", "psnr", "larger"))
    assert verdict(rate, found.results.facts_of("psnr")) == "worse"
    whole = [row for row in found.score_rows if not row.part and not row.ladder]
    scored = [row for row in whole if row.metric in ("agreement", "psnr") and row.head and row.codec == "larger"]
    assert len(scored) == 2 * len(sizes)
    assert all(row.low <= row.value <= row.high for row in scored)
    assert all(row.low < row.value < row.high for row in whole if row.metric == "bpp" and row.codec == "blocks")


def test_a_hundred_copies_of_one_image_are_one(tmp_path: Path) -> None:
    assert_nothing_is_sure(outcome(tmp_path, Static(images=12)), "1 distinct image, at least 10 are needed")


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (Sparse(images=12, objects=19, crowds=17), "19 labelled objects, at least 20 are needed"),
        (Sparse(images=12, objects=1), "1 labelled object, at least 20 are needed"),
        (Sparse(images=12, objects=27), "9 distinct images with a labelled object, at least 10 are needed"),
        (Spread(images=12, objects=12), "12 labelled objects, at least 20 are needed"),
    ],
)
def test_few_objects_leave_rates_their_intervals_and_scores_none(dataset: Any, reason: str, tmp_path: Path) -> None:
    found = outcome(tmp_path, dataset)
    assert_nothing_is_sure(found, reason, heads_only=True)
    rates = [row for row in found.score_rows if row.metric == "bpp" and row.codec == "blocks" and not row.ladder]
    assert len(rates) == len(LADDER)
    assert all(row.low < row.high for row in rates)
    (sentence,) = too_little(found.results.scores)
    assert reason in sentence
    assert "for squares" in sentence


def test_objects_count_where_masks_are_scored_and_where_predictions_stand_in(tmp_path: Path) -> None:
    masks = outcome(
        tmp_path, Sparse(images=12, objects=19), "instance_segmentation", FindSquares(masks=True), anchors=[]
    )
    assert reasons(masks) == {"19 labelled objects, at least 20 are needed"}
    assert np.isnan([row.low for row in masks.score_rows if row.metric == "mask_ap"]).all()
    dim = outcome(tmp_path, Squares(12, labels=False), head=FindSquares(threshold=210))
    assert reasons(dim) == {"3 labelled objects, at least 20 are needed"}
    blind = outcome(tmp_path, Squares(12, labels=False), head=FindSquares(threshold=254))
    assert reasons(blind) == {"0 labelled objects, at least 20 are needed"}
    seeing = outcome(tmp_path, Squares(12, labels=False))
    assert reasons(seeing) == set()
    scored = [
        row for row in seeing.score_rows if row.metric == "ap" and row.codec == "blocks" and not row.part + row.ladder
    ]
    assert len(scored) == len(LADDER)
    assert all(row.low <= row.value <= row.high for row in scored)


def test_label_maps_go_by_images_and_a_rare_class_has_no_band(tmp_path: Path) -> None:
    few = outcome(tmp_path, Greys(), "segmentation", ReadGrey())
    assert_nothing_is_sure(few, "2 distinct images, at least 10 are needed")
    enough = outcome(tmp_path, Greys(images=12), "segmentation", ReadGrey())
    ends = {
        row.part: row for row in enough.score_rows if (row.metric, row.codec, row.point) == ("iou", "blocks", "size=2")
    }
    assert ends["road"].low <= ends["road"].value <= ends["road"].high
    assert np.isnan(ends["sky"].low)  # in six of the twelve images
    assert ends["sky"].value > 0
    assert reasons(enough) == set()


def test_rates_that_were_matched_are_compared_without_a_verdict(tmp_path: Path) -> None:
    found = outcome(tmp_path, Squares(9), codecs=["jpeg", "webp"], anchors=["jpeg"], match_bpp=(1.0, 2.0))
    assert any((c.kind, c.metric) == ("lead_at_rate", "ap") for c in found.comparison_rows)
    assert_nothing_is_sure(found, "9 distinct images, at least 10 are needed")


def test_few_draws_are_no_interval_either(tmp_path: Path) -> None:
    assert_nothing_is_sure(outcome(tmp_path, Squares(12), resamples=1), "1 resample, at least 40 are needed")
    none = outcome(tmp_path, Squares(12), resamples=0)
    assert reasons(none) == set()
    assert np.isnan([row.low for row in (*none.score_rows, *none.comparison_rows)]).all()


def test_one_place_says_how_much_is_enough() -> None:
    assert (MIN_IMAGES, MIN_OBJECTS) == (10, 20)
    assert [
        bool(why_no_interval(images, objects))
        for images, objects in [(9, None), (10, None), (9, 20), (10, 19), (10, 20)]
    ] == [1, 0, 1, 1, 0]
    assert [side_of_zero(0.1, 0.2, images) for images in (0, 1, 9, 10)] == [0, 0, 0, 1]
    assert [side_of_zero(*ends, 64) for ends in [(np.nan, np.nan), (-1, 1), (0, 1), (-1, 0), (-2, -1)]] == [
        0,
        0,
        0,
        0,
        -1,
    ]
    few, enough = (Bootstrap.of([str(n) for n in range(count)], 100, 0) for count in (9, 10))
    assert (few.resamples, enough.resamples) == (0, 100)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run over three images, as the command line leaves it."""
    folder = tmp_path_factory.mktemp("few")
    found = outcome(folder, Squares(3))
    options = argparse.Namespace(workers=1, device="cpu", cache=folder / "cache", gallery=0)
    (folder / "run").mkdir()
    write(found, folder / "run", options, ["--task", "detection"], Silent())
    return folder / "run"


def claim(folder: Path) -> None:
    """Give every difference and score of a folder an interval that leaves out 0."""
    for file in ("scores.csv", "comparisons.csv"):
        edit(
            folder / file,
            lambda line: {**line, "low": line["value"], "high": line["value"], "reason": ""} if line["value"] else line,
        )


def test_the_page_and_the_paper_say_why_and_set_nothing_in_bold(few: Path, tmp_path: Path) -> None:
    page = (few / "report.html").read_text("utf-8")
    assert "3 distinct images, at least 10 are needed" in page
    assert "Without intervals." in page
    assert "▼ worse" not in page
    assert paper([str(few), "--out", str(tmp_path / "paper")]) == 0
    parts = {path.name: path.read_text() for path in (tmp_path / "paper").glob("*.tex")}
    for part in ("frozen-rates", "frozen-bd", "frozen-points", "frozen-curves"):
        text = next(text for name, text in parts.items() if part in name)
        assert r"\textbf{" not in text.replace(r"\textbf{squares}", "")
        assert "No interval, no verdict and nothing in bold: 3 distinct images, at least 10 are needed." in text
        assert "In brackets" not in text
    assert "3 distinct images" in parts["methods.tex"]
    assert "Intervals are where" not in parts["methods.tex"]
    assert json.loads((few / "run.json").read_text())["least_for_intervals"] == {
        "images": 10,
        "objects": 20,
        "resamples": 40,
    }
    assert "nan" not in section(load(few), "squares", "blocks")


def test_intervals_that_somebody_wrote_over_three_images_make_nothing_sure(few: Path, tmp_path: Path) -> None:
    claimed = tmp_path / "run"
    shutil.copytree(few, claimed)
    claim(claimed)
    html.write(claimed)
    assert "▼ worse" not in (claimed / "report.html").read_text("utf-8")
    assert paper([str(claimed), "--out", str(tmp_path / "paper")]) == 0
    tables = "".join(path.read_text() for path in (tmp_path / "paper").glob("*-rates.tex")) + "".join(
        path.read_text() for path in (tmp_path / "paper").glob("*-bd*.tex")
    )
    assert r"\textbf{" not in tables
    assert verdicts(load(claimed).results) == []
    believed = load(claimed, complete=False, consistent=False).results
    assert believed.comparisons["low"].notna().any()  # as the folder says; a verdict asks for images all the same
    assert verdicts(believed) == []


def test_verify_finds_an_honest_small_run_right_and_intervals_it_cannot_have_wrong(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [*map(Blocks, LADDER)], dataset=Squares(3), keep=1)
    assert judged(folder)[0] == 0
    about = json.loads((folder / "run.json").read_text())
    about["least_for_intervals"]["images"] = 1  # what a folder says of itself decides nothing
    (folder / "run.json").write_text(json.dumps(about))
    claim(folder)
    code, found = judged(folder)
    assert code == 1
    text = failures(found)
    assert "bpp has the interval" in text
    assert "3 distinct images, at least 10 are needed" in text
