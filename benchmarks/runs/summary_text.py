"""A summary as text: one screen of a terminal, or the head of ``table.md``."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tabulate import tabulate

from benchmarks.api import Comparison
from benchmarks.runs.findings import Finding, Verdict
from benchmarks.runs.number_texts import score_text
from benchmarks.runs.summary import CodecRow, HeadColumn, Span, Summary
from benchmarks.text import one_line

WIDTH = 120
"""Columns of a screen."""
LINES = 40
"""Lines of a screen; codecs are never left out, so many of them make it longer."""
_NOTE_LINES = 2
_LEAST_NOTES = 3
_CODEC_WIDTH = 28
_NOTES = textwrap.TextWrapper(WIDTH - 2, max_lines=_NOTE_LINES, placeholder=" ...", break_on_hyphens=False)
_MAX_LINE = 100_000
_FOLDERS = re.compile(r"""[^\s"'(),=\[\]]*/""")
_SHORT: Mapping[Verdict, str] = {"no clear difference": "unclear", "no interval": "no interval"}
"""Verdicts in a cell that holds several."""


class _Column(NamedTuple):
    title: str
    cells: list[str]


def screen(summary: Summary, below: Sequence[str] = ()) -> str:
    """The summary for a terminal: at most ``WIDTH`` wide and about ``LINES`` long. below: its last lines, such as where
    the files are.
    """
    if not summary.rows and not summary.notes:
        return "".join(f"{line}\n" for line in below)
    head = [one_line(_title(summary)), *_wrapped(finding_lines(summary)), ""]
    key = ["", *_wrapped(key_lines(summary))] if summary.rows else []
    foot = ["", *below] if below else []
    columns = _columns(summary, _shortened([row.codec for row in summary.rows]))
    first, *others = _side_by_side(columns) if summary.rows else [[]]
    left = LINES - len(head) - len(first) - len(key) - len(foot)
    tables = [first]
    hidden = 0
    for table in others:
        if len(table) + 1 + _LEAST_NOTES <= left:
            tables.append(["", *table])
            left -= len(table) + 1
        else:
            hidden += 1
    notes = ["More heads: their BD-rates are in table.md."] if hidden else []
    lines = [*head, *(line for table in tables for line in table), *key, *_notes([*notes, *summary.notes], left), *foot]
    return "\n".join(lines) + "\n"


