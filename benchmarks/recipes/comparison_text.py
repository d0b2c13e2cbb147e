"""``published.csv``, and the published figures beside ours as a table for a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from benchmarks.recipes.comparison import ORIGINAL, PublishedRow
from benchmarks.runs.csv_cells import write_csv
from benchmarks.runs.earlier_run import PUBLISHED
from benchmarks.runs.number_texts import score_text
from benchmarks.runs.results import Results
from benchmarks.text import one_line


def write(rows: Sequence[PublishedRow], folder: Path) -> None:
    """Write ``published.csv`` into a run's folder, whole or not at all."""
    columns = [column.name for column in dataclasses.fields(PublishedRow)]
    write_csv(folder / PUBLISHED, pd.DataFrame([vars(row) for row in rows], columns=columns))


def table(rows: Sequence[PublishedRow], results: Results) -> str:
    """Published, here, difference and interval of each figure, then what differs; empty where nothing is published."""
    if not rows:
        return ""
    titles = ["published", "rate", "metric", "here", "published", "here", "difference", "95 % interval"]
    body = [_cells(row, results) for row in rows]
    aligned = ("left", "right", "left", "left", "right", "right", "right", "left")
    lines = [str(tabulate(body, titles, tablefmt="simple", disable_numparse=True, colalign=aligned))]
    definitions = dict.fromkeys((row.reference, row.rate, row.bits) for row in rows)
    lines += [f"{name}: rates over {rate}, bits: {bits}" for name, rate, bits in definitions]
    lines += dict.fromkeys(f"{row.reference}: {one_line(row.reason)}" for row in rows if row.reason)
    return "\n".join(lines) + "\n"


def _cells(row: PublishedRow, results: Results) -> list[str]:
    facts = results.facts_of(row.metric)
    rate = "" if math.isnan(row.published_rate) else f"{row.published_rate:.4f}"
    place = row.here_point or ("" if row.codec == ORIGINAL else "between points")
    here = " ".join(filter(None, [one_line(row.codec), place, f"by {one_line(row.head)}" if row.head else ""]))
    start = [f"{row.curve} {row.point}".strip(), rate, facts.title, here, score_text(row.published, facts)]
    if row.status != "ok":
        return [*start, "-", "-", ""]
    signed = [f"{facts.factor * value:+.{facts.digits}f}" for value in (row.difference, row.low, row.high)]
    interval = "" if math.isnan(row.low) else f"{signed[1]} to {signed[2]}"
    return [*start, score_text(row.here, facts), signed[0], interval]
