"""``python -m benchmarks.sheet``, now ``hsc-bench contact-sheet``."""

import sys

from benchmarks.cli.contact_sheet import main
from benchmarks.cli.former import redirected

if __name__ == "__main__":
    sys.exit(redirected("sheet", "contact-sheet", main))
