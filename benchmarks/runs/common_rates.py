"""The rates at which a summary shows scores: those that most codecs reach."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from benchmarks.api import Comparison


def common_rates(at_rates: Iterable[Comparison], most: int) -> tuple[float, ...]:
    """At most ``most`` rates in rising order, in bits per pixel: those that most codecs reach, the lower of two that
    equally many reach.

    at_rates: comparisons of the kind ``score_at_rate``, of one head and score.
    """
    reached = Counter(c.at_bpp for c in at_rates if c.status == "ok" and not math.isnan(c.value))
    return tuple(sorted(sorted(reached, key=lambda bpp: (-reached[bpp], bpp))[:most]))
