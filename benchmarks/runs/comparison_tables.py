"""Comparisons as tables of texts: Bjontegaard differences by head and codec, and heads on the same bitstreams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from benchmarks.api import Comparison, Kind
from benchmarks.runs.domains import domain_of
from benchmarks.runs.number_texts import difference_text, difference_title
from benchmarks.runs.results import Results
from benchmarks.runs.rows import comparison_rows


def of_kinds(results: Results, *kinds: Kind) -> list[Comparison]:
    """The comparisons of these kinds, in the order of the run."""
    table = results.comparisons
    return comparison_rows(table[table["kind"].isin(kinds)])


def bd_tables(results: Results) -> list[pd.DataFrame]:
    """BD-rate and BD-metric: a line a head, route and codec, a pair of columns an anchor.

    Heads whose scores are in different metrics stand in tables of their own, each with the columns that its heads fill.
    """
    comparisons = of_kinds(results, "bd_rate", "bd_metric")
    metrics_of: dict[str, list[str]] = {}
    for comparison in comparisons:
        metrics = metrics_of.setdefault(comparison.head, [])
        if comparison.metric not in metrics:
            metrics.append(comparison.metric)
    groups = dict.fromkeys(map(frozenset, metrics_of.values()))
    return [_bd_table(results, [c for c in comparisons if frozenset(metrics_of[c.head]) == group]) for group in groups]


def _bd_table(results: Results, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    cells = (
        (
            (comparison.head, comparison.route, comparison.codec),
            f"{difference_title(comparison, facts)} vs {comparison.anchor}",
            difference_text(comparison, facts),
        )
        for comparison in comparisons
        for facts in (results.facts_of(comparison.metric),)
    )
    return _pivoted(("head", "route", "codec"), cells)


def heads_apart_table(results: Results) -> pd.DataFrame:
    """Adapted heads on the same bitstreams: a line a codec and point, a column for each head less the one that the
    column's title names; empty where a run has no two of them.
    """
    cells = []
    for comparison in of_kinds(results, "heads_apart"):
        facts = results.facts_of(comparison.metric)
        head, other = (
            f"{name}, {domain_of(route)}"
            for name, route in ((comparison.head, comparison.route), (comparison.other, comparison.other_route))
        )
        title = f"{facts.title} of {head}, less {other}"
        cells.append(((comparison.codec, comparison.point), title, difference_text(comparison, facts)))
    return _pivoted(("codec", "point"), cells)


def _pivoted(index: Sequence[str], cells: Iterable[tuple[tuple[str, ...], str, str]]) -> pd.DataFrame:
    """A table of (line's key, column, text), lines and columns in the order they come, empty where there is no cell."""
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    columns: dict[str, None] = {}
    for key, column, text in cells:
        columns[column] = None
        lines.setdefault(key, {}).setdefault(column, text)
    texts = [[*key, *(line.get(column, "") for column in columns)] for key, line in lines.items()]
    return pd.DataFrame(texts, columns=[*index, *columns], dtype=object)
