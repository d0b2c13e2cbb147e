"""Scores and differences as tables print them: decimals, percent and units by the facts of the score."""

from __future__ import annotations

import math

from benchmarks.api import Comparison, Kind, MetricFacts
from benchmarks.runs.results import Results
from benchmarks.stats.metric_facts import TIMES, axis_title

RATE_KINDS: frozenset[Kind] = frozenset({"bd_rate", "noise_floor_rate", "lead_bd_rate"})
"""The comparisons that are differences in rate, in percent; all others are in the metric compared."""
_UNIT_IN_TITLE = frozenset({"bpp", "source_bpp", "size_bytes", "size_kb", *TIMES})


def column_title(results: Results, score: str) -> str:
    """The heading of a score's column: its title, with its unit where it has one. Scores in percent have none: the note
    below the tables says it once for all of them.
    """
    facts = results.facts_of(score)
    return facts.title if score in _UNIT_IN_TITLE or facts.percent else axis_title(facts)


def score_text(value: float, facts: MetricFacts) -> str:
    """A score as tables print it; "inf" where it is not finite.

    >>> score_text(0.528, MetricFacts()), score_text(31.4159, MetricFacts(percent=False, digits=2))
    ('52.8', '31.42')
    """
    return f"{facts.factor * value:.{facts.digits}f}" if math.isfinite(value) else "inf"


def interval_text(low: float, high: float, facts: MetricFacts) -> str:
    """The two ends of a score's interval, after a space; empty for a score without one."""
    return f" [{score_text(low, facts)}, {score_text(high, facts)}]" if math.isfinite(low) else ""


def difference_text(comparison: Comparison, facts: MetricFacts) -> str:
    """A difference as tables print it: value, interval, overlaps, and what stands in for a curve that dips; or
    the reason of a missing one. facts: of the metric compared.
    """
    if comparison.status != "ok":
        return f"n/a: {comparison.reason}"
    overlaps = (comparison.overlap_test, comparison.overlap_anchor)
    braces = "" if math.isnan(overlaps[0]) else " {" + "/".join(f"{100 * share:.0f}" for share in overlaps) + "}"
    stands_in = f" ({comparison.method})" if comparison.method in ("fit", "isotonic") else ""
    return f"{value_text(comparison, facts)}{braces}{stands_in}"


def value_text(comparison: Comparison, facts: MetricFacts) -> str:
    """A difference that has a value: the value with its unit, and its interval. facts: of the metric compared."""
    of_rate = comparison.kind in RATE_KINDS
    factor, digits, unit = (1.0, 1, " %") if of_rate else (facts.factor, facts.digits, "")

    def signed(value: float) -> str:
        return f"{factor * value:+.{digits}f}"

    ends = "" if math.isnan(comparison.low) else f" [{signed(comparison.low)}, {signed(comparison.high)}]"
    return f"{signed(comparison.value)}{unit}{ends}"


def difference_title(comparison: Comparison, facts: MetricFacts) -> str:
    """What a Bjontegaard difference is called: "BD-rate (AP)", "BD-AP"."""
    return f"BD-rate ({facts.title})" if comparison.kind in RATE_KINDS else f"BD-{facts.title}"
