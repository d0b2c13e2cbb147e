"""Who leads a run and by how much, as each head sees it: the one finder, for terminal, ``table.md`` and page alike.

bd_rate, lead_bd_rate, lead_bd_metric --lowest BD-rate------------------> Finding, one a head and score
score_at_rate, lead_at_rate ----------best score, where there is none---> Finding
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmarks.api import Comparison, MetricFacts
from benchmarks.runs.common_rates import common_rates
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.results import Results
from benchmarks.runs.verdicts import Verdict, verdict_of
from benchmarks.stats.bootstrap import MIN_IMAGES, side_of_zero

Side = Literal["behind", "level", "undecided"]


class View(NamedTuple):
    """A head by a route, in a score."""

    head: str
    route: str
    metric: str


@dataclass(frozen=True)
class Finding:
    """Who leads, by BD-rate, or by the score at a rate, as one head sees it.

    head, route, metric: of the comparisons. anchor: of the BD-rates, empty where a run has none. leader: the codec of
    the lowest BD-rate, or the anchor where none is below 0; by score the best codec; empty where nobody can be named.
    bd_rate: the leader's against the anchor, None for the anchor itself. verdict: on the leader against the anchor; on
    the anchor, and by score, "better" where all others are behind. lead: over the next best codec, or where the anchor
    leads, the BD-rate of that codec; None where there is none. at_rate: the leader's score, by score alone.

    The others by what the leader's lead over them is, in BD-rate, or in BD-metric where that one has the interval; by
    score, in the score. behind: its interval leaves out 0. level: it holds 0. undecided: there is no interval.
    uncompared: codecs without a BD-rate, or without a score at the rate, which may be better or worse than the leader.
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
    lead: Comparison | None = None
    at_rate: Comparison | None = None

    @property
    def view(self) -> View:
        """The head, route and score."""
        return View(self.head, self.route, self.metric)


def view_of(comparison: Comparison) -> View:
    """The head, route and score of a comparison."""
    return View(comparison.head, comparison.route, comparison.metric)


def views_of(results: Results) -> list[View]:
    """Every head and route with a score, in each score by which codecs are compared, in the order of the run."""
    scores = results.scores
    whole = (scores["part"] == "") & (scores["ladder"] == "") & (scores["head"] != "")
    scored = scores[whole & (scores["status"] == "ok")]
    views = []
    for (head, route), of_reader in scored.groupby(["head", "route"], sort=False):
        metrics = results.compared_metrics(set(of_reader["metric"]))
        views += [View(str(head), str(route), name) for name in metrics]
    return views


def findings(results: Results) -> list[Finding]:
    """The finding of each head and score: against the run's first anchor, or else at one rate. Heads by which no two
    codecs can be compared have none.
    """
    differences = of_kinds(results, "bd_rate", "bd_metric")
    leads = of_kinds(results, "lead_bd_rate", "lead_bd_metric", "lead_at_rate")
    at_rates = of_kinds(results, "score_at_rate")
    anchor = differences[0].anchor if differences else ""
    found = []
    for view in views_of(results):
        facts = results.facts_of(view.metric)
        own = [c for c in differences if view_of(c) == view and c.anchor == anchor]
        own_leads = [c for c in leads if view_of(c) == view and c.anchor in (anchor, "")]
        finding = finding_of(own, own_leads, facts) if own else None
        if finding is None or not finding.leader:
            finding = finding_at_rate([c for c in at_rates if view_of(c) == view], own_leads, facts) or finding
        found += [finding] if finding else []
    return found


