"""A run in one table: how each codec stands against the first anchor, what it scores at common rates, what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.api import Comparison
from benchmarks.runs.common_rates import common_rates
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.results import Results
from benchmarks.runs.summary import RATES
from benchmarks.runs.verdicts import verdict_of

COLUMNS = ("codec", "head", "route", "metric", "anchor", "bd_rate", "bd_rate_low", "bd_rate_high", "verdict", "reason")


def codec_summary(results: Results) -> pd.DataFrame:
    """A row a head, route and codec, in the order of the run, lossless codecs of one point left out.

    The columns: those of ``COLUMNS`` (BD-rate in percent of the anchor's rate with the ends of its interval, the
    verdict of ``verdicts``, by BD-rate or else by BD-metric, and the reason why there is no BD-rate); the head's main
    score at up to three rates that most codecs reach, as ``ap@0.1bpp``, measured as in ``scores.csv``; then the medians
    of encoding and decoding an image in ms, over all operating points. NaN where there is no number, empty text where
    there is none.
    """
    scores = results.scores
    scores = scores[(scores["part"] == "") & (scores["ladder"] == "") & (scores["codec"] != "")]
    swept = {str(codec) for codec, rows in scores.groupby("codec") if any(rows["point"] != "")}
    readers = scores[(scores["head"] != "") & scores["codec"].isin(swept)]
    readers = readers[["head", "route", "codec"]].drop_duplicates()
    differences, at_rates = of_kinds(results, "bd_rate", "bd_metric"), of_kinds(results, "score_at_rate")
    rows = [_row(results, differences, *names) for names in readers.itertuples(index=False, name=None)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table[table["metric"] != ""].reset_index(drop=True)
    for rate in rates_shown(at_rates):
        values = {(c.codec, c.head, c.route, c.metric): c.value for c in at_rates if c.at_bpp == rate}
        keys = list(zip(table["codec"], table["head"], table["route"], table["metric"], strict=True))
        for metric in dict.fromkeys(table["metric"]):
            cells = [values.get(key, math.nan) if key[3] == metric else math.nan for key in keys]
            table[rate_column(metric, rate)] = pd.Series(cells, dtype="float64", index=table.index)
    decoded = list(zip(table["codec"], table["route"], strict=True))
    for name in ("encode", "decode"):
        times = [_milliseconds(scores, f"{name}_s", codec, route) for codec, route in decoded]
        table[f"{name}_ms"] = pd.Series(times, dtype="float64", index=table.index)
    return table


def rate_column(metric: str, rate: float) -> str:
    """The name of the column of scores at a rate, in bits per pixel."""
    return f"{metric}@{rate:g}bpp"


def rates_shown(at_rates: Sequence[Comparison]) -> tuple[float, ...]:
    """Up to ``RATES`` rates, those that most codecs reach on the first head. at_rates: kind ``score_at_rate``."""
    first = next(iter(at_rates), None)
    of_first = [c for c in at_rates if first and (c.head, c.route, c.metric) == (first.head, first.route, first.metric)]
    return common_rates(of_first, RATES)


def _row(results: Results, differences: Sequence[Comparison], head: str, route: str, codec: str) -> list[Any]:
    """The cells of ``COLUMNS``."""
    scores = results.scores[(results.scores["head"] == head) & (results.scores["route"] == route)]
    metric = next(iter(results.compared_metrics(set(scores["metric"]))), "")
    row: list[Any] = [codec, head, route, metric]
    of_head = [c for c in differences if (c.head, c.route, c.metric) == (head, route, metric)]
    anchors = list(dict.fromkeys(c.anchor for c in of_head))
    kinds = {c.kind: c for c in of_head if c.codec == codec and c.anchor == anchors[0]}
    found = kinds.get("bd_rate")
    if found is None:
        return [
            *row,
            anchors[0] if anchors else "",
            *[math.nan] * 3,
            "",
            "the anchor itself" if codec in anchors else "",
        ]
    word = verdict_of(found, kinds.get("bd_metric"), results.facts_of(metric)) or ""
    ends = (found.value, found.low, found.high) if found.status == "ok" else (math.nan,) * 3
    return [*row, found.anchor, *ends, word, found.reason]


def _milliseconds(scores: pd.DataFrame, name: str, codec: str, route: str) -> float:
    """The median over a codec's operating points; on the latent route decoding ends at the latents."""
    timed = scores[(scores["codec"] == codec) & (scores["metric"] == name) & (scores["head"] == "")]
    of_route = timed[timed["route"] == route]
    timed = of_route if len(of_route) else timed[timed["route"] == "image"]
    return 1000 * float(timed["value"].median())
