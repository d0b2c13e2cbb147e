"""``hsc-bench equal-scores``: at each operating point of a codec, the bits that another needs for the same score."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import add_executor, add_quiet, executor
from benchmarks.cli.places import run_folder

EXAMPLES = """
  hsc-bench run --task detection --codec 'hsc(model=mine.safetensors, name=hierarchy)' \\
      --codec 'hsc(model=silent.safetensors, name=control)' --anchor 'hsc(model=silent.safetensors)' \\
      --keep-predictions --out results/runs/hierarchy
  hsc-bench equal-scores results/runs/hierarchy --out results/runs/hierarchy-equal-scores
      at every quality: bits of the one against the other (the anchor of the run) at equal AP, for each head
  hsc-bench equal-scores results/runs/detection results/runs/segmentation --out results/runs/equal-scores
      all codecs of two runs, against the first anchor of each

The BD-rate of a run is one number a curve; here each operating point has its own. Intervals need the predictions of the
run (--keep-predictions), and both codecs in one run, or in one that hsc-bench merge made."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "equal-scores",
        "Compare the bits of codecs at equal scores of heads, at each operating point, from finished runs.",
        EXAMPLES,
        refused="a folder holds no run that can be read, or a run has no such codec",
    )
    parser.add_argument(
        "folders", type=run_folder, nargs="+", metavar="RUN", help="a folder that hsc-bench run wrote, or its URI"
    )
    parser.add_argument(
        "--codec",
        metavar="C",
        action="append",
        default=[],
        help="label, spec or given name of a codec of the run; may be repeated (default: all but the anchor)",
    )
    parser.add_argument(
        "--anchor", metavar="C", help="the codec to compare with (default: the first anchor of the run)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for equal-scores.csv and equal-scores.md")
    add_executor(parser)
    add_quiet(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _compare, argv)


def _compare(options: argparse.Namespace) -> int:
    import pandas as pd

    from benchmarks.harness.progress import Bar, Silent
    from benchmarks.runs.csv_cells import write_csv
    from benchmarks.runs.equal_scores import compared, table
    from benchmarks.runs.run_folder import load
    from hsc.files.atomic_files import write_text

    options.device = "cpu"  # nothing but metrics is computed
    with executor(options, alone=True) as workers:
        runs = [load(folder) for folder in options.folders]
        progress = Silent() if options.quiet else Bar()
        found = [compared(one, options.codec, options.anchor, workers, progress) for one in runs]
    text = "\n".join(f"## {one.name}\n\n{table(rows)}" for one, rows in zip(runs, found, strict=True))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_csv(options.out / "equal-scores.csv", pd.DataFrame([vars(row) for one in found for row in one.rows]))
        write_text(options.out / "equal-scores.md", text)
    sys.stdout.write(text)
    return DONE
