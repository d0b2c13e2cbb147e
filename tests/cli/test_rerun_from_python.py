"""Runs made from Python keep the settings that repeat them, or say why there are none."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.cli import rerun, run_file
from benchmarks.codecs.command import load_codec_file
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.runs.equivalent_command import arguments_of, equivalent_settings, run_text
from benchmarks.runs.run_settings import differences, settings_of_config

CODEC_FILE = """
name = "copied"
encode = ["cp", "{input}", "{output}"]
decode = ["cp", "{input}", "{output}"]
"""


@dataclass(frozen=True)
class OfNotebook(Blocks):
    """A codec that only this process knows."""


def config(codecs: Any = ("blocks(size=[8, 4])",), heads: Any = ("squares",), **options: Any) -> Any:
    return configure("detection", Squares(3), codecs, heads, **{"resamples": 0, "anchors": ["blocks"], **options})


def repeated(made: Any) -> Any:
    """The run that the settings of another describe, as ``hsc-bench run`` reads them from its file."""
    from benchmarks.cli.run import _config

    text = run_text(made, equivalent_settings(made))
    assert run_file.given(arguments_of(equivalent_settings(made))) == tomllib.loads(text)
    return _config(run_file.options_of(tomllib.loads(text)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"codecs": [Blocks(8), Blocks(4), Blocks(8, slow_s=0.001)], "heads": [FindSquares(), FindSquares(90)]},
        {"codecs": ["blocks", "original"], "limit": 2, "seed": 3, "resamples": 20},
        {"codecs": ['blocks(size=[8, 4], name="A, b")'], "heads": ['squares(name="Mine")'], "noise_floor": False},
        {"codecs": ["blocks"], "match_bpp": [0.5, 1.25], "repeats": 3, "overwrite": "never"},
        {"metrics": ["count_error"], "anchors": []},
    ],
)
def test_the_settings_of_a_run_from_python_make_the_same_run(options: dict[str, Any]) -> None:
    made = config(**options)
    again = repeated(made)
    assert differences(settings_of_config(made), settings_of_config(again)) == []
    assert (again.names, again.repeats, again.overwrite) == (made.names, made.repeats, made.overwrite)
    assert [curve.label for curve in again.curves] == [curve.label for curve in made.curves]


def test_a_codec_of_a_file_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "copied.toml"
    file.write_text(CODEC_FILE)
    made = config(codecs=["blocks", *load_codec_file(file)])
    assert equivalent_settings(made)["codec-file"] == [str(file)]
    assert differences(settings_of_config(made), settings_of_config(repeated(made))) == []


def test_rerun_repeats_a_run_from_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = config(codecs=["blocks(size=[8, 4])"], anchors=["blocks"])
    outcome = run(made, cache=tmp_path / "cache", executor=Inline())
    folder = outcome.save(tmp_path / "run", pictures=0)
    settings = tomllib.loads((folder / "run.toml").read_text())
    assert settings["cache"] == str(tmp_path / "cache")
    assert settings["gallery"] == 0
    assert rerun.main([str(folder), "--workers", "1", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert shlex.split(printed.err.splitlines()[0])[:4] == ["hsc-bench", "run", "--task", "detection"]
    assert (tmp_path / "run-again" / "scores.csv").is_file()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"codecs": ["blocks", OfNotebook(4, slow_s=0.5)]}, "the codec blocks(slow_s=0.5) of test_rerun_from_python"),
        ({"codecs": ["jpeg"], "anchors": []}, "a table without an anchor"),
    ],
)
def test_what_no_option_names_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], named: str
) -> None:
    made = config(**options)
    text = run_text(made, equivalent_settings(made))
    assert tomllib.loads(text) == {}
    assert named in text
    (tmp_path / "run.toml").write_text(text)
    assert rerun.main([str(tmp_path)]) == 2
    assert named in capsys.readouterr().err
