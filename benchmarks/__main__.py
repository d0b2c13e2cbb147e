"""``python -m benchmarks``: the same as ``hsc-bench``."""

import sys

from benchmarks.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
