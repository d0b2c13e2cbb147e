"""``hsc-bench rerun``: repeats a finished run with its own settings, and compares the numbers."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cli import run_file
from benchmarks.cli.command import DONE, FAILED, new_parser, run
from benchmarks.cli.compare import print_agreement
from benchmarks.cli.run_parser import add_execution, add_output
from benchmarks.text import one_line
from hsc.errors import ResultsError

EXAMPLES = """
  hsc-bench rerun results/runs/detection
      the same settings into results/runs/detection-again; what the cache holds is not encoded again
  hsc-bench rerun results/runs/detection --overwrite always --workers 4
      encodes, decodes and scores everything again
  hsc-bench rerun results/reference/detection --dry-run
      what there would be to do; the command line that is repeated is printed first

The settings are those of run.toml in the folder, else the command line in its run.json. Options given here replace
them; those that decide numbers cannot be given, since the two runs would not be the same. To change one of them, edit a
copy of run.toml and call hsc-bench run --config. Relative paths are those of the folder where the command is called.

The programs and models that the settings name are started, so repeat only runs of people you trust; for all others
there is hsc-bench verify."""
_COMMANDS = (["python", "-m", "benchmarks.run"], ["hsc-bench", "run"])
"""What the command line in run.json begins with."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "rerun",
        "Repeat a finished run with its own settings into another folder, and say whether the numbers agree.",
        EXAMPLES,
        done="all numbers are equal",
        failed="some cells failed, or some numbers differ (each is named)",
    )
    parser.add_argument("folder", type=Path, help="a folder that hsc-bench run wrote")
    add_execution(parser.add_argument_group("how to run it"))
    add_output(parser.add_argument_group("where results go"), out="default: the folder's name with -again", name=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run(
        parser(),
        lambda options: _repeat(options, arguments),
        arguments,
        if_stopped="stopped; measurements are kept, run the same line again to go on",
    )


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings of a finished run: those of its ``run.toml``, else of the command line in its ``run.json``.

    Raises:
        UsageError: run.toml is damaged.
        ResultsError: there is no run, run.toml says that no command line repeats it, or neither file has settings that
            can be read.
    """
    from benchmarks.runs import run_json
    from benchmarks.runs.folder_files import exists, read_text

    if exists(folder / run_file.NAME):
        path = folder / run_file.NAME
        if settings := run_file.read(path):
            return settings
        raise ResultsError(f"{path} has no settings: {one_line(read_text(path).strip('# '), 500) or 'it is empty'}")
    about = run_json.read(folder / run_json.FILE)
    words = shlex.split(about.get("arguments", {}).get("command", ""))
    for command in _COMMANDS:
        if words[: len(command)] == command:
            try:
                return run_file.given(words[len(command) :])
            except SystemExit:
                break
    raise ResultsError(
        f"{folder} does not hold the settings it was made with: it has no {run_file.NAME}, and run.json no command "
        "line that this version reads; call hsc-bench run with settings of your own"
    )


def _repeat(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from benchmarks.cli.remote_out import local_folder
    from benchmarks.cli.run import check_arguments, repeatable

    check_arguments(arguments)
    folder = options.folder
    kept = settings_of(folder)
    for name in ("out", "name", "dry-run", "overwrite-folder", "save-images"):
        kept.pop(name, None)
    named = folder if folder.name not in ("", "..") else folder.resolve()
    given = options.out or named.with_name(f"{named.name}-again")
    out = local_folder(given)
    if out.resolve() == folder.resolve():
        raise ResultsError(
            f"--out is the folder of the run itself, {folder}; name another, so that both can be compared"
        )
    settings = {**kept, **run_file.given(arguments, parser()), "out": str(given)}
    line = run_file.arguments_of(settings)
    check_arguments(line)
    sys.stderr.write(f"hsc-bench run {shlex.join(line)}\n")
    sys.stderr.flush()
    repeated = run_file.options_of(settings)
    code = repeatable(repeated, settings, line)
    if repeated.dry_run or code not in (DONE, FAILED):
        return code
    if repeated.overwrite != "always":
        sys.stderr.write("streams and predictions that the cache held were not made again; --overwrite always does\n")
    return max(code, print_agreement(folder, out))
