"""Findings in words: the same sentences on the terminal, in ``table.md`` and on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.api import MetricFacts
from benchmarks.runs.findings import Finding


def finding_sentences(
    findings: Sequence[Finding],
    label: Callable[[Finding], str],
    number: Callable[[Finding], str],
    facts: Callable[[Finding], MetricFacts],
) -> list[str]:
    """Who leads, a sentence for the heads that find the same.

    label: what calls a finding's head, where there are several. number: the leader's BD-rate, or its score at the rate.
    facts: of the score.
    """
    several = len(findings) > 1
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        at = (finding.at_rate.at_bpp, finding.metric) if finding.at_rate else ()
        sides = (finding.level, finding.undecided, finding.uncompared)
        alike.setdefault((finding.anchor, finding.leader, finding.verdict, sides, at), []).append(finding)
    sentences = []
    for group in alike.values():
        texts = [(label(f) if several else "", number(f) if f.bd_rate or f.at_rate else "") for f in group]
        numbers = [" ".join(filter(None, text)) for text in texts]
        sentences.append(_sentence(group[0], [text for text in numbers if text], facts(group[0]).title))
    return sentences


def _sentence(finding: Finding, numbers: Sequence[str], title: str) -> str:
    """A finding in words. numbers: the leader's, with the labels of the heads where there are several. title: of the
    score.
    """
    if finding.at_rate:
        return _at_rate(finding, numbers, title)
    uncompared = f"; without a BD-rate: {few(finding.uncompared)}" if finding.uncompared else ""
    heads = f" ({', '.join(numbers)})" if numbers else ""
    if not finding.leader:
        return f"No codec has a BD-rate against {finding.anchor}{heads}."
    if finding.leader == finding.anchor:
        if finding.verdict == "better":
            return f"{finding.anchor} leads: every codec compared is worse{heads}{uncompared}."
        return f"No codec has a lower BD-rate than {finding.anchor}{heads}{uncompared}."
    rate = f"BD-rate {', '.join(numbers)} against {finding.anchor}"
    if finding.verdict != "better":
        why = "no interval, so no verdict" if finding.verdict == "no interval" else finding.verdict
        return f"{finding.leader} has the lowest BD-rate, with {why}: {rate}{uncompared}."
    return f"{finding.leader} leads: {rate}{_rivals(finding)}{uncompared}."


def _at_rate(finding: Finding, numbers: Sequence[str], title: str) -> str:
    """A finding by scores at one rate."""
    assert finding.at_rate is not None
    bpp = f"{finding.at_rate.at_bpp:g} bpp"
    missing = f"; not at this rate: {few(finding.uncompared)}" if finding.uncompared else ""
    score = f"{title} {', '.join(numbers)}"
    if finding.verdict == "better":
        return f"{finding.leader} leads at {bpp}: {score}{missing}."
    return f"{finding.leader} has the best score at {bpp}: {score}{_rivals(finding)}{missing}."


def _rivals(finding: Finding) -> str:
    """The codecs that a leader is not surely ahead of."""
    level = f"; not clearly ahead of {few(finding.level)}" if finding.level else ""
    return level + (f"; no interval of its lead over {few(finding.undecided)}" if finding.undecided else "")


def few(names: Sequence[str], most: int = 4) -> str:
    """Names in a row, the first few of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
