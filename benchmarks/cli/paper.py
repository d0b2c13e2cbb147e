"""``hsc-bench paper``: LaTeX tables, PDF figures and a methods paragraph from finished runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.reporting.paper.document import write
from benchmarks.reporting.paper.published_references import find_reference, references
from benchmarks.runs.run_folder import load
from benchmarks.text import one_line

EXAMPLES = """
  hsc-bench paper results/reference/detection --out paper
      LaTeX tables, figures as PDF, a methods paragraph, and main.tex, which inputs them all
  hsc-bench paper results/runs/detection results/runs/segmentation --out paper --overwrite
      several runs in one document; heads of different regimes never share a table
  hsc-bench paper results/runs/coco --reference coco-jpeg --out paper
      with published numbers of others, marked as such, in a table and in the figures

It reads run.json, scores.csv, comparisons.csv and, where there is one, sheet.jpg. It measures nothing and needs no
cache."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "paper", "Write tables, figures and methods for a paper, from the folders of finished runs alone.", EXAMPLES
    )
    parser.add_argument(
        "runs", metavar="RUN", type=Path, nargs="+", help="a folder that hsc-bench run wrote; several share a document"
    )
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="folder for the document")
    parser.add_argument(
        "--reference",
        metavar="NAME",
        action="append",
        default=[],
        help=f"published numbers of others, marked as such: {', '.join(references())}; may be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are in the folder already")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _write, argv)


def _write(options: argparse.Namespace) -> int:
    published = [find_reference(name) for name in dict.fromkeys(options.reference)]
    notes = write([load(folder) for folder in options.runs], options.out, published, options.overwrite)
    sys.stderr.write("".join(f"note: {one_line(note)}\n" for note in notes))
    sys.stderr.write(f"{options.out}: compile main.tex, or input its parts\n")
    return DONE
