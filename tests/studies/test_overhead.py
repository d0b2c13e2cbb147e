"""The studies of what a run spends beside a bare loop, on a few pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.studies import overhead
from benchmarks.studies.__main__ import main


@pytest.mark.slow
def test_three_heads_of_one_kind_are_loaded_once_each(tmp_path: Path) -> None:
    assert overhead.loads(tmp_path, jobs=3) == 3


def test_pictures_differ_and_have_labels(tmp_path: Path) -> None:
    labels = overhead.write_pictures(tmp_path, 5, 2)
    dataset = overhead.Round(tmp_path, labels, overhead.Inline()).dataset
    one, two = (dataset.load(index).image for index in range(2))
    assert one.shape == (overhead.HEIGHT, overhead.WIDTH, 3)
    assert not (one == two).all()
    assert len(dataset.coco()["annotations"]) == 12


@pytest.mark.slow
@pytest.mark.parametrize("name", list(overhead.RATIOS))
def test_a_ratio_has_two_times(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name != "loop":
        pytest.importorskip("compressai")
    monkeypatch.setattr(overhead, "ROUNDS", 1)
    ratio = overhead.taken(name, 1, tmp_path)
    assert ratio.run_s > 0
    assert ratio.other_s > 0


def test_an_unknown_figure_is_told_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scoringg"]) == 2
    assert "scoring, label_maps" in capsys.readouterr().err


@pytest.mark.slow
def test_the_table_has_a_row_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scoring", "20"]) == 0
    head, line, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == line.count("|") == row.count("|") == 6
    assert row.startswith("| scoring | 20 |")
