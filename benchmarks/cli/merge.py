"""``hsc-bench merge``: finished runs of several machines or days as one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import add_executor, add_quiet, executor
from benchmarks.cli.places import run_folder

EXAMPLES = """
  hsc-bench run --codec vvc --keep-predictions --out results/runs/monday
  hsc-bench run --codec hsc --keep-predictions --device cuda --out results/runs/tuesday
  hsc-bench merge results/runs/monday results/runs/tuesday --out results/runs/both
  hsc-bench verify results/runs/both
      one table of both runs: the same images, heads, seed and versions, or it is refused with what differs

Scores, rates and records are taken as they are; a cell that several runs measured is taken from the first of them, and
refused where their numbers differ. All comparisons are made again. Those between codecs of different runs have paired
intervals where every run kept its predictions (--keep-predictions); elsewhere their rows say why not. Times keep the
conditions under which each was taken, and are never pooled."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "merge",
        "Merge finished runs over the same images and heads into one run, with all codecs in one table.",
        EXAMPLES,
        refused="the runs cannot stand in one table (what differs is named), or the folder cannot be written",
    )
    parser.add_argument(
        "folders", type=run_folder, nargs="+", metavar="RUN", help="a folder that hsc-bench run wrote, or its URI"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("results/runs/merged"),
        help="folder of the merged run (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite-folder", action="store_true", help="replace another run in the folder, which is refused otherwise"
    )
    add_executor(parser)
    add_quiet(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _merge, argv)


def _merge(options: argparse.Namespace) -> int:
    from benchmarks.cli.run_ending import summary_in
    from benchmarks.harness.progress import Bar, Silent
    from benchmarks.reporting.merged_run import why_not_into, write
    from benchmarks.runs.merge import merge
    from hsc.errors import UsageError

    if reason := why_not_into(options.out, options.folders, overwrite=options.overwrite_folder):
        raise UsageError(reason)
    options.device = "cpu"  # nothing but metrics is computed
    with executor(options, alone=True) as workers:
        merged = merge(options.folders, workers, Silent() if options.quiet else Bar())
    write(merged, options.out)
    sys.stdout.write(summary_in(merged.results, merged.about["notices"], options.out))
    return DONE
