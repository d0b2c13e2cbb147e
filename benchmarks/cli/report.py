"""``hsc-bench report``: makes the page of a finished run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run

EXAMPLES = """
  hsc-bench report results/runs/detection
      writes report.html anew, from the files in the run's folder
  hsc-bench report results/reference/detection --out page.html
  hsc-bench report results/reference/detection --export codec-compare --out comparison
      every image at every operating point as the JSON files of webmproject's page Codec-Compare; serve them beside it
      and open index.html?load=comparison/batches.json"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "report",
        "Write a run as one HTML page that needs no network: curves, tables, pictures, and the origin of each number.",
        EXAMPLES,
        refused="the folder holds no run, or the page cannot be written",
    )
    parser.add_argument("folder", type=Path, help="a folder that hsc-bench run wrote")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="file of the page (default: report.html in the folder); with --export a folder (default: its name)",
    )
    parser.add_argument(
        "--export", choices=("codec-compare",), help="write the run's numbers for another program, in place of the page"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _write, argv)


def _write(options: argparse.Namespace) -> int:
    if options.export:
        return _export(options)
    from benchmarks.reporting.html import write  # here, so that --help is quick

    path = write(options.folder, options.out)
    sys.stdout.write(f"{path}: {path.stat().st_size / 1000:,.0f} kB\n")
    return DONE


def _export(options: argparse.Namespace) -> int:
    from benchmarks.runs.codec_compare import FOLDER, export
    from benchmarks.runs.run_folder import load, made_from

    with made_from(options.folder):
        exported = export(load(options.folder, complete=False), options.out or options.folder / FOLDER)
    for path in exported.files:
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:,.0f} kB\n")
    if exported.without_psnr:
        sys.stderr.write(f"{exported.without_psnr} images that were coded without loss have no PSNR and are left out\n")
    return DONE
