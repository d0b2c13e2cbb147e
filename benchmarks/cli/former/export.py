"""``python -m benchmarks.export``, now ``hsc-bench export-shards``."""

import sys

from benchmarks.cli.export_shards import main
from benchmarks.cli.former import redirected

if __name__ == "__main__":
    sys.exit(redirected("export", "export-shards", main))
