"""``python -m benchmarks.report``, now ``hsc-bench report``."""

import sys

from benchmarks.cli.former import redirected
from benchmarks.cli.report import main

if __name__ == "__main__":
    sys.exit(redirected("report", "report", main))
