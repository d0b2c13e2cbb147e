"""``hsc-bench paper``: LaTeX tables, PDF figures and a methods paragraph from finished runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.places import run_folder
from benchmarks.reporting.paper.paper_options import PARTS, PaperOptions, parse_codecs, parse_names, parse_ranges
from benchmarks.reporting.paper.published_references import find_reference, references
from benchmarks.text import one_line

EXAMPLES = """
  hsc-bench paper results/reference/detection --out paper
      LaTeX tables, figures as PDF, methods, references.bib, and main.tex, which inputs them all
  hsc-bench paper results/runs/detection results/runs/segmentation --out paper --overwrite
      several runs in one document; heads of different regimes never share a table
  hsc-bench paper results/runs/coco --out paper --codecs hsc,vvc,jpeg --names hsc=Ours --names vvc=VVC
      three codecs in this order, two of them under other names; heads and data sets have --names, too
  hsc-bench paper results/runs/coco --out figure --only figure curves --width one --y-range 20:60
      the figure alone, one column wide, its axis of scores from 20 to 60
  hsc-bench paper results/runs/coco --reference coco-jpeg --out paper
      with published numbers of others, marked as such, in a table and in the figures

It reads run.json, scores.csv, comparisons.csv and, where there is one, sheet.jpg. It measures nothing and needs no
cache. In its tables a dash is a rate that a codec's curve does not reach; n/a is a number that was refused, with the
reason below the table."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "paper", "Write tables, figures and methods for a paper, from the folders of finished runs alone.", EXAMPLES
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        type=run_folder,
        nargs="+",
        help="a folder that hsc-bench run wrote, or its URI; several share a document",
    )
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="folder for the document")
    parser.add_argument(
        "--reference",
        metavar="NAME",
        action="append",
        default=[],
        help=f"published numbers of others, marked as such: {', '.join(references())}; may be repeated",
    )
    parser.add_argument(
        "--codecs",
        metavar="LIST",
        action="append",
        default=[],
        help="the codecs to show, in this order, as hsc,vvc,jpeg; by default all in the run's order",
    )
    parser.add_argument(
        "--names",
        metavar="LABEL=NAME",
        action="append",
        default=[],
        help="what to call a codec, a head or the data set, as 'hsc=Ours'; may be repeated",
    )
    parser.add_argument(
        "--width",
        choices=("one", "two"),
        default="two",
        help="columns of the page that tables and figures span (default: two); tables over pages keep the whole page",
    )
    parser.add_argument(
        "--y-range",
        metavar="[SCORE=]LOW:HIGH",
        action="append",
        default=[],
        help="ends of the axis of scores as it is drawn, as 20:60, or psnr=25:45 for one score; may be repeated",
    )
    parser.add_argument(
        "--only",
        nargs=2,
        metavar=("KIND", "NAME"),
        action="append",
        default=[],
        help=f"write one part alone: {_parts()}; may be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are in the folder already")
    return parser


def _parts() -> str:
    return "; ".join(f"{kind} {'|'.join(names)}" for kind, names in PARTS.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _write, argv)


def _write(options: argparse.Namespace) -> int:
    from benchmarks.reporting.paper.document import write
    from benchmarks.runs.run_folder import load

    published = [find_reference(name) for name in dict.fromkeys(options.reference)]
    chosen = PaperOptions(
        parse_codecs(options.codecs),
        parse_names(options.names),
        options.width,
        parse_ranges(options.y_range),
        tuple((kind, name) for kind, name in options.only),
    )
    notes = write([load(folder) for folder in options.runs], options.out, published, options.overwrite, chosen)
    sys.stderr.write("".join(f"note: {one_line(note)}\n" for note in notes))
    sys.stderr.write(f"{options.out}: compile main.tex, or input its parts\n")
    return DONE
