"""The command line of the report page: ``hsc-bench report results/runs/detection``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting.html import write
from benchmarks.text import one_line
from hsc.errors import HscError

EXAMPLES = """examples:
  hsc-bench report results/runs/detection
      report.html in the run's folder, made anew from what lies there
  hsc-bench report results/reference/detection --out page.html

exit codes: 0 done, 2 the folder is not a run's or the page cannot be written"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench report",
        description="A run as one HTML page that needs no network: curves, tables, pictures, and where each number comes "
        "from.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the folder of a run")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the page goes (default: report.html in the folder)"
    )
    options = parser.parse_args(arguments)
    try:
        path = write(options.folder, options.out)
    except HscError as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 2
    sys.stdout.write(f"{path}: {path.stat().st_size / 1000:,.0f} kB\n")
    return 0
