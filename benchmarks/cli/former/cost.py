"""``python -m benchmarks.cost``, now ``hsc-bench complexity``."""

import sys

from benchmarks.cli.complexity import main
from benchmarks.cli.former import redirected

if __name__ == "__main__":
    sys.exit(redirected("cost", "complexity", main))
