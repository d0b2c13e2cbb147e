"""The command line of the paper: ``hsc-bench paper results/runs/detection --out paper``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting.paper.document import write
from benchmarks.reporting.paper.published_references import find_reference, references
from benchmarks.runs.run_folder import read_run
from benchmarks.text import one_line
from hsc.errors import HscError

DONE, USAGE = 0, 2

EXAMPLES = """examples:
  hsc-bench paper results/reference/detection --out paper
      LaTeX tables, figures as PDF, a methods paragraph, and main.tex, which inputs them all
  hsc-bench paper results/runs/detection results/runs/segmentation --out paper --overwrite
      several runs in one document; heads of different regimes never share a table
  hsc-bench paper results/runs/coco --reference coco-jpeg --out paper
      with figures that others have published, marked as such, in a table and laid over the curves

It reads rows.csv, run.json and, where there is one, sheet.jpg; nothing is measured and no cache is needed.

exit codes: 0 done, 2 the request cannot be met"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench paper",
        description="Tables, figures and methods for a paper, from the folders of finished runs alone.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        type=Path,
        nargs="+",
        help="a folder that python -m benchmarks.run wrote; several go into one document",
    )
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="folder of the document")
    parser.add_argument(
        "--reference",
        metavar="NAME",
        action="append",
        default=[],
        help=f"figures of others, marked so: {', '.join(references())}; may be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="write over files that are in the folder already")
    options = parser.parse_args(arguments)
    try:
        asked = [find_reference(name) for name in dict.fromkeys(options.reference)]
        said = write([read_run(folder) for folder in options.runs], options.out, asked, options.overwrite)
    except HscError as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return USAGE
    sys.stderr.write(
        "".join(f"note: {one_line(line)}\n" for line in said) + f"{options.out}: compile main.tex, or input its parts\n"
    )
    return DONE
