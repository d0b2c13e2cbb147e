"""A head that scores about nothing on the originals is said to be set up wrongly, wherever its numbers stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares
from map_testkit import Greys, ReadGrey

from benchmarks.cli.run import main
from benchmarks.cli.verify import main as verify
from benchmarks.datasets.mismatched import Mismatched
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from downstream.api import Detections, SegmentationMap


@dataclass(frozen=True)
class Twice(FindSquares):
    """FindSquares whose boxes are decoded twice: far from where anything is."""

    spec_name: ClassVar[str] = "twice"

    def predict(self, images: Any) -> list[Detections]:
        return [replace(one, boxes_xyxy=one.boxes_xyxy * 8 + 4) for one in super().predict(images)]


@dataclass(frozen=True)
class Always(ReadGrey):
    """Answers one class everywhere: the one that is seen most."""

    spec_name: ClassVar[str] = "always"

    def predict(self, images: Any) -> list[SegmentationMap]:
        return [SegmentationMap(np.full_like(one.labels, 3)) for one in super().predict(images)]


@dataclass(frozen=True)
class TwiceGrid(GridSquares):
    """The same of a head on latents."""

    spec_name: ClassVar[str] = "twice_grid"

    def predict_latents(self, latents: Any) -> list[Detections]:
        return [replace(one, boxes_xyxy=one.boxes_xyxy * 8 + 4) for one in super().predict_latents(latents)]


def notices(
    tmp_path: Path, dataset: Any, heads: list[Any], codecs: list[Any], task: str = "detection"
) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    config = configure(task, dataset, codecs, heads, resamples=0, noise_floor=False)
    return run(config, cache=tmp_path / "cache", executor=Inline(), tell=said.append), said


def test_boxes_decoded_twice_are_said(tmp_path: Path) -> None:
    found, said = notices(tmp_path, Squares(), [FindSquares(), Twice()], [Blocks(4)])
    (text,) = said
    assert found.plan.notices == said
    assert text.startswith("head twice has AP 0.0 on the originals, about nothing")
    for cause in ("decoded twice", "class map", "blue taken for red", "normalisation", "turned", "score threshold"):
        assert cause in text


def test_a_head_on_latents_is_judged_by_its_best_point(tmp_path: Path) -> None:
    _, said = notices(tmp_path, Squares(), [GridSquares(), TwiceGrid()], [Grid(8), Grid(4)])
    assert [text.split(",")[0] for text in said] == ["head twice_grid has AP 0.0 at its best point"]


def test_one_class_everywhere_is_about_nothing(tmp_path: Path) -> None:
    _, said = notices(tmp_path, Greys(), [ReadGrey(), Always()], [Blocks(2)], "segmentation")
    (text,) = said
    assert text.startswith("head always has mIoU")
    assert "no more than one class everywhere would" in text
    assert "boxes" not in text


def test_controls_and_runs_without_labels_are_passed_over(tmp_path: Path) -> None:
    heads = [Twice()]
    _, said = notices(tmp_path, Squares(labels=False), heads, [Blocks(4)])
    assert said == []
    _, said = notices(tmp_path, Mismatched("squares"), heads, [Blocks(4)])
    assert said == []


def test_the_command_line_says_it_in_every_place_and_the_tables_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [
        "--cache",
        str(tmp_path / "cache"),
        "--out",
        str(tmp_path / "run"),
        "--workers",
        "1",
        "--gallery",
        "0",
        "--resamples",
        "0",
    ]
    words = [
        "--dataset",
        "squares",
        "--codec",
        "blocks(size=[8, 4])",
        "--head",
        "squares(threshold=250)",
        "--quiet",
        *where,
    ]
    assert main(words) == 0
    assert "warning: head squares(threshold=250) has AP 0.0 on the originals, about nothing" in capsys.readouterr().err
    for name in ("table.md", "report.html", "run.json", "table.tex"):
        assert "usual causes" in (tmp_path / "run" / name).read_text()
    verify([str(tmp_path / "run"), "--quiet"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if " tables: " in line] == ["pass"]
