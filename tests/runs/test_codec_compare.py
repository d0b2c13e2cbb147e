"""Files for Codec-Compare: as its own loader reads them, with the numbers of the run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks
from run_folders import write_run

from benchmarks.cli import report
from benchmarks.runs import records
from benchmarks.runs.codec_compare import export
from benchmarks.runs.run_folder import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codecs = [Blocks(8), Blocks(2), "jpeg(quality=[30, 90])"]
    return write_run(tmp_path_factory.mktemp("run"), codecs, keep=0, noise_floor=False, resamples=0)


def batch(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Constants and rows, by the rules of the page's loader: one name a description, as many values as descriptions."""
    read = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    names = [next(iter(one)) for one in read["field_descriptions"]]
    constants = [next(iter(one)) for one in read["constant_descriptions"]]
    assert all(len(one) == 1 for one in (*read["field_descriptions"], *read["constant_descriptions"]))
    assert len(constants) == len(read["constant_values"])
    assert all(isinstance(value, str) for value in read["constant_values"])
    rows = [dict(zip(names, row, strict=True)) for row in read["field_values"]]
    return dict(zip(constants, read["constant_values"], strict=True)), rows


def test_rows_are_the_records_of_the_run(folder: Path, tmp_path: Path) -> None:
    run = load(folder)
    exported = export(run, tmp_path / "out")
    listed = json.loads(exported.files[0].read_text())
    assert [path.name for path in exported.files] == ["batches.json", "blocks.json", "jpeg.json"]
    assert listed == [["blocks.json"], ["jpeg.json"]]
    constants, rows = batch(tmp_path / "out" / "jpeg.json")
    assert constants["codec"] == constants["settings"] == "jpeg"
    assert "libjpeg" in constants["version"].lower() or "pillow" in constants["version"].lower()
    cells = {cell: about["point"] for cell, about in run.points.items() if about["curve"] == "jpeg"}
    lines = [line for line in records.read(folder) if line.cell in cells]
    assert len(rows) == len(lines) == 24
    scores = {(row.cell, row.metric): row.value for row in run.score_rows if not row.part}
    heads = {
        (row.point, row.metric): row.value
        for row in run.score_rows
        if row.head and row.codec == "jpeg" and not row.part
    }
    for row, line in zip(rows, lines, strict=True):
        assert (row["original_name"], row["width"], row["height"]) == (line.image, line.width, line.height)
        assert (row["encoded_size"], f"quality={row['quality']}") == (line.size_bytes, cells[line.cell])
        assert row["encoding_time"] == scores[line.cell, "encode_s"]
        assert row["ap_squares"] == heads[cells[line.cell], "ap"]
    for cell in cells:  # the page's numbers, pooled, are those of the table
        of_cell = [row for row, line in zip(rows, lines, strict=True) if line.cell == cell]
        error = sum(row["width"] * row["height"] / 10 ** (row["psnr"] / 10) for row in of_cell)
        pixels = sum(row["width"] * row["height"] for row in of_cell)
        assert 10 * math.log10(pixels / error) == pytest.approx(scores[cell, "psnr"], abs=1e-9)


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(folder), "--export", "codec-compare", "--out", str(tmp_path / "out")]) == 0
    assert "batches.json" in capsys.readouterr().out
    (folder / "records.csv").rename(tmp_path / "records.csv")
    assert report.main([str(folder), "--export", "codec-compare"]) == 2
    assert "records.csv" in capsys.readouterr().err
    (tmp_path / "records.csv").rename(folder / "records.csv")


def test_images_without_loss_are_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [Blocks(4), Blocks(1)], keep=0, noise_floor=False, resamples=0)
    exported = export(load(folder), tmp_path / "out")
    assert exported.without_psnr == 12
    assert len(batch(tmp_path / "out" / "blocks.json")[1]) == 12
