"""Who leads a run, against its anchor, as one head sees it; and the verdict on each codec in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.api import Comparison, MetricFacts
from benchmarks.runs.sentences import verdict
from benchmarks.stats.bootstrap import MIN_IMAGES, side_of_zero

Verdict = Literal["better", "worse", "no clear difference", "no interval"]


@dataclass(frozen=True)
class Finding:
    """Who leads, by BD-rate, as one head sees it.

    head, route, metric, anchor: of the comparisons. leader: the codec of the lowest BD-rate, or the anchor where none
    is below 0; empty where no codec has a BD-rate. bd_rate: the leader's against the anchor, None for the anchor
    itself. verdict: on the leader against the anchor; on the anchor "better" where all others are worse.

    The others by what the leader's lead over them is, in BD-rate, or in BD-metric where that one has the interval.
    behind: its interval leaves out 0. level: it holds 0. undecided: there is no interval. uncompared: codecs without a
    BD-rate, which may be better or worse than the leader.
    """

    head: str
    route: str
    metric: str
    anchor: str
    leader: str
    bd_rate: Comparison | None
    verdict: Verdict
    behind: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()


def verdict_of(bd_rate: Comparison | None, bd_metric: Comparison | None, facts: MetricFacts) -> Verdict | None:
    """The verdict on a codec: by BD-rate, or by BD-metric where BD-rate has no interval; None where it has neither
    number. facts: of the metric compared.
    """
    valued = [c for c in (bd_rate, bd_metric) if c and c.status == "ok"]
    if not valued:
        return None
    sure = next((c for c in valued if not math.isnan(c.low)), None)
    if sure is None:
        return "no interval"
    word = verdict(sure, facts)
    return "no clear difference" if word == "inconclusive" else word


def finding_of(differences: Sequence[Comparison], leads: Sequence[Comparison], facts: MetricFacts) -> Finding:
    """The finding of one head against one anchor.

    differences: its ``bd_rate`` and ``bd_metric``, at least one. leads: its ``lead_bd_rate`` and ``lead_bd_metric``.
    facts: of the metric.
    """
    first = differences[0]
    named = (first.head, first.route, first.metric, first.anchor)
    rates = [c for c in differences if c.kind == "bd_rate"]
    metrics = {c.codec: c for c in differences if c.kind == "bd_metric"}
    valued = [c for c in rates if c.status == "ok"]
    uncompared = tuple(c.codec for c in rates if c.status != "ok")
    if not valued:
        return Finding(*named, "", None, "no interval", uncompared=uncompared)
    verdicts = {c.codec: verdict_of(c, metrics.get(c.codec), facts) or "no interval" for c in valued}
    best = min(valued, key=lambda c: c.value)
    if best.value >= 0:
        behind, level, undecided = (
            tuple(codec for codec, word in verdicts.items() if word in words)
            for words in (("worse",), ("better", "no clear difference"), ("no interval",))
        )
        verdict_on_anchor: Verdict = "no clear difference" if level else "no interval" if undecided else "better"
        return Finding(*named, first.anchor, None, verdict_on_anchor, behind, level, undecided, uncompared)
    sides = {c.codec: _side(leads, best.codec, c.codec) for c in valued if c is not best}
    behind, level, undecided = (
        tuple(codec for codec, its_side in sides.items() if its_side == side)
        for side in ("behind", "level", "undecided")
    )
    return Finding(*named, best.codec, best, verdicts[best.codec], behind, level, undecided, uncompared)


def _side(leads: Sequence[Comparison], leader: str, rival: str) -> Literal["behind", "level", "undecided"]:
    """What the intervals of the leader's lead over a rival say: that of the rate first."""
    own = [c for c in leads if (c.codec, c.other) == (leader, rival) and c.status == "ok" and not math.isnan(c.low)]
    sure = next((c for kind in ("lead_bd_rate", "lead_bd_metric") for c in own if c.kind == kind), None)
    if sure is None or sure.images < MIN_IMAGES:
        return "undecided"
    return "behind" if side_of_zero(sure.low, sure.high, sure.images) else "level"