def finding_of(differences: Sequence[Comparison], leads: Sequence[Comparison], facts: MetricFacts) -> Finding:
    """The finding of one head against one anchor.

    differences: its ``bd_rate`` and ``bd_metric``, at least one. leads: its ``lead_bd_rate`` and ``lead_bd_metric``.
    facts: of the metric.
    """
    named = (*view_of(differences[0]), differences[0].anchor)
    rates = [c for c in differences if c.kind == "bd_rate"]
    metrics = {c.codec: c for c in differences if c.kind == "bd_metric"}
    valued = [c for c in rates if c.status == "ok" and math.isfinite(c.value)]
    uncompared = tuple(c.codec for c in rates if c not in valued)
    if not valued:
        return Finding(*named, "", None, "no interval", uncompared=uncompared)
    verdicts = {c.codec: verdict_of(c, metrics.get(c.codec), facts) or "no interval" for c in valued}
    best = min(valued, key=lambda c: c.value)
    if best.value >= 0:
        sides: dict[str, Side] = {codec: _side_of_anchor(word) for codec, word in verdicts.items()}
        parted = _parted(sides)
        return Finding(*named, best.anchor, None, _ahead(*parted), *parted, uncompared, lead=best)
    sides = {c.codec: _side(leads, ("lead_bd_rate", "lead_bd_metric"), best, c) for c in valued if c is not best}
    lead = _least([c for c in leads if c.kind == "lead_bd_rate" and c.codec == best.codec])
    return Finding(*named, best.codec, best, verdicts[best.codec], *_parted(sides), uncompared, lead=lead)


def finding_at_rate(scores: Sequence[Comparison], leads: Sequence[Comparison], facts: MetricFacts) -> Finding | None:
    """The finding of one head at the rate that most codecs reach, the lowest such; None where no two reach one.

    scores: its ``score_at_rate``. leads: its ``lead_at_rate``. facts: of the metric.
    """
    usable = [c for c in scores if c.status == "ok" and math.isfinite(c.value)]
    (rate,) = common_rates(usable, 1) or (math.nan,)
    rivals = [c for c in usable if c.at_bpp == rate]
    if len(rivals) < 2:
        return None
    best = max(rivals, key=lambda c: facts.sign * c.value)
    own = [c for c in leads if c.kind == "lead_at_rate" and (c.codec, c.at_bpp) == (best.codec, rate)]
    parted = _parted({c.codec: _side(own, ("lead_at_rate",), best, c) for c in rivals if c is not best})
    ranked = {c.codec for c in rivals}
    uncompared = tuple(dict.fromkeys(c.codec for c in scores if c.codec not in ranked))
    named = (*view_of(best), "", best.codec, None)
    return Finding(*named, _ahead(*parted), *parted, uncompared, lead=_least(own), at_rate=best)


def _least(leads: Sequence[Comparison]) -> Comparison | None:
    """The lead over the next best."""
    return min((c for c in leads if c.status == "ok"), key=lambda c: abs(c.value), default=None)


def _side_of_anchor(word: Verdict) -> Side:
    """Where a codec stands behind an anchor that leads. word: the verdict on the codec."""
    return "behind" if word == "worse" else "undecided" if word == "no interval" else "level"


def _side(leads: Sequence[Comparison], kinds: Sequence[str], leader: Comparison, rival: Comparison) -> Side:
    """What the intervals of the leader's lead over a rival say, that of the first kind first."""
    own = [c for c in leads if (c.codec, c.other) == (leader.codec, rival.codec) and c.status == "ok"]
    sure = next((c for kind in kinds for c in own if c.kind == kind and not math.isnan(c.low)), None)
    if sure is None or sure.images < MIN_IMAGES:
        return "undecided"
    return "behind" if side_of_zero(sure.low, sure.high, sure.images) else "level"


def _parted(sides: dict[str, Side]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Codecs behind, level and undecided."""
    behind, level, undecided = (
        tuple(codec for codec, its_side in sides.items() if its_side == side)
        for side in ("behind", "level", "undecided")
    )
    return behind, level, undecided


def _ahead(behind: Sequence[str], level: Sequence[str], undecided: Sequence[str]) -> Verdict:
    """The verdict on a leader that is held against all others."""
    return "no clear difference" if level else "no interval" if undecided else "better"
