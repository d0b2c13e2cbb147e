"""``python -m benchmarks.card_scores``, now ``hsc-bench update-card``."""

import sys

from benchmarks.cli.former import redirected
from benchmarks.cli.model_card import main

if __name__ == "__main__":
    sys.exit(redirected("card_scores", "update-card", main))
