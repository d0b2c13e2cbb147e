"""``hsc-bench compare``: whether two finished runs have the same numbers, and where they differ."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, FAILED, new_parser, run
from benchmarks.cli.places import run_folder

EXAMPLES = """
  hsc-bench compare results/reference/detection results/runs/detection
      your own run and the tracked one: first the numbers that differ, then what differs in settings and packages

Rates that differ come with their difference over the images that both runs have, and its 95 % interval; scores of heads
do, too, where both runs kept their predictions (--keep-predictions)."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "compare",
        "Compare the numbers of two finished runs, cell by cell: every score and comparison, but no time.",
        EXAMPLES,
        done="all numbers are equal",
        failed="some differ (the largest differences are named)",
        refused="a folder holds no run that can be read",
    )
    parser.add_argument("first", type=run_folder, help="a folder that hsc-bench run wrote, or its URI")
    parser.add_argument("second", type=run_folder, help="another one")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _compare, argv)


def _compare(options: argparse.Namespace) -> int:
    return print_agreement(options.first, options.second)


def print_agreement(first: Path, second: Path) -> int:
    """Print how two runs agree; returns the exit code.

    Raises:
        ResultsError: a folder holds no run, or one that cannot be read.
    """
    from benchmarks.runs.run_agreement import agreement

    agreed = agreement(first, second)
    sys.stdout.writelines(f"{line}\n" for line in agreed.sentences())
    return DONE if agreed.equal else FAILED
