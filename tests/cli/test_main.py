"""``hsc-bench``: every command answers to its name, and to the module name it had before."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli import former
from benchmarks.cli.main import COMMANDS, main

FORMER = sorted(file.stem for file in Path(former.__file__).parent.glob("*.py") if file.stem != "__init__")


SHARED = {"command", "main", "options", "places", "plan_text", "plugin_text", "plugins", "remote_out"} | {
    "run_ending",
    "run_file",
    "run_parser",
    "run_preview",
    "run_recipe",
}
"""Files of the folder that are no command by themselves."""


def test_every_file_of_the_folder_is_a_command() -> None:
    folder = Path(former.__file__).parents[1]
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert {command.module for command in COMMANDS.values()} == files - SHARED


def test_what_is_asked_wrongly_is_told_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert all(f"  {name} " in capsys.readouterr().out or name for name in COMMANDS)
    assert main(["verfy", "x"]) == 2
    assert "did you mean verify?" in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hsc-bench ")


def test_listing_is_that_of_the_registries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tasks"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "classification",
        "detection",
        "instance_segmentation",
        "reconstruction",
        "segmentation",
    ]


@pytest.mark.parametrize("name", [*FORMER, "run", "verify"])
def test_former_names_still_open(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.__name__ == f"benchmarks.{name}"


@pytest.mark.parametrize(("name", "command"), [("cost", "complexity"), ("check_codec", "check-codec")])
def test_a_former_name_tells_the_new_one_and_goes_on(name: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0
    assert done.stderr == f"python -m benchmarks.{name} is now called hsc-bench {command}\n"
    assert f"usage: hsc-bench {command}" in done.stdout


def test_no_public_name_of_the_package_is_replaced_by_a_module() -> None:
    import benchmarks

    for name in benchmarks.__all__:
        assert importlib.util.find_spec(f"benchmarks.{name}") is None
    assert callable(benchmarks.run_config)
    assert callable(importlib.import_module("benchmarks.run").main)
