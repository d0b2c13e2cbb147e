"""The door of the benchmark: ``python -m benchmarks.run --task detection``, the same as ``hsc-bench run``."""

import sys

from benchmarks.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
