"""A run's numbers as files and texts for people: one block a head, comparisons and sentences below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from benchmarks.runs import sentences
from benchmarks.runs.comparison_tables import bd_tables, heads_apart_table
from benchmarks.runs.csv_cells import csv_text
from benchmarks.runs.display_names import displayed, split_and_images
from benchmarks.runs.domains import domain_of
from benchmarks.runs.number_texts import column_title, interval_text, score_text
from benchmarks.runs.results import Results
from benchmarks.runs.rows import COMPARISONS, SCORES
from benchmarks.runs.summary import summary_of
from benchmarks.runs.summary_text import markdown
from benchmarks.runs.wide_table import ORIGINALS, REFERENCE, wide
from benchmarks.stats.metric_facts import TIMES
from benchmarks.text import one_line
from hsc.files.atomic_files import write_text

_MAX_LINE = 100_000


def write(results: Results, folder: Path, notices: Sequence[str] = ()) -> None:
    """Write the files of ``texts``, each whole or not at all."""
    for name, text in texts(results, notices).items():
        write_text(folder / name, text)


def texts(results: Results, notices: Sequence[str] = ()) -> dict[str, str]:
    """``scores.csv``, ``comparisons.csv``, ``table.csv``, ``table.md`` and ``table.tex`` by name. notices: what stands
    before the tables. CSV files keep the labels of codecs and heads, the others show their names.
    """
    shown, notes = displayed(results, notices)
    return {
        SCORES: csv_text(results.scores),
        COMPARISONS: csv_text(results.comparisons),
        "table.csv": csv_text(wide(results)),
        "table.md": blocks(shown, "github", notes),
        "table.tex": blocks(shown, "latex_booktabs", notes),
    }


def blocks(results: Results, form: str, notices: Sequence[str] = ()) -> str:
    """Tables and sentences as one text: ``simple`` for a terminal, ``github`` for Markdown, ``latex_booktabs`` for a
    paper. results: with the names to be shown. notices: what stands before the tables. Markdown opens with the summary.
    """
    tex = form.startswith("latex")
    parts = [_notice(text, form) for text in notices]
    if form == "github" and (summary := markdown(summary_of(results))):
        parts.append(summary)
    table = wide(results)
    for (head, route), lines in table.groupby(["head", "route"], sort=False):
        parts += [_heading(_title(results.scores, str(head), str(route)), form), _block(results, table, lines, form)]
    if bd := bd_tables(results):
        parts.append(_heading("Bjontegaard differences (negative rate: fewer bits at equal quality)", form))
        parts += [_text_table(part, form) for part in bd]
    apart = heads_apart_table(results)
    if not apart.empty:
        parts += [
            _heading("Adapted heads on the same bitstreams: differences in score", form),
            _text_table(apart, form),
        ]
    lines_below = (
        *sentences.matched(results),
        *sentences.noise_floor(results),
        *sentences.too_little(results.scores),
        *sentences.verdicts(results),
        *sentences.at_rates(results),
        *sentences.refused(results),
        *sentences.legend(results),
        *sentences.missing(results),
    )
    parts += [_heading(line, form) if tex else one_line(line, _MAX_LINE) for line in lines_below]
    return "\n\n".join(parts) + "\n"


def _notice(text: str, form: str) -> str:
    line = one_line(text, _MAX_LINE)
    if form.startswith("latex"):
        return _heading(f"Note: {line}", form)
    return f"**Note:** {line}" if form == "github" else f"Note: {line}"


def _heading(text: str, form: str) -> str:
    line = one_line(text, _MAX_LINE)  # a comment of LaTeX ends with its line: what follows would be typeset
    if form.startswith("latex"):
        return "% " + line
    return f"### {line}" if form == "github" else line


def _title(scores: pd.DataFrame, head: str, route: str) -> str:
    """The title of one block: task, data set, and the head with its domain and regime."""
    of_head = (scores["regime"] == REFERENCE) if head == ORIGINALS else (scores["head"] == head)
    row = scores[of_head & (scores["route"] == route)].iloc[0]
    part = split_and_images(row["split"], f"{row['images']} images")
    measured = f"{row['task']} on {row['dataset']} {part}"
    if head == ORIGINALS:
        return f"{measured}, {head}"
    return f"{measured}, head {head}, {domain_of(route)}, {row['regime']}"


def _block(results: Results, table: pd.DataFrame, lines: pd.DataFrame, form: str) -> str:
    """The table of one head. lines: its lines of the wide table."""
    names, with_interval = _shown(results, table, lines)
    body = [_cells(results, line, names, with_interval) for _, line in lines.iterrows()]
    titles = ["codec", "point", *(column_title(results, name) for name in names)]
    alignment = ["left", "left", *["right"] * len(names)]
    return str(tabulate(body, titles, tablefmt=form, disable_numparse=True, colalign=alignment))


def _shown(results: Results, table: pd.DataFrame, lines: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The scores shown of one head, and those of them that are shown with their intervals.

    Beside heads that compare with the originals, a block leaves out scores that only the others have. Intervals are
    shown of the first score and of each metric's main one; of all scores where heads compare with the originals.
    """
    columns = list(results.columns)
    mixed = (table["head"] == ORIGINALS).any() and lines[columns].notna().any(axis=None)
    names = ["bpp", "size_kb", *columns, *(name for name in ("psnr", *TIMES) if name not in columns)]
    names = [n for n in names if not (mixed and n in (*columns, "head_s") and lines[n].isna().all())]
    sure = [name for name in columns if f"{name}_low" in lines and lines[f"{name}_low"].notna().any()]
    if lines["head"].iloc[0] != ORIGINALS:
        sure = [name for name in sure if name == sure[0] or results.facts_of(name).main]
    return names, sure


def _cells(results: Results, line: pd.Series, names: Sequence[str], with_interval: Sequence[str]) -> list[str]:
    """One line's texts: codec, point, and its scores, ``with_interval`` with their intervals."""
    cells = [one_line(line["codec"]), one_line(line["point"])]
    for name in names:
        value, facts = line[name], results.facts_of(name)
        if value is None or math.isnan(value):
            cells.append("-")
            continue
        low, high = (
            line.get(f"{name}_{end}", math.nan) if name in with_interval else math.nan for end in ("low", "high")
        )
        cells.append(score_text(value, facts) + interval_text(low, high, facts))
    return cells


def _text_table(table: pd.DataFrame, form: str) -> str:
    """A table of texts, each on one line."""
    body = [[one_line(text, _MAX_LINE) for text in line] for line in table.to_numpy().tolist()]
    return str(tabulate(body, [one_line(name) for name in table.columns], tablefmt=form, disable_numparse=True))
