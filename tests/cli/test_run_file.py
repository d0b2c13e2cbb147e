"""A run's options as TOML: read, refused in one sentence, kept in the run's folder, and repeated from there."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cli import compare, rerun, run_file
from benchmarks.cli.run import main

TINY = """
dataset = "squares"
head = ["squares", "squares(threshold=90)"]
codec = ["blocks(size=[8, 4])"]
anchor = ["blocks"]
quiet = true
workers = 1
gallery = 0
resamples = 0
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run made from a file, with one option of the line."""
    config = write(tmp_path / "mine.toml", TINY + "limit = 5\n")
    where = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run")]
    assert main(["--config", str(config), "--limit", "4", *where]) == 0
    return tmp_path / "run"


def test_every_option_has_its_place_in_a_file(tmp_path: Path) -> None:
    samples = {"append": '["a", "b"]', "flag": "true", int: "3", float: "2.5", "floats": "[0.1, 2]", "text": '"a"'}
    lines = []
    for name, action in run_file.options().items():
        kind = "floats" if action.nargs == "+" else "flag" if action.nargs == 0 else action.type
        if type(action).__name__ == "_AppendAction":
            kind = "append"
        sample = samples.get(kind, '"a"') if action.choices is None else json.dumps(next(iter(action.choices)))
        lines.append(f"{name} = {sample}")
    settings = run_file.read(write(tmp_path / "all.toml", "\n".join(lines)))
    assert settings.keys() == run_file.options().keys()
    assert run_file.given(run_file.arguments_of(settings)) == settings
    assert {"codec", "head", "dataset", "match-bpp", "no-noise-floor", "cache", "timeout-s"} <= settings.keys()
    kept = tomllib.loads(run_file.written(settings, "a"))
    assert settings.keys() - kept.keys() == {"out", "name", "dry-run", "overwrite-folder", "save-images"}
    assert all(kept[name] == settings[name] for name in kept)


@pytest.mark.parametrize(
    "settings",
    [
        {"codec": ['x(path="a \\" b")', "line\nend\x7f\x00"], "match-bpp": [1e-05, 3.0]},
        {"dataset": "-x", "limit": -3, "name": "ä 'b'", "quiet": False, "timeout-s": 1e300},
    ],
)
def test_values_come_back_from_a_file_as_they_went_in(tmp_path: Path, settings: dict[str, object]) -> None:
    kept = run_file.read(write(tmp_path / "a.toml", run_file.written(settings, "detection")))
    assert kept == {"task": "detection", **{name: value for name, value in settings.items() if name != "name"}}
    given = run_file.given(run_file.arguments_of(settings))
    assert given == {name: value for name, value in settings.items() if value is not False}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("codecs = ['jpeg']", ["'codecs'", "did you mean codec"]),
        ("wrkers = 2", ["did you mean workers"]),
        ("config = 'b.toml'", ["only be given on the command line"]),
        ("codec = 'jpeg'", ['the string "jpeg"', "expected an array", '["jpeg"]']),
        ("codec = ['jpeg', 3]", ["the whole number 3", "expected a string"]),
        ("limit = 2.5", ["the number 2.5", "expected a whole number"]),
        ("limit = true", ["the truth true", "expected a whole number"]),
        ("quiet = 1", ["the whole number 1", "expected true or false"]),
        ("timeout-s = '5'", ["expected a number"]),
        ("match-bpp = 0.1", ["expected an array, as in [0.1]"]),
        ("route = 'imag'", ["did you mean image?"]),
        ("dataset = {a = 1}", ["the table", "expected a string"]),
        ("match_bpp = [1.0]\nmatch-bpp = [1.0]", ["stands there twice"]),
        ("limit = ", ["are no TOML"]),
        ("codec = [vvc(preset=medium)]", ["are no TOML", "texts stand in quotes", 'codec = ["jpeg"']),
        ("[run]\nlimit = 2", ["not in a table", "leave the line [run] out"]),
    ],
)
def test_what_a_file_may_not_hold_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    assert main(["--config", str(write(tmp_path / "a.toml", text))]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in ["a.toml", *words]:
        assert word in message


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


def test_the_line_wins_and_the_folder_keeps_what_was_given(folder: Path) -> None:
    kept = tomllib.loads((folder / "run.toml").read_text())
    assert kept == {"task": "detection", **tomllib.loads(TINY), "limit": 4, "cache": str(folder.parent / "cache")}
    about = json.loads((folder / "run.json").read_text())
    assert len(about["dataset"]["images"]) == 4
    assert "--config" not in about["arguments"]["command"]
    assert "--limit 4" in about["arguments"]["command"]


def test_a_list_on_the_line_takes_the_place_of_the_files(tmp_path: Path) -> None:
    config = write(tmp_path / "a.toml", TINY)
    where = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run")]
    assert main(["--config", str(config), "--codec", "blocks(size=[6, 2])", *where]) == 0
    points = set(pd.read_csv(tmp_path / "run" / "scores.csv", keep_default_na=False)["point"])
    assert points == {"", "size=6", "size=2"}


def test_rerun_repeats_a_run_beside_it_and_says_that_numbers_agree(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert rerun.main([str(folder), "--overwrite", "always"]) == 0
    shown = capsys.readouterr()
    assert "agree: " in shown.out.splitlines()[-1]
    assert shown.err.startswith("hsc-bench run --task detection --dataset squares --head squares ")
    again = folder.with_name("run-again")
    assert (again / "scores.csv").exists()
    assert tomllib.loads((again / "run.toml").read_text())["overwrite"] == "always"


def test_rerun_reads_the_command_line_of_a_run_without_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "run.toml").unlink()
    assert rerun.main([str(folder), "--out", str(folder.with_name("other"))]) == 0
    assert (folder.with_name("other") / "run.toml").exists()
    about = json.loads((folder / "run.json").read_text())
    about["arguments"]["command"] = "python other.py"
    (folder / "run.json").write_text(json.dumps(about))
    assert rerun.main([str(folder)]) == 2
    assert "does not hold the settings it was made with" in capsys.readouterr().err


def test_rerun_does_not_write_into_the_run_itself_and_takes_no_option_that_decides_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rerun.main([str(folder), "--out", str(folder)]) == 2
    assert "name another" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        rerun.main([str(folder), "--limit", "3"])
    assert stop.value.code == 2
    assert rerun.main([str(folder), "--dry-run"]) == 0
    assert not folder.with_name("run-again").exists()


def test_compare_names_what_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rerun.main([str(folder)]) == 0
    again = folder.with_name("run-again")
    scores = pd.read_csv(again / "scores.csv", keep_default_na=False, dtype=str)
    row = scores.index[(scores["metric"] == "ap") & (scores["point"] == "size=4") & (scores["part"] == "")][0]
    value = float(scores.loc[row, "value"])
    scores.loc[row, "value"] = repr(value * 0.5)
    scores.to_csv(again / "scores.csv", index=False)
    capsys.readouterr()
    assert compare.main([str(folder), str(again)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "differ: 1 of " in lines[0]
    assert "blocks size=4" in lines[1]
    assert f"{value:.6g} and {value * 0.5:.6g} (50 %)" in lines[1]


def test_compare_names_what_only_one_run_has_and_other_settings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(folder.parent / "b.toml", TINY.replace("[8, 4]", "[8]") + "limit = 4\n")
    where = ["--cache", str(folder.parent / "cache"), "--out", str(folder.parent / "fewer")]
    assert main(["--config", str(config), *where]) == 0
    capsys.readouterr()
    assert compare.main([str(folder), str(folder.parent / "fewer")]) == 1
    text = capsys.readouterr().out
    assert f"only in {folder}: blocks size=4" in text
    assert "other settings: operating points of blocks only in" in text
    assert compare.main([str(folder), str(folder.parent / "nothing")]) == 2