def markdown(summary: Summary) -> str:
    """The summary as the first section of ``table.md``, without its notes, which stand below the tables there."""
    if not summary.rows:
        return ""
    columns = _columns(summary, [one_line(row.codec) for row in summary.rows])
    return "\n\n".join(
        [
            f"### Summary: {one_line(_title(summary), _MAX_LINE)}",
            *(one_line(line, _MAX_LINE) for line in finding_lines(summary)),
            _table(columns, "github"),
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
        number = f"{label}{_rate(finding.bd_rate, ' %') if finding.bd_rate else ''}".strip()
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
    if summary.unrivalled:
        lines.append(f"Heads that read too few codecs for a comparison: {', '.join(summary.unrivalled)}.")
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


def _columns(summary: Summary, codecs: Sequence[str]) -> list[_Column]:
    """The codecs, a column of BD-rates a head, then the columns that stand once. codecs: their names as shown."""
    rows, heads = summary.rows, summary.heads
    columns = [_Column("codec", list(codecs))]
    if summary.compared:
        columns += [
            _Column(
                f"BD-rate {head.label}\n[%]" if len(heads) > 1 else "BD-rate\n[%]", [_bd_cell(row, k) for row in rows]
            )
            for k, head in enumerate(heads)
        ]
    return columns + _once(summary)


def _once(summary: Summary) -> list[_Column]:
    """The columns that stand once: scores, times and verdicts."""
    rows, heads = summary.rows, summary.heads
    columns = []
    if summary.rates:
        for place, bpp in enumerate(summary.rates):
            cells = [_score_cell(row.at_rates[place], heads[0]) for row in rows]
            columns.append(_Column(f"{heads[0].facts.title}\n@{bpp:g}", cells))
    else:
        columns.append(_Column("bpp", [_span_text(row.bpp, lambda bpp: f"{bpp:.3g}") for row in rows]))
        if heads:
            facts = heads[0].facts
            cells = [_span_text(row.scores, lambda value: score_text(value, facts)) for row in rows]
            columns.append(_Column(one_line(facts.title), cells))
    columns.append(_Column("encode\nms", [_span_text(row.encode_s, _ms) for row in rows]))
    columns.append(_Column("decode\nms", [_span_text(row.decode_s, _ms) for row in rows]))
    if summary.compared:
        columns.append(
            _Column(f"against\n{one_line(summary.anchor, _CODEC_WIDTH)}", [_verdict_cell(summary, row) for row in rows])
        )
    elif any(row.status == "failed" for row in rows):
        columns.append(_Column("", ["failed" if row.status == "failed" else "" for row in rows]))
    return columns


def _bd_cell(row: CodecRow, place: int) -> str:
    comparison = row.bd_rates[place]
    if comparison is None:
        return "anchor" if row.status == "anchor" else "-"
    return _rate(comparison) if comparison.status == "ok" else "n/a"


def _rate(comparison: Comparison, unit: str = "") -> str:
    """A BD-rate in percent with its interval: "-12.3 [-20.0, -4.0]"; unit: what stands after the value."""

    def signed(value: float) -> str:
        return f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0f}"

    ends = "" if math.isnan(comparison.low) else f" [{signed(comparison.low)}, {signed(comparison.high)}]"
    return signed(comparison.value) + unit + ends


def _score_cell(comparison: Comparison | None, head: HeadColumn) -> str:
    if comparison is None:
        return "-"
    return score_text(comparison.value, head.facts) if comparison.status == "ok" else "n/a"


def _span_text(span: Span | None, text: Callable[[float], str]) -> str:
    if span is None:
        return "-"
    low, high = text(span.low), text(span.high)
    return low if low == high else f"{low}..{high}"


def _ms(seconds: float) -> str:
    """Milliseconds, one decimal below ten."""
    return f"{1000 * seconds:.{1 if seconds < 0.00995 else 0}f}"


def _verdict_cell(summary: Summary, row: CodecRow) -> str:
    if row.status != "ok":
        return row.status
    words: dict[Verdict, list[str]] = {}
    for word, head in zip(row.verdicts, summary.heads, strict=True):
        if word:
            words.setdefault(word, []).append(head.label)
    if not words:
        return "not compared" if any(row.bd_rates) else "-"
    if len(words) == 1 and (len(next(iter(words.values()))) == len(summary.heads)):
        return next(iter(words))
    return "; ".join(f"{_SHORT.get(word, word)} {' '.join(labels)}" for word, labels in words.items())


def _side_by_side(columns: Sequence[_Column]) -> list[list[str]]:
    """Tables of at most ``WIDTH``: the codecs, the BD-rates that fit and all that stands once; then more BD-rates."""
    codecs, bd = columns[0], [column for column in columns if column.title.startswith("BD-rate")]
    once = [column for column in columns[1:] if column not in bd]
    tables = []
    while True:
        count = len(bd)
        while count > (0 if once else 1) and _width([codecs, *bd[:count], *once]) > WIDTH:
            count -= 1
        tables.append(_table([codecs, *bd[:count], *once], "simple").splitlines())
        bd, once = bd[count:], []
        if not bd:
            return tables


def _width(columns: Sequence[_Column]) -> int:
    texts = ((*column.title.split("\n"), *column.cells) for column in columns)
    return sum(max(map(len, of_column)) + 2 for of_column in texts) - 2


def _table(columns: Sequence[_Column], form: str) -> str:
    """The columns as a table: "simple" as wide as they need to be, "github" for Markdown."""
    lefts = [column.title in ("codec", "") or column.title.startswith("against") for column in columns]
    body = list(zip(*(column.cells for column in columns), strict=True))
    if form == "github":
        titles = [column.title.replace("\n", " ") for column in columns]
        alignment = ["left" if left else "right" for left in lefts]
        return str(tabulate(body, titles, tablefmt=form, disable_numparse=True, colalign=alignment))
    titled = [column.title.split("\n") for column in columns]
    headings = [[title[line] if line < len(title) else "" for title in titled] for line in range(max(map(len, titled)))]
    widths = [max(map(len, texts)) for texts in zip(*headings, *body, strict=True)]
    lines = [*headings, ["-" * width for width in widths], *body]
    return "\n".join(
        "  ".join(
            text.ljust(width) if left else text.rjust(width)
            for text, width, left in zip(line, widths, lefts, strict=True)
        ).rstrip()
        for line in lines
    )


def _shortened(codecs: Sequence[str]) -> list[str]:
    """Names that fit a column: of paths the last part alone, of names that are still long the two ends. Those that
    would then be the same get a number, in the order of ``table.md``.
    """
    half = (_CODEC_WIDTH - 3) // 2
    names = [_FOLDERS.sub("", one_line(codec)) for codec in codecs]
    names = [name if len(name) <= _CODEC_WIDTH else f"{name[:half]}...{name[-half - 1 :]}" for name in names]
    return [
        f"{name} #{names[: place + 1].count(name)}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


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
