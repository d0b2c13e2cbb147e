"""A second run into a folder: refused where it is of other settings, and no file of the first beside its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cli.run import _config, folder_of, main
from benchmarks.cli.run_parser import parser

TINY = ["--head", "squares", "--codec", "blocks(size=[8, 4])", "--anchor", "blocks", "--quiet", "--workers", "1"]


def run(tmp_path: Path, *more: str, dataset: str = "squares") -> int:
    places = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run")]
    return main(["--dataset", dataset, *TINY, "--gallery", "0", "--resamples", "0", *places, *more])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    assert run(tmp_path) == 0
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("more", "phrase"),
    [
        (["--limit", "3"], "images: 6 there, 3 now"),
        (["--seed", "4"], "seed: 0 there, 4 now"),
        (["--codec", "original"], ""),
        (["--codec", "blocks(size=2)"], "operating points of blocks only now: size=2"),
        (["--codec", "jpeg"], "codec only now: jpeg"),
        (["--head", "squares(threshold=90)"], "head only now: squares(threshold=90)"),
        (["--resamples", "20"], "resamples: 0 there, 20 now"),
        (["--metric", "mean_iou"], None),
        (["--match-bpp", "0.5"], "rates to match (bpp): none there, 0.5 now"),
    ],
)
def test_other_settings_are_refused_with_what_differs(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], phrase: str | None
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code = run(folder.parent, *more)
    message = capsys.readouterr().err
    if phrase == "":  # the same run by other words
        assert code == 0
        return
    assert code == 2
    assert phrase is None or (phrase in message and "--overwrite-folder" in message and "--out" in message)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_data_set_and_other_fields_of_one_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder.parent, dataset="squares(images=12)") == 2
    message = capsys.readouterr().err
    assert "squares's images: 6 there, 12 now" in message
    assert run(folder.parent, "--dry-run", dataset="squares(images=12)") == 0
    assert "this run would be refused" in capsys.readouterr().err


def test_the_same_settings_are_written_again(folder: Path) -> None:
    (folder / "sheet.jpg").write_bytes(b"drawn of these very numbers")
    scores = (folder / "scores.csv").read_bytes()
    assert run(folder.parent) == 0
    assert (folder / "scores.csv").read_bytes() == scores
    assert (folder / "sheet.jpg").read_bytes() == b"drawn of these very numbers"


def test_nothing_of_the_earlier_run_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = ["sheet.jpg", "class_curves.png", "class_curves.pdf", "confusion.csv", "confusion_change.png", "streams.zip"]
    for name in [*old, "notes.txt"]:
        (folder / name).write_text("of the earlier run")
    assert run(folder.parent, "--limit", "3", "--overwrite-folder") == 0
    assert [name for name in old if (folder / name).exists()] == []
    assert (folder / "notes.txt").read_text() == "of the earlier run"
    assert "sheet.jpg showed an earlier run and was removed" in capsys.readouterr().err
    assert len(json.loads((folder / "run.json").read_text())["dataset"]["images"]) == 3


def test_a_run_that_cannot_be_read_is_not_replaced_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "run.json").write_text("{")
    assert run(folder.parent) == 2
    assert "holds a run that cannot be read" in capsys.readouterr().err
    assert run(folder.parent, "--overwrite-folder") == 0


def test_a_run_that_is_not_finished_goes_on(folder: Path) -> None:
    (folder / "run.json").unlink()
    assert run(folder.parent, "--limit", "3") == 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "detection"),
        (["--dataset", "roadscenes"], "detection"),
        (["--dataset", "roadscenes(split=test)"], "detection-roadscenes"),
        (["--dataset", "squares"], "detection-squares"),
        (["--task", "segmentation", "--dataset", "roadscenes"], "segmentation"),
        (["--dataset", "squares", "--name", "mine"], "mine"),
    ],
)
def test_a_folder_is_named_for_the_task_and_a_data_set_not_its_own(arguments: list[str], name: str) -> None:
    options = parser().parse_args([*arguments, "--codec", "jpeg"])
    assert folder_of(options, _config(options)) == Path("results/runs") / name
