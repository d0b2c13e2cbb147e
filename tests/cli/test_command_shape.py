"""The shape that all commands share: help, version, and how errors, stops and a closed pipe end each of them."""

from __future__ import annotations

import argparse
import importlib
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.cli import command
from benchmarks.cli.command import new_parser, run
from benchmarks.cli.main import COMMANDS, main
from benchmarks.harness.endings import Stopped
from hsc.errors import ResultsError

REQUIRED = {
    "verify": ["folder"],
    "rerun": ["folder"],
    "compare": ["folder", "again"],
    "equal-scores": ["folder"],
    "merge": ["folder", "again"],
    "report": ["folder"],
    "paper": ["folder", "--out", "paper"],
    "contact-sheet": ["--codec", "jpeg", "--out", "sheet.png"],
    "completion": ["bash"],
    "class-map": ["--head", "small", "--dataset", "roadscenes"],
    "check-codec": ["jpeg"],
    "export-shards": ["roadscenes", "--out", "shards"],
    "encode-shards": ["shards", "--codec", "jpeg", "--out", "coded"],
    "update-card": ["folder", "--head", "small", "--codec", "jpeg"],
}
"""The arguments that each command cannot do without."""


@pytest.fixture(params=list(COMMANDS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ending(error: BaseException) -> Callable[[argparse.Namespace], int]:
    """Work that ends with an error."""

    def work(options: argparse.Namespace) -> int:
        raise error

    return work


def ended(name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command whose work ends with an error: ``run`` does the rest, as the command asks it to."""
    module = importlib.import_module(f"benchmarks.cli.{COMMANDS[name].module}")
    real = command.run

    def run_to_the_error(parser: argparse.ArgumentParser, work: Any, argv: Any = None, **options: Any) -> int:
        return real(parser, ending(error), argv, **options)

    monkeypatch.setattr(command, "run", run_to_the_error)
    if name != "run":
        monkeypatch.setattr(module, "run", run_to_the_error)
    return int(module.main(REQUIRED.get(name, [])))


def test_help_loads_neither_torch_nor_pandas(name: str) -> None:
    """Each of them alone takes longer than a help text may."""
    code = (
        "import sys\nfrom benchmarks.cli.main import main\n"
        f"try: main([{name!r}, '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'pandas'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_help_shows_examples_and_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: hsc-bench {name} ")
    examples = text.partition("examples:\n")[2]
    assert f"hsc-bench {name}" in examples
    assert "exit codes: 0 " in examples
    assert "130 stopped" in examples


def test_every_line_of_help_fits_a_wide_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    examples, _, codes = capsys.readouterr().out.partition("examples:\n")[2].partition("exit codes:")
    assert codes
    assert all(len(line) <= 120 for line in examples.splitlines())


def test_version_of_each(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"hsc-bench {command.version()}\n"


def test_an_option_that_is_not_known_exits_with_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, *REQUIRED.get(name, []), "--no-such-option"])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert "--no-such-option" in message
    assert message.count("\n") == 1


def test_an_option_with_a_typing_error_has_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--cdoec", "jpeg"])
    assert "did you mean --codec" in capsys.readouterr().err


def test_parsers_stand_beside_their_commands(name: str) -> None:
    module = importlib.import_module(f"benchmarks.cli.{COMMANDS[name].module}")
    assert isinstance(module.parser(), argparse.ArgumentParser)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            ResultsError("nothing\x1b[31m is there; look elsewhere"),
            2,
            "error: nothing\\x1b[31m is there; look elsewhere\n",
        ),
        (
            PermissionError(13, "Permission denied", "/a/file"),
            2,
            "error: cannot read or write /a/file: Permission denied\n",
        ),
        (KeyboardInterrupt(), 130, None),
        (Stopped(signal.SIGTERM), 143, None),
    ],
    ids=["our error", "file error", "Ctrl-C", "SIGTERM"],
)
def test_errors_and_stops_end_each_command_alike(
    name: str,
    error: BaseException,
    code: int,
    message: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(name, error, monkeypatch) == code
    shown = capsys.readouterr().err
    assert shown == message if message else shown.startswith("stopped")
    assert shown.count("\n") == 1


@pytest.mark.parametrize("unread", [0, 2])
def test_a_reader_who_leaves_is_no_error(unread: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(new_parser("x", "", ""), ending(BrokenPipeError()), [], if_unread=unread) == unread
    assert capsys.readouterr().err == ""


def test_signals_reach_the_work_as_a_stop_and_are_restored(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work(options: argparse.Namespace) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    assert run(new_parser("x", "", ""), work, [], if_stopped="stopped; all is kept") == 143
    assert capsys.readouterr().err == "stopped; all is kept\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_error_that_is_not_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(new_parser("x", "", ""), lambda options: 1 // 0, [])


def test_a_command_that_checks_names_its_1() -> None:
    text = new_parser("x", "", "  hsc-bench x", failed="some failed", refused="it cannot run").format_help()
    assert "exit codes: 0 done, 1 some failed, 2 it cannot run, 130 stopped" in " ".join(text.split())
