"""Two small runs with their pages: boxes by both routes, and label maps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares
from page_testkit import Absent, Bands, Broken, ReadGrey

from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.reporting.save_run import write


def made(folder: Path, task: str, dataset: Any, codecs: Sequence[Any], heads: Sequence[Any], **options: Any) -> Path:
    """A run's folder, as the command line leaves it."""
    config = configure(task, dataset, codecs, heads, resamples=40, **options)
    outcome = run(config, cache=folder / "cache", executor=Inline())
    (folder / "run").mkdir()
    options = argparse.Namespace(workers=1, device="cpu", cache=folder / "cache", gallery=2)
    write(outcome, folder / "run", options, ["--task", task], Silent())
    return folder / "run"


@pytest.fixture(scope="session")
def detection_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codecs = [*(Grid(s) for s in Grid.ladder), *(Blocks(s) for s in Blocks.ladder), Broken(4), Absent(4)]
    heads = [FindSquares(), GridSquares()]
    return made(tmp_path_factory.mktemp("detection"), "detection", Squares(12), codecs, heads, anchors=["blocks"])


@pytest.fixture(scope="session")
def segmentation_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codecs = [*(Grid(s) for s in Grid.ladder), *(Blocks(s) for s in Blocks.ladder)]
    return made(
        tmp_path_factory.mktemp("segmentation"), "segmentation", Bands(), codecs, [ReadGrey()], anchors=["blocks"]
    )
