"""``python -m benchmarks.doctor``, now ``hsc-bench doctor``."""

import sys

from benchmarks.cli.doctor import main
from benchmarks.cli.former import redirected

if __name__ == "__main__":
    sys.exit(redirected("doctor", "doctor", main))
