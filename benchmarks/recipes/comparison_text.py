"""``published.csv``, and the published figures beside ours as a table for a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from benchmarks.recipes.comparison import ORIGINAL, PublishedRow
from benchmarks.runs.csv_cells import write_csv
from benchmarks.runs.display_names import display_names, without_paths
from benchmarks.runs.earlier_run import PUBLISHED
from benchmarks.runs.number_texts import score_text
from benchmarks.runs.results import Results
from benchmarks.text import one_line


def write(rows: Sequence[PublishedRow], folder: Path) -> None:
    """Write ``published.csv`` into a run's folder, whole or not at all."""
    columns = [column.name for column in dataclasses.fields(PublishedRow) if column.name != "differs"]
    write_csv(folder / PUBLISHED, pd.DataFrame([vars(row) for row in rows], columns=columns))


def table(rows: Sequence[PublishedRow], results: Results) -> str:
    """Published, here, difference and interval of each figure, then what differs; empty where nothing is published."""
    if not rows:
        return ""
    titles = ["published", "rate", "metric", "here", "published", "here", "difference", "95 % interval"]
    names = display_names([label for row in rows for label in (row.codec, row.head) if label], results.names)
    body = [_cells(row, results, names) for row in rows]
    aligned = ("left", "right", "left", "left", "right", "right", "right", "left")
    lines = [str(tabulate(body, titles, tablefmt="simple", disable_numparse=True, colalign=aligned))]
    for reference in dict.fromkeys(row.reference for row in rows):
        lines += _notes([row for row in rows if row.reference == reference])
    return "\n".join(lines) + "\n"


def _notes(rows: Sequence[PublishedRow]) -> Iterator[str]:
    """What the rates of one reference count, what differs from it, and why figures have no number here."""
    first = rows[0]
    yield f"{first.reference}: rates over {first.rate}, bits: {first.bits}"
    differs = dict.fromkeys(part for row in rows for part in row.differs)
    yield from (f"{first.reference}: {one_line(part)}" for part in differs)
    if without := [row for row in rows if row.status != "ok"]:
        reason = without_paths(one_line(without[0].reason))
        count = f"{len(without)} of {len(rows)} figures have no number here"
        yield f"{first.reference}: {count}, the first since {reason}"


def _cells(row: PublishedRow, results: Results, names: Mapping[str, str]) -> list[str]:
    facts = results.facts_of(row.metric)
    rate = "" if math.isnan(row.published_rate) else f"{row.published_rate:.4f}"
    place = row.here_point or ("" if row.codec == ORIGINAL else "between points")
    head = f"by {one_line(names[row.head])}" if row.head else ""
    here = " ".join(filter(None, [one_line(names[row.codec]), place, head]))
    start = [f"{row.curve} {row.point}".strip(), rate, facts.title, here, score_text(row.published, facts)]
    if row.status != "ok":
        return [*start, "-", "-", ""]
    signed = [f"{facts.factor * value:+.{facts.digits}f}" for value in (row.difference, row.low, row.high)]
    interval = "" if math.isnan(row.low) else f"{signed[1]} to {signed[2]}"
    return [*start, score_text(row.here, facts), signed[0], interval]
