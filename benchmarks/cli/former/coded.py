"""``python -m benchmarks.coded``, now ``hsc-bench encode-shards``."""

import sys

from benchmarks.cli.encode_shards import main
from benchmarks.cli.former import redirected

if __name__ == "__main__":
    sys.exit(redirected("coded", "encode-shards", main))
