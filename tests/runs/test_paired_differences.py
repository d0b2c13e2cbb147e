"""``hsc-bench compare``: numbers that differ are paired over the images that both runs have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from class_testkit import TellShade
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import write_run

from benchmarks.datasets.object_crops import ObjectCrops
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.runs import prediction_files
from benchmarks.runs.run_agreement import agreement


@dataclass(frozen=True)
class Padded(Blocks):
    """The same pixels from longer streams: so many bytes more for each image, by its content."""

    spec_name = "blocks"

    def encode(self, image: np.ndarray) -> bytes:
        data = super().encode(image)
        return data + bytes(100 + int(image.sum()) % 7)

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data)  # zlib stops at the end of its own data

    def provenance(self) -> dict[str, str]:
        return {"code": "blocks-2"}


def test_rates_are_paired_over_common_images(tmp_path: Path) -> None:
    given: dict[str, Any] = {"keep": 0, "resamples": 0, "noise_floor": False}
    write_run(tmp_path / "a", [Blocks(4)], dataset=Squares(14), **given)
    write_run(tmp_path / "b", [Padded(4)], dataset=Squares(12), **given)
    agreed = agreement(tmp_path / "a", tmp_path / "b")
    (name,) = (name for name in agreed.paired if "bpp" in name)
    images = [Squares(12).load(number).image for number in range(12)]
    added = [len(Padded(4).encode(image)) - len(Blocks(4).encode(image)) for image in images]
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    found = agreed.paired[name]
    assert found.images == 12
    assert found.difference == pytest.approx(8 * sum(added) / pixels)
    assert 0 < found.low <= found.difference <= found.high
    assert f"paired over {found.images}" in "\n".join(agreed.sentences())


@pytest.mark.parametrize(
    ("task", "dataset", "head", "metric"),
    [
        ("detection", Squares(12), FindSquares(), "ap"),
        ("classification", ObjectCrops("shades", min_side=8), TellShade(), "top1"),
    ],
)
def test_scores_are_paired_where_predictions_were_kept(
    tmp_path: Path, task: str, dataset: Any, head: Any, metric: str
) -> None:
    runs = []
    for name, codec in (("a", Blocks(4)), ("b", Coarse(4))):
        config = configure(task, dataset, [codec], [head], anchors=[], resamples=40)
        outcome = run(config, cache=tmp_path / "cache", executor=Inline())
        runs.append(saved(tmp_path / name, outcome))
        with Store(tmp_path / "cache" / "store.sqlite") as store:
            prediction_files.write(outcome.plan, store, tmp_path / name)
    agreed = agreement(*runs)
    found = {name: pair for name, pair in agreed.paired.items() if name.endswith(f", {metric}")}
    (pair,) = found.values()
    assert pair.images == 12
    assert pair.low <= pair.difference <= pair.high
    assert pair.difference < 0
    manifest = tmp_path / "b" / "predictions" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "files": []}))
    assert not any(name.endswith(f", {metric}") for name in agreement(*runs).paired)
    assert agreement(*runs).apart == agreed.apart


@dataclass(frozen=True)
class Coarse(Blocks):
    """Decodes to a fourth of the levels."""

    spec_name = "blocks"

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data) // 2

    def provenance(self) -> dict[str, str]:
        return {"code": "blocks-3"}


def saved(folder: Path, outcome: Any) -> Path:
    """The tables, records and description of a run."""
    from benchmarks.runs import provenance, records, tables

    folder.mkdir()
    tables.write(outcome.results, folder)
    records.write(outcome.record_rows, folder)
    provenance.write(folder / "run.json", provenance.describe(outcome.plan, 1, "cpu", {}))
    return folder
