"""The verdict on a codec by its interval, in the words that every table, text and page use."""

from __future__ import annotations

import math
from typing import Literal

from benchmarks.api import Comparison, MetricFacts
from benchmarks.runs.number_texts import RATE_KINDS
from benchmarks.stats.bootstrap import MIN_IMAGES, side_of_zero

Verdict = Literal["better", "worse", "no clear difference", "no interval"]


def verdict(comparison: Comparison, facts: MetricFacts) -> Verdict:
    """What the interval of a difference from an anchor says of the codec. facts: of the metric compared.

    "no clear difference": the interval holds 0. "no interval": it is missing, or of too few images.
    """
    if math.isnan(comparison.low) or comparison.images < MIN_IMAGES:
        return "no interval"
    sign = -1 if comparison.kind in RATE_KINDS else facts.sign
    side = sign * side_of_zero(comparison.low, comparison.high, comparison.images)
    return "better" if side > 0 else "worse" if side < 0 else "no clear difference"


def verdict_of(bd_rate: Comparison | None, bd_metric: Comparison | None, facts: MetricFacts) -> Verdict | None:
    """The verdict on a codec: by BD-rate, or by BD-metric where BD-rate has no interval; None where it has neither
    number. facts: of the metric compared.
    """
    by = deciding(bd_rate, bd_metric, facts)
    return verdict(by, facts) if by else None


def deciding(bd_rate: Comparison | None, bd_metric: Comparison | None, facts: MetricFacts) -> Comparison | None:
    """The difference that the verdict on a codec is by; arguments as for ``verdict_of``."""
    valued = [c for c in (bd_rate, bd_metric) if c and c.status == "ok"]
    return next((c for c in valued if verdict(c, facts) != "no interval"), valued[0] if valued else None)


def said_by(by: Comparison | None, facts: MetricFacts) -> str:
    """What a verdict is by, where that is not the BD-rate beside it; else nothing."""
    return f"by BD-{facts.title}" if by and by.kind not in RATE_KINDS else ""
