"""The page's first screen: who leads by how much with each head, and the date, version and commit of the run.

bd_rate, lead_bd_rate --leader of each head--> one sentence for all heads, a row a head
                                               without Bjontegaard differences: the best score at a common rate
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.api import Comparison, MetricFacts
from benchmarks.reporting.html.cells import (
    NOTHING,
    codec_cell,
    difference_cell,
    difference_unit,
    head_cell,
    row_marks,
    shown_with_unit,
    signed,
    span,
)
from benchmarks.reporting.html.curves import Points, View
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, joined, table
from benchmarks.runs.common_rates import common_rates
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.findings import Verdict, verdict_of
from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import Run

_SIGNS: Mapping[Verdict, str] = {"better": "▲ ", "worse": "▼ ", "no clear difference": "≈ "}
_NO_FINDING = "No codec can be named as the leader: no head has a number for two codecs that could be compared."


class Leader(NamedTuple):
    """The codec that leads with one head, and by how much.

    compared: its difference from the anchor in rate, or its score at a common rate. lead: the difference from the next
    best, None where there is none. unranked: codecs without such a number. outcome: the verdict on ``compared``.
    anchor_leads: no codec needs fewer bits than the anchor, and ``compared`` is of the best of the others.
    """

    view: View
    compared: Comparison
    lead: Comparison | None
    unranked: tuple[str, ...]
    outcome: Verdict = "no interval"
    anchor_leads: bool = False

    @property
    def codec(self) -> str:
        """The codec that leads."""
        return self.compared.anchor if self.anchor_leads else self.compared.codec

    @property
    def of_rate(self) -> bool:
        """Whether codecs are ranked by Bjontegaard differences in rate, and not by scores at one rate."""
        return self.compared.kind == "bd_rate"


def leaders(results: Results, points: Points) -> list[Leader]:
    """The leader with each head, by the first score and the first anchor that this head was compared with."""
    by_rate = of_kinds(results, "bd_rate", "bd_metric")
    leads = of_kinds(results, "lead_bd_rate", "lead_at_rate")
    at_rates = of_kinds(results, "score_at_rate")
    ranked = (_by_bd_rate(results, v, by_rate, leads) or _at_rate(results, v, at_rates, leads) for v in points.views)
    return [leader for leader in ranked if leader]


def _of_view(comparisons: Sequence[Comparison], view: View) -> list[Comparison]:
    return [c for c in comparisons if (c.head, c.route) == view[:2]]


def _by_bd_rate(
    results: Results, view: View, compared: Sequence[Comparison], leads: Sequence[Comparison]
) -> Leader | None:
    of_both = _of_view(compared, view)
    of_view = [c for c in of_both if c.kind == "bd_rate"]
    usable = [c for c in of_view if c.status == "ok" and math.isfinite(c.value)]
    if not usable:
        return None
    metric, anchor = usable[0].metric, usable[0].anchor
    rivals = [c for c in usable if (c.metric, c.anchor) == (metric, anchor)]
    best = min(rivals, key=lambda c: c.value)
    valued = {c.codec for c in rivals}
    unranked = (c.codec for c in of_view if (c.metric, c.anchor) == (metric, anchor) and c.codec not in valued)
    own = [
        c
        for c in _of_view(leads, view)
        if c.kind == "lead_bd_rate" and (c.metric, c.anchor, c.codec, c.status) == (metric, anchor, best.codec, "ok")
    ]
    lead = min(own, key=lambda c: abs(c.value), default=None)
    by_metric = next(
        (c for c in of_both if (c.kind, c.metric, c.anchor, c.codec) == ("bd_metric", metric, anchor, best.codec)), None
    )
    outcome = verdict_of(best, by_metric, results.facts_of(metric)) or "no interval"
    return Leader(view, best, lead, tuple(dict.fromkeys(unranked)), outcome, anchor_leads=best.value >= 0)


def _at_rate(results: Results, view: View, scores: Sequence[Comparison], leads: Sequence[Comparison]) -> Leader | None:
    """The best score at the rate that most codecs reach; the lowest such rate."""
    usable = [c for c in _of_view(scores, view) if c.status == "ok" and math.isfinite(c.value)]
    if not usable:
        return None
    of_metric = [c for c in usable if c.metric == usable[0].metric]
    (rate,) = common_rates(of_metric, 1)
    rivals = [c for c in of_metric if c.at_bpp == rate]
    if len(rivals) < 2:
        return None
    sign = results.facts_of(rivals[0].metric).sign
    best = max(rivals, key=lambda c: sign * c.value)
    own = [
        c
        for c in _of_view(leads, view)
        if c.kind == "lead_at_rate" and (c.metric, c.codec, c.at_bpp, c.status) == (best.metric, best.codec, rate, "ok")
    ]
    lead = min(own, key=lambda c: abs(c.value), default=None)
    ranked = {c.codec for c in rivals}
    return Leader(view, best, lead, tuple(dict.fromkeys(c.codec for c in usable if c.codec not in ranked)))


def finding(results: Results, points: Points) -> Markup:
    """Who leads: one sentence, and a row a head."""
    found = leaders(results, points)
    if not found:
        return joined([element("p", _NO_FINDING, class_="lead"), *_reasons(results)])
    columns = [
        Column("Leader", "text"),
        Column("Against the anchor", about="the leader's difference in bits at equal score, or its score at one rate"),
        Column("Against the next", about="the leader less the next best, on the same resamples"),
        Column("Verdict (95 % CI)", "text"),
        Column("Head", "text"),
    ]
    rows = [_row(results, points, leader) for leader in found]
    caption = "The leader with each head"
    lead = headline(results, found).replace(" %", "\u00a0%")  # no line begins with a unit
    return joined([element("p", lead, class_="lead"), table("finding", caption, columns, rows)])


def _reasons(results: Results) -> list[Markup]:
    """Why there is no finding: the reasons why codecs could not be compared, each once."""
    refused = [c for c in of_kinds(results, "bd_rate") if c.status != "ok" and c.reason]
    reasons: dict[str, list[str]] = {}
    for comparison in refused:
        codecs = reasons.setdefault(comparison.reason, [])
        if (pair := f"{comparison.codec} against {comparison.anchor}") not in codecs:
            codecs.append(pair)
    texts = [f"{', '.join(pairs[:4])}: {reason}." for reason, pairs in reasons.items()]
    if not texts:
        texts = ["The run names no anchor, or has one codec of fewer than four points; --anchor names one."]
    return [element("p", text, class_="note") for text in texts[:4]]


def headline(results: Results, found: Sequence[Leader]) -> str:
    """The finding in one or two sentences."""
    names = list(dict.fromkeys(leader.codec for leader in found))
    count = {1: "the one head", 2: "both heads"}.get(len(found), f"all {len(found)} heads")
    heads = f"{count} that compare{'s' if len(found) == 1 else ''} codecs"
    if len(names) > 1:
        tally = Counter(leader.codec for leader in found)
        parts = ", ".join(f"{name} with {count}" for name, count in tally.most_common())
        return f"No one codec leads with {heads}: {parts} of {len(found)}. The rows below say by how much."
    first = found[0]
    title = results.facts_of(first.compared.metric).title
    if not any(leader.of_rate for leader in found) and len({leader.compared.at_bpp for leader in found}) == 1:
        best = f"{names[0]} has the best {title} at {first.compared.at_bpp:g} bpp with {heads}"
        return f"{best}. No Bjontegaard difference ranks the codecs."
    if not all(leader.of_rate for leader in found):
        return f"{names[0]} is ahead with {heads}; the rows below say by how much."
    if first.anchor_leads:
        return f"The anchor {names[0]} leads with {heads}: no other codec needs fewer bits at equal {title}."
    saved = sorted(-leader.compared.value for leader in found)
    share = f"{saved[0]:.0f}" if f"{saved[0]:.0f}" == f"{saved[-1]:.0f}" else f"{saved[0]:.0f} to {saved[-1]:.0f}"
    less = f"{share} % fewer bits than {first.compared.anchor} at equal {title}"
    verb = "leads" if any(leader.outcome == "better" for leader in found) else "has the lowest BD-rate"
    return f"{names[0]} {verb} with {heads}: {less}. {_certainty(found)}"


def _certainty(found: Sequence[Leader]) -> str:
    """With how many heads the interval leaves out that there is no difference."""
    sure = sum(leader.outcome == "better" for leader in found)
    bare = sum(leader.outcome == "no interval" for leader in found)
    if bare == len(found):
        return "There is no interval, so no verdict."
    if not sure:
        return "No 95 % interval excludes 0, so this may be chance."
    if sure == len(found):
        return f"The 95 % interval{' of each head' if sure > 1 else ''} excludes 0."
    text = f"The 95 % interval excludes 0 with {sure} of {len(found)} heads"
    return text + (f"; with {bare} there is no interval." if bare else ".")


def _row(results: Results, points: Points, leader: Leader) -> tuple[dict[str, Any], list[Cell]]:
    compared, lead = leader.compared, leader.lead
    facts = results.facts_of(compared.metric)
    if leader.of_rate:
        against = _difference_from(compared, facts, compared.anchor, f"{compared.codec}, " * leader.anchor_leads)
        small = f"than {compared.anchor}" if leader.outcome in ("better", "worse") else f"from {compared.anchor}"
        small += f", by BD-{facts.title}" if math.isnan(compared.low) else ""
        known = leader.outcome != "no interval"
        says = Cell(
            _SIGNS.get(leader.outcome, "") + leader.outcome,
            leader.outcome if known else None,
            small * known,
            f"verdict {leader.outcome}",
        )
    else:
        value = shown_with_unit(compared.value, facts)
        against = Cell(value, repr(float(compared.value)), f"{facts.title} at {compared.at_bpp:g} bpp")
        says = Cell("–", None, "no Bjontegaard difference", "why")
    cells = [
        codec_cell(points, leader.codec, _unranked(leader)),
        against,
        _difference_from(lead, facts, lead.other) if lead else NOTHING,
        says,
        head_cell(*leader.view[:2]),
    ]
    return row_marks(points, *leader.view[:2], leader.codec), cells


def _difference_from(comparison: Comparison, facts: MetricFacts, other: str, before: str = "") -> Cell:
    """A difference from a named codec, with its interval."""
    cell = difference_cell(comparison, facts)
    if cell.sort is None:
        return cell
    ends = (
        "no interval" if math.isnan(comparison.low) else f"[{span(comparison, comparison.low, comparison.high, facts)}]"
    )
    text = f"{before}{signed(comparison, comparison.value, facts)}{difference_unit(comparison, facts)}"
    return cell._replace(text=text, small=joined([f"than {other}", element("span", ends, class_="line")]))


def _unranked(leader: Leader) -> str:
    """Which codecs have no number to be ranked by."""
    names = leader.unranked
    if not names:
        return ""
    return f"not ranked: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def origin_line(run: Run) -> Markup:
    """Date, version, commit and folder of the run, and the command that says whether its numbers hold."""
    environment = run.about["environment"]
    parts = [_date(run.about), _version(environment), _commit(environment)]
    facts = element("p", " · ".join(filter(None, parts)), class_="note facts")
    command = element("code", "hsc-bench verify FOLDER")  # the page of a folder is the same under any name
    check = element(
        "p",
        "Not verified by this page: ",
        command,
        " makes the tables, the figures and this page again from the folder’s numbers, decodes "
        "the bitstreams it keeps, and says what it could not check.",
        class_="note",
        id="verified",
    )
    return joined([facts, check])


def _date(about: Mapping[str, Any]) -> str:
    date = about.get("date")
    return f"Run of {date[:16].replace('T', ' ')} UTC" if isinstance(date, str) and date else "Date not recorded"


def _version(environment: Mapping[str, Any]) -> str:
    version = environment.get("packages", {}).get("hsc-bench")
    return f"HSC-Bench {version}" if version else "HSC-Bench of an unknown version"


def _commit(environment: Mapping[str, Any]) -> str:
    commit = environment.get("commit")
    if not commit:
        return "no commit recorded"
    changed = " with changes that are not committed" if commit.endswith("+") else ""
    return f"commit {commit.rstrip('+')[:12]}{changed}"
