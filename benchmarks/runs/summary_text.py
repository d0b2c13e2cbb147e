"""A summary as text: one screen of a terminal, or the head of ``table.md``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from benchmarks.runs.display_names import split_and_images
from benchmarks.runs.finding_text import finding_sentences
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
    labels = {head.view: head.label for head in summary.heads}
    facts = {head.view: head.facts for head in summary.heads}

    def number(finding: Finding) -> str:
        if finding.at_rate:
            return score_text(finding.at_rate.value, facts[finding.view])
        return rate_text(finding.bd_rate, " %") if finding.bd_rate else ""

    return finding_sentences(summary.findings, lambda f: labels[f.view], number, lambda f: facts[f.view])


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
    return f"{summary.task} on {summary.dataset} {split_and_images(summary.split, images)}"


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
