"""``python -m benchmarks.relighting``, now ``hsc-bench relighting``."""

import sys

from benchmarks.cli.former import redirected
from benchmarks.cli.relighting import main

if __name__ == "__main__":
    sys.exit(redirected("relighting", "relighting", main))
