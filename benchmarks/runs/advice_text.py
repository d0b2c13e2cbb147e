"""Advice as people read it: a table a question, what has no answer below it, and what the numbers mean."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from tabulate import tabulate

from benchmarks.api import MetricFacts
from benchmarks.runs.advice_rows import AdviceRow
from benchmarks.runs.display_names import display_names, split_and_images, without_paths
from benchmarks.runs.number_texts import interval_text, score_text
from benchmarks.runs.summary_text import WIDTH
from benchmarks.stats.metric_facts import Facts, facts_of
from benchmarks.text import one_line


def advice_text(rows: Sequence[AdviceRow], facts: Facts, available: int = 0) -> str:
    """The answers for a terminal. facts: of the scores. available: images that there were to choose from, 0 where that
    is not known.
    """
    parts = [_title(rows[0], facts_of(facts, rows[0].metric))] if rows else []
    for _, of_question in groupby(rows, key=lambda row: (row.aim, row.target)):
        asked = list(of_question)
        parts += ["", question_text(asked[0], facts_of(facts, asked[0].metric))]
        if answered := [row for row in asked if row.status == "ok"]:
            parts += ["", _table(answered, facts_of(facts, asked[0].metric))]
        if notes := list(notes_of(asked)):
            parts += ["", *(line for note in notes for line in _wrapped(note, "- "))]
    if rows:
        parts += ["", *_wrapped(legend(rows, facts_of(facts, rows[0].metric)))]
    if rows and rows[0].images < available:
        parts += ["", *_wrapped(_fewer(rows[0].images, available))]
    return "\n".join(parts) + "\n"


def question_text(row: AdviceRow, facts: MetricFacts) -> str:
    """The question that a row answers, in words."""
    if row.aim == "keep":
        return f"Smallest files that keep {100 * row.target:g} % of the {facts.title} on the originals"
    return f"Best {facts.title} within {row.target / 1000:g} kB an image"


def kept_text(share: float, low: float, high: float) -> str:
    """A share kept with its interval, in percent: "97.1 [95.3, 98.8]"; a dash where there is none.

    The lower end is rounded down, so that it never reads as more than it is.
    """
    if math.isnan(share):
        return "-"
    ends = "" if math.isnan(low) else f" [{math.floor(1000 * low + 1e-9) / 10:.1f}, {100 * high:.1f}]"
    return f"{100 * share:.1f}{ends}"


def behind_text(row: AdviceRow, facts: MetricFacts) -> str:
    """How much worse a score within a budget is than the best: "1.2 [0.3, 2.0]"; a dash for the best itself."""
    if not row.behind > 0 and math.isnan(row.behind_low):
        return "-"
    return score_text(row.behind, facts) + interval_text(row.behind_low, row.behind_high, facts)


def notes_of(rows: Sequence[AdviceRow]) -> Iterator[str]:
    """A sentence for each codec without an answer, and for each whose search is not over."""
    for row in rows:
        codec = one_line(display_names([row.codec])[row.codec])
        reason = one_line(without_paths(row.reason))
        if row.status == "ok" and reason:
            yield f"{codec}: {reason}, so smaller files may do; the same line again goes on from here"
        elif row.status == "n/a" and row.setting:
            at = f"{row.point} " if row.point else ""
            share = f"keeps {kept_text(row.kept, row.kept_low, row.kept_high)} %"
            yield f"{codec}: {reason}; {at}{share if row.aim == 'keep' else f'takes {row.size_bytes / 1000:.2f} kB'}"
        elif row.status != "ok":
            yield f"{codec}: {row.status if row.status != 'n/a' else 'no answer'}: {reason}"


def legend(rows: Sequence[AdviceRow], facts: MetricFacts) -> str:
    """What the columns mean."""
    row = rows[0]
    resampled = f"over {row.resamples:,} resamples of the {row.images:,} images"
    kept = (
        f"Kept: share of the {facts.title} on the originals in percent, with its 95 % interval, paired {resampled}."
        if row.resamples
        else "Kept: share of the score on the originals in percent; it has no interval here."
    )
    if row.aim == "budget" and row.resamples:
        kept += (
            " Behind the best: how much worse the score is, paired too; where that holds 0, the two are not told apart."
        )
    if row.aim == "keep":
        kept += " Its lower end reaches what is asked for."
    lower = (
        "" if facts.higher_is_better else f" Lower {facts.title} is better; kept is the originals' over the codec's."
    )
    return f"{kept}{lower} kB: 1000 bytes, the mean of the images; ms: the median of the images, on one thread."


def _fewer(images: int, available: int) -> str:
    return (
        f"The time allowed for {images:,} of the {available:,} images, and the promise rests on these. With more "
        f"images the intervals are narrower, so that smaller files may do: --minutes 0 takes all."
    )


def _title(row: AdviceRow, facts: MetricFacts) -> str:
    images = f"{row.images:,} image{'' if row.images == 1 else 's'}"
    head = display_names([row.head])[row.head]
    return one_line(
        f"{row.task} on {row.dataset} {split_and_images(row.split, images)}, head {head}: {facts.title} "
        f"{score_text(row.original, facts)} on the originals"
    )


def _table(rows: Sequence[AdviceRow], facts: MetricFacts) -> str:
    names = display_names([row.setting for row in rows])
    body = [
        [
            one_line(names[row.setting]),
            f"{row.size_bytes / 1000:.2f}",
            f"{row.bpp:.3f}",
            kept_text(row.kept, row.kept_low, row.kept_high),
            score_text(row.score, facts) + interval_text(row.score_low, row.score_high, facts),
            *([behind_text(row, facts)] if rows[0].aim == "budget" else []),
            *(f"{1000 * taken:.1f}" if math.isfinite(taken) else "-" for taken in (row.encode_s, row.decode_s)),
        ]
        for row in rows
    ]
    behind = ["behind the best"] if rows[0].aim == "budget" else []
    titles = ["setting", "kB/image", "bpp", "kept %", facts.title, *behind, "encode ms", "decode ms"]
    alignment = ["left", *["right"] * (len(titles) - 1)]
    return str(tabulate(body, titles, tablefmt="simple", disable_numparse=True, colalign=alignment))


def _wrapped(text: str, mark: str = "") -> list[str]:
    indent = " " * len(mark)
    return textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
