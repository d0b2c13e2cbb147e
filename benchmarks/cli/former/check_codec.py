"""``python -m benchmarks.check_codec``, now ``hsc-bench check-codec``."""

import sys

from benchmarks.cli.check_codec import main
from benchmarks.cli.former import redirected

if __name__ == "__main__":
    sys.exit(redirected("check_codec", "check-codec", main))
