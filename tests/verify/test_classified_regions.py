"""``hsc-bench verify`` on runs that classify parts of images: their keys, their predictions, and other parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from class_testkit import TellShade
from hsc_testkit import Blocks
from run_folders import failures, judged, write_run

from benchmarks.cache.run_keys import keys_of_run
from benchmarks.datasets.object_crops import ObjectCrops
from benchmarks.harness.cache import Store
from benchmarks.reporting.images.contact_sheet import sheet

DATASET = ObjectCrops("shades", min_side=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return write_run(tmp_path / "run", [Blocks(8), Blocks(4)], TellShade(), DATASET, task="classification")


def test_a_run_passes_and_a_changed_region_shows(folder: Path) -> None:
    code, verdicts = judged(folder)
    assert (code, failures(verdicts)) == (0, "")
    assert any("9 of 9 predictions are bit for bit" in verdict.text for verdict in verdicts)
    about = json.loads((folder / "run.json").read_text("utf-8"))
    assert len(about["dataset"]["regions_sha256"]) == 12
    about["dataset"]["regions_sha256"][0] = "0" * 64
    (folder / "run.json").write_text(json.dumps(about), "utf-8")
    code, verdicts = judged(folder)
    assert code
    assert "run.json has other settings" in failures(verdicts)
    assert "shades-0" in failures(verdicts)


def test_the_cache_finds_the_records_of_a_run(folder: Path) -> None:
    keys = set(keys_of_run(folder))
    with Store(folder / "cache" / "store.sqlite") as store:
        assert len(store.known("predictions", keys)) == 3 * 12
        assert len(store.known("streams", keys)) == 3 * 12


def test_a_sheet_names_wrong_classes(tmp_path: Path) -> None:
    from benchmarks.api import TASKS

    path = tmp_path / "sheet.png"
    alike = sheet(DATASET, TellShade(), Blocks(16), [], [0, 1], path, task=TASKS.build("classification"))
    assert alike == []
    assert path.stat().st_size > 10_000
