"""The wide table of a run: one line for each head, route, codec and operating point, a column for each score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.runs.results import Results
from benchmarks.stats.metric_facts import TIMES

REFERENCE = "reference"
"""The regime of heads that compare the decoded image with its original; their scores share one block of the tables."""
ORIGINALS = "against the originals"
"""What stands in the column ``head`` for all heads of that regime."""


def wide(results: Results) -> pd.DataFrame:
    """One line for each head, route, codec and point, a column for each number, in the order of the run.

    The columns: head, route, codec, point, then bpp, ``size_kb`` (1000 bytes) and the run's scores as they are measured
    (0 to 1 or as their facts say), each followed by its ``_low`` and ``_high`` where any line has an interval; then
    PSNR and times in seconds; then ``status`` and ``reason``, which say what is missing. Second ladders and scores of
    single classes are left out.
    """
    scores = results.scores
    scores = scores[(scores["part"] == "") & (scores["ladder"] == "")].copy()
    reference = (scores["regime"] == REFERENCE) & (scores["codec"] != "")
    scores.loc[reference, "head"] = ORIGINALS
    scores = scores[~(reference & (scores["metric"] == "head_s"))]
    tail = [name for name in ("psnr", *TIMES) if name not in results.columns]
    lines = list(_lines(scores, results.columns, tail))
    known = {name for line in lines for name in line}
    shown = ("bpp", "size_kb", *results.columns)
    with_ends = [n for c in shown for n in (c, f"{c}_low", f"{c}_high") if n == c or n in known]
    return pd.DataFrame(lines, columns=["head", "route", "codec", "point", *with_ends, *tail, "status", "reason"])


class _Row(NamedTuple):
    """The part of a row of scores that a line is made from."""

    head: str
    route: str
    codec: str
    point: str
    metric: str
    value: float
    low: float
    high: float
    status: str
    reason: str


_Group = tuple[str, str]
"""A codec and a point, or a head and a route."""


def _lines(scores: pd.DataFrame, columns: Sequence[str], tail: Sequence[str]) -> Iterator[dict[str, Any]]:
    of_streams: dict[_Group, list[_Row]] = defaultdict(list)
    of_readers: dict[_Group, dict[_Group, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    # plain lists: a run has few rows of many small groups, for which each step of pandas takes a thousand times as long
    for row in map(_Row, *(scores[name].tolist() for name in _Row._fields)):
        groups = of_readers[row.head, row.route] if row.head else of_streams
        groups[row.codec, row.point].append(row)
    ends = [f"{name}_{end}" for name in ("bpp", *columns) for end in ("low", "high")]
    for (head, route), of_reader in of_readers.items():
        for (codec, point), of_head in of_reader.items():
            rows = [*_on_route(of_streams.get((codec, point), []), route), *of_head]
            numbers = _values(rows)
            missing = next((row for row in rows if row.status != "ok"), None)
            yield {
                "head": head,
                "route": route,
                "codec": codec,
                "point": point,
                "bpp": numbers.get("bpp"),
                "size_kb": numbers.get("size_bytes", math.nan) / 1000,
                **{name: numbers.get(name, math.nan) for name in (*columns, *tail)},
                **{end: numbers[end] for end in ends if not math.isnan(numbers.get(end, math.nan))},
                "status": missing.status if missing else "ok",
                "reason": missing.reason if missing else "",
            }


def _on_route(of_stream: Sequence[_Row], route: str) -> list[_Row]:
    """What was measured of a bitstream, as a head of this route meets it: on the latent route the time to decode the
    latents stands for that of the image, which is never made and has no PSNR.
    """
    if route != "latent":
        return [row for row in of_stream if row.route == route]
    return [row for row in of_stream if row.route == "latent" or row.metric not in ("decode_s", "psnr")]


def _values(rows: Sequence[_Row]) -> dict[str, float]:
    """Values by metric, and the ends of their intervals by metric and ``_low`` or ``_high``; of several the last."""
    values = {row.metric: float(row.value) for row in rows}
    values |= {f"{row.metric}_low": float(row.low) for row in rows}
    return values | {f"{row.metric}_high": float(row.high) for row in rows}
