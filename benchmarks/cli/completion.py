"""``hsc-bench completion``: a script with which a shell completes commands, options, plug-in names and files."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.places import FOLDERS
from hsc.errors import UnavailableError

EXAMPLES = """
  hsc-bench completion bash > ~/.local/share/bash-completion/completions/hsc-bench
      for bash with the package bash-completion; elsewhere: eval "$(hsc-bench completion bash)" in ~/.bashrc
  hsc-bench completion zsh > ~/.zfunc/_hsc-bench
      for zsh, with fpath=(~/.zfunc $fpath) before compinit in ~/.zshrc

The script holds the names of the plug-ins that are installed now; print it again when that changes."""
_SHELLS = ("bash", "zsh", "tcsh")
_NAMES = {"--codec": "codecs", "--anchor": "codecs", "--require": "codecs", "--against": "codecs"} | {
    f"--{kind}": f"{kind}s" for kind in ("head", "dataset", "task", "metric", "rate")
}
"""Options that take a plug-in, and its kind."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "completion",
        "Print a script with which a shell completes hsc-bench: its commands, their options, names of plug-ins, files.",
        EXAMPLES,
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell that reads the script")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _print, argv)


def _print(options: argparse.Namespace) -> int:
    try:
        shtab: Any = importlib.import_module("shtab")
    except ImportError as error:
        raise UnavailableError(f"completion needs the package shtab: {error}; pip install shtab") from error
    sys.stdout.write(shtab.complete(whole_parser(shtab.FILE, shtab.DIRECTORY), shell=options.shell) + "\n")
    return DONE


def whole_parser(file: Any, directory: Any) -> argparse.ArgumentParser:
    """The parser of all commands. file, directory: what marks arguments that are completed as one."""
    from benchmarks.cli.main import COMMANDS

    whole = argparse.ArgumentParser(prog="hsc-bench", description="Benchmark of image codecs for machines.")
    whole.add_argument("--version", action="store_true", help="print the version")
    commands = whole.add_subparsers(dest="command")
    for name, command in COMMANDS.items():
        module = importlib.import_module(f"benchmarks.cli.{command.module}")
        parser = commands.add_parser(name, parents=[module.parser()], add_help=False, help=command.summary)
        for action in parser._actions:
            _mark(action, file, directory)
    return whole


def _mark(action: argparse.Action, file: Any, directory: Any) -> None:
    """Say how the value of one argument is completed."""
    from benchmarks.cli.listing import REGISTRIES

    kind = next((_NAMES[option] for option in action.option_strings if option in _NAMES), None)
    if kind and action.choices is None:
        registry = REGISTRIES[kind]
        action.choices = [word for name in registry.names() for word in (name, *registry.aliases(name))]
    elif action.type in FOLDERS or action.metavar == "TOML":
        is_folder = action.metavar == "DIR" or action.dest in ("folder", "first", "second")
        action.complete = directory if is_folder else file  # type: ignore[attr-defined]
