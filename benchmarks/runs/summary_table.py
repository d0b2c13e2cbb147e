"""The table of a summary: its columns as texts, drawn for a terminal or for Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tabulate import tabulate

from benchmarks.api import Comparison
from benchmarks.runs.number_texts import score_text
from benchmarks.runs.summary import CodecRow, HeadColumn, Span, Summary
from benchmarks.runs.verdicts import Verdict
from benchmarks.text import one_line

CODEC_WIDTH = 28
"""The widest name of a codec in a terminal."""


class Column(NamedTuple):
    """A column of texts.

    per_head: one of several that are alike, of a head each. first: stands before those. left: aligned to the left.
    """

    title: str
    cells: list[str]
    per_head: bool = False
    first: bool = False
    left: bool = False


def screen_tables(summary: Summary, width: int) -> list[list[str]]:
    """The lines of one table, or of several where the columns of all heads do not fit in ``width``: the first has the
    columns that stand once, as far as they fit, and each has the codecs.
    """
    codecs, *others = columns(summary, _shortened([row.codec for row in summary.rows]))
    of_heads = [column for column in others if column.per_head]
    once = [column for column in others if not column.per_head]
    tables: list[list[str]] = []
    later: list[Column]
    while of_heads or once or not tables:
        shown, later = once, []
        while len(shown) > 1 and _width(_placed(codecs, [], shown)) > width:
            shown, later = shown[:-1], [shown[-1], *later]
        count = len(of_heads)
        while count > (0 if shown else 1) and _width(_placed(codecs, of_heads[:count], shown)) > width:
            count -= 1
        tables.append(_plain(_placed(codecs, of_heads[:count], shown)))
        of_heads, once = of_heads[count:], later
    return tables


def markdown_table(summary: Summary) -> str:
    """One table of all columns."""
    shown = columns(summary, [one_line(row.codec) for row in summary.rows])
    titles = [column.title.replace("\n", " ") for column in shown]
    alignment = ["left" if column.left else "right" for column in shown]
    body = list(zip(*(column.cells for column in shown), strict=True))
    return str(tabulate(body, titles, tablefmt="github", disable_numparse=True, colalign=alignment))


def rate_text(comparison: Comparison, unit: str = "") -> str:
    """A BD-rate in percent with its interval: "-12.3 [-20.0, -4.0]"; unit: what stands after the value."""

    def signed(value: float) -> str:
        return f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0f}"

    ends = "" if math.isnan(comparison.low) else f" [{signed(comparison.low)}, {signed(comparison.high)}]"
    return signed(comparison.value) + unit + ends


def columns(summary: Summary, codecs: Sequence[str]) -> list[Column]:
    """All columns. codecs: their names as shown."""
    rows, heads = summary.rows, summary.heads
    of_heads = [_bd_rates(summary, place) for place in range(len(heads))] if summary.compared else []
    once = []
    if summary.rates:
        for place, bpp in enumerate(summary.rates):
            cells = [_score_cell(row.at_rates[place], heads[0]) for row in rows]
            once.append(Column(f"{one_line(heads[0].facts.title)}\n@{bpp:g}", cells))
    else:
        rates = [_span_text(row.bpp, lambda bpp: f"{bpp:.3g}") for row in rows]
        once.append(Column("bpp", rates, first=not summary.compared))
        spans = [_spans(summary, place) for place in range(len(heads))]
        if summary.compared:
            once.append(spans[0]._replace(per_head=False))
        else:
            of_heads = spans
    once.append(Column("encode\nms", [_span_text(row.encode_s, _ms) for row in rows]))
    once.append(Column("decode\nms", [_span_text(row.decode_s, _ms) for row in rows]))
    if summary.compared:
        title = f"against\n{one_line(summary.anchor, CODEC_WIDTH)}"
        once.append(Column(title, [_verdict_cell(summary, row) for row in rows], left=True))
    elif any(row.status == "failed" for row in rows):
        once.append(Column("", ["failed" if row.status == "failed" else "" for row in rows], left=True))
    return _placed(Column("codec", list(codecs), left=True), of_heads, once)


def _bd_rates(summary: Summary, place: int) -> Column:
    """The BD-rates of one head."""
    label = f" {summary.heads[place].label}" if len(summary.heads) > 1 else ""
    return Column(f"BD-rate{label}\n[%]", [_bd_cell(row, place) for row in summary.rows], per_head=True)


def _spans(summary: Summary, place: int) -> Column:
    """The scores that codecs span, of one head."""
    head = summary.heads[place]
    title = one_line(head.facts.title) + (f" {head.label}" if len(summary.heads) > 1 else "")
    spans = (row.scores[place] for row in summary.rows)
    return Column(
        title, [_span_text(span, lambda value: score_text(value, head.facts)) for span in spans], per_head=True
    )


def _bd_cell(row: CodecRow, place: int) -> str:
    comparison = row.bd_rates[place]
    if comparison is None:
        return "anchor" if row.status == "anchor" else "-"
    return rate_text(comparison) if comparison.status == "ok" else "n/a"


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
    return "; ".join(f"{word} {' '.join(labels)}" for word, labels in words.items())


def _placed(codecs: Column, of_heads: Sequence[Column], once: Sequence[Column]) -> list[Column]:
    """Columns in their order."""
    return [codecs, *(c for c in once if c.first), *of_heads, *(c for c in once if not c.first)]


def _plain(shown: Sequence[Column]) -> list[str]:
    """The lines of a table that is as wide as its texts need."""
    titled = [column.title.split("\n") for column in shown]
    headings = [[title[line] if line < len(title) else "" for title in titled] for line in range(max(map(len, titled)))]
    body = list(zip(*(column.cells for column in shown), strict=True))
    widths = [max(map(len, texts)) for texts in zip(*headings, *body, strict=True)]
    lines = []
    for texts in (*headings, ["-" * width for width in widths], *body):
        cells = zip(texts, widths, shown, strict=True)
        lines.append(
            "  ".join(t.ljust(width) if column.left else t.rjust(width) for t, width, column in cells).rstrip()
        )
    return lines


def _width(shown: Sequence[Column]) -> int:
    texts = ((*column.title.split("\n"), *column.cells) for column in shown)
    return sum(max(map(len, of_column)) + 2 for of_column in texts) - 2


def _shortened(codecs: Sequence[str]) -> list[str]:
    """Names that fit a column: of long ones the two ends. Those that would then be the same get a number, in the order
    of ``table.md``.
    """
    half = (CODEC_WIDTH - 3) // 2
    names = [one_line(codec) for codec in codecs]
    names = [name if len(name) <= CODEC_WIDTH else f"{name[:half]}...{name[-half - 1 :]}" for name in names]
    return [
        f"{name} #{names[: place + 1].count(name)}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]
