"""A summary as text: one screen of a terminal, or the head of ``table.md``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.runs.findings import Finding
from benchmarks.runs.number_texts import score_text
from benchmarks.runs.summary import HeadColumn, Summary
from benchmarks.runs.summary_table import markdown_table, rate_text, screen_tables
from benchmarks.text import one_line

WIDTH = 120
"""Columns of a screen."""
LINES = 40
"""Lines of a screen; codecs are never left out, so many of them make it longer."""
_NOTE_LINES = 2
_LEAST_NOTES = 3
_NOTES = textwrap.TextWrapper(WIDTH - 2, max_lines=_NOTE_LINES, placeholder=" ...", break_on_hyphens=False)
_MAX_LINE = 100_000


def screen(summary: Summary, below: Sequence[str] = ()) -> str:
    """The summary for a terminal: at most ``WIDTH`` wide and about ``LINES`` long. below: its last lines, such as where
    the files are.
    """
    if not summary.rows and not summary.notes:
        return "".join(f"{line}\n" for line in below)
    head = [one_line(_title(summary)), *_wrapped(finding_lines(summary)), ""]
    key = ["", *_wrapped(key_lines(summary))] if summary.rows else []
    foot = ["", *below] if below else []
    first, *others = screen_tables(summary, WIDTH) if summary.rows else [[]]
    left = LINES - len(head) - len(first) - len(key) - len(foot)
    tables = [first]
    unshown = 0
    for table in others:
        if len(table) + 1 + _LEAST_NOTES <= left:
            tables.append(["", *table])
            left -= len(table) + 1
        else:
            unshown += 1
    notes = ["More heads: their columns are in table.md."] if unshown else []
    lines = [*head, *(line for table in tables for line in table), *key, *_notes([*notes, *summary.notes], left), *foot]
    return "\n".join(lines) + "\n"


def markdown(summary: Summary) -> str:
    """The summary as the first section of ``table.md``, without its notes, which stand below the tables there."""
    if not summary.rows:
        return ""
    return "\n\n".join(
        [
            f"### Summary: {one_line(_title(summary), _MAX_LINE)}",
            *(one_line(line, _MAX_LINE) for line in finding_lines(summary)),
            markdown_table(summary),
            *(one_line(line, _MAX_LINE) for line in key_lines(summary)),
        ]
    )


def finding_lines(summary: Summary) -> list[str]:
    """Who leads, a sentence for the heads that find the same."""
    several = len(summary.heads) > 1
    labels = {(head.head, head.route, head.metric): head.label for head in summary.heads}
    alike: dict[Finding, list[str]] = {}
    for finding in summary.findings:
        label = f"{labels[finding.head, finding.route, finding.metric]} " if several else ""
        number = f"{label}{rate_text(finding.bd_rate, ' %') if finding.bd_rate else ''}".strip()
        alike.setdefault(replace(finding, head="", route="", metric="", bd_rate=None), []).append(number)
    return [_sentence(finding, [text for text in numbers if text]) for finding, numbers in alike.items()]


def _sentence(finding: Finding, numbers: Sequence[str]) -> str:
    """A finding in words. numbers: the leader's BD-rates, with the labels of the heads where there are several."""
    uncompared = f"; without a BD-rate: {_few(finding.uncompared)}" if finding.uncompared else ""
    heads = f" ({', '.join(numbers)})" if numbers else ""
    if not finding.leader:
        return f"No codec has a BD-rate against {finding.anchor}{heads}."
    if finding.leader == finding.anchor:
        if finding.verdict == "better":
            return f"{finding.anchor} leads: every codec compared is worse{heads}{uncompared}."
        return f"No codec has a lower BD-rate than {finding.anchor}{heads}{uncompared}."
    rate = f"BD-rate {', '.join(numbers)} against {finding.anchor}"
    if finding.verdict != "better":
        why = "no interval, so no verdict" if finding.verdict == "no interval" else "no clear difference"
        return f"{finding.leader} has the lowest BD-rate, with {why}: {rate}{uncompared}."
    level = f"; not clearly ahead of {_few(finding.level)}" if finding.level else ""
    undecided = f"; no interval of its lead over {_few(finding.undecided)}" if finding.undecided else ""
    return f"{finding.leader} leads: {rate}{level}{undecided}{uncompared}."


def _few(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def key_lines(summary: Summary) -> list[str]:
    """What the columns mean."""
    several = len(summary.heads) > 1
    names = "; ".join(f"{head.label} {head.title}{_original(head)}" for head in summary.heads)
    lines = []
    if several:
        lines.append(f"Heads: {names}.")
    elif summary.heads:
        lines.append(f"Head: {summary.heads[0].title}{_original(summary.heads[0])}.")
    if summary.other_heads:
        why = "Heads that read too few codecs for a comparison" if summary.anchor else "Other heads, in table.md"
        lines.append(f"{why}: {', '.join(summary.other_heads)}.")
    if summary.compared:
        ends = any(c and not math.isnan(c.low) for row in summary.rows for c in row.bd_rates)
        lines.append(
            f"BD-rate: bits at equal score against {summary.anchor}, negative is better; codecs stand in "
            f"{'the order of A' if several else 'its order'}."
            + (" In brackets: 95 % intervals, which decide the verdicts." if ends else "")
        )
    if summary.rates:
        lines.append(f"@: score{' by head A' if several else ''} at so many bits per pixel.")
    lower = dict.fromkeys(head.facts.title for head in summary.heads if not head.facts.higher_is_better)
    if lower:
        lines.append(f"Lower is better: {', '.join(lower)}.")
    return lines


def _original(head: HeadColumn) -> str:
    value = score_text(head.original, head.facts) if math.isfinite(head.original) else ""
    return f" ({head.facts.title} {value} on the originals)" if value else ""


def _title(summary: Summary) -> str:
    images = f"{summary.images:,} image{'' if summary.images == 1 else 's'}"
    return f"{summary.task} on {summary.dataset} ({summary.split}, {images})"


def _wrapped(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(one_line(line, _MAX_LINE), WIDTH, break_on_hyphens=False)]


def _notes(notes: Sequence[str], left: int) -> list[str]:
    """Notes in the lines that are left, each of at most ``_NOTE_LINES``, and a count of those that do not fit."""
    if not notes:
        return []
    lines = [""]
    for place, note in enumerate(notes):
        wrapped = _NOTES.wrap(one_line(note, _MAX_LINE))
        if len(lines) + len(wrapped) > max(left, _LEAST_NOTES) and place:
            lines.append(f"- {len(notes) - place} more notes: see table.md")
            break
        lines += [("- " if not k else "  ") + part for k, part in enumerate(wrapped)]
    return lines
