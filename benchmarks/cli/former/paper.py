"""``python -m benchmarks.paper``, now ``hsc-bench paper``."""

import sys

from benchmarks.cli.former import redirected
from benchmarks.cli.paper import main

if __name__ == "__main__":
    sys.exit(redirected("paper", "paper", main))
