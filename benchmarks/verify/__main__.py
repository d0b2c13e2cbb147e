"""``python -m benchmarks.verify``: the same as ``hsc-bench verify``."""

import sys

from benchmarks.cli.verify import main

if __name__ == "__main__":
    sys.exit(main())
