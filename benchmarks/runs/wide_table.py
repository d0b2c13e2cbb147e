"""The wide table of a run: one line for each head, route, codec and operating point, a column for each score."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

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


def _lines(scores: pd.DataFrame, columns: Sequence[str], tail: Sequence[str]) -> Iterator[dict[str, Any]]:
    of_streams = dict(iter(scores[scores["head"] == ""].groupby(["codec", "point"], sort=False)))
    readers = dict.fromkeys((head, route) for head, route in zip(scores["head"], scores["route"], strict=True) if head)
    for head, route in readers:
        of_reader = scores[(scores["head"] == head) & (scores["route"] == route)]
        for (codec, point), of_head in of_reader.groupby(["codec", "point"], sort=False):
            of_stream = _on_route(of_streams.get((codec, point), scores[:0]), route)
            numbers = {**_values(of_stream), **_values(of_head)}
            rows = pd.concat([of_stream, of_head])
            missing = rows[rows["status"] != "ok"]
            ends = (f"{name}_{end}" for name in ("bpp", *columns) for end in ("low", "high"))
            yield {
                "head": head,
                "route": route,
                "codec": codec,
                "point": point,
                "bpp": numbers.get("bpp"),
                "size_kb": numbers.get("size_bytes", math.nan) / 1000,
                **{name: numbers.get(name, math.nan) for name in (*columns, *tail)},
                **{end: numbers[end] for end in ends if not math.isnan(numbers.get(end, math.nan))},
                "status": "ok" if missing.empty else missing["status"].iloc[0],
                "reason": "" if missing.empty else missing["reason"].iloc[0],
            }


def _on_route(of_stream: pd.DataFrame, route: str) -> pd.DataFrame:
    """What was measured of a bitstream, as a head of this route meets it: on the latent route the time to decode the
    latents stands for that of the image, which is never made and has no PSNR.
    """
    if route != "latent":
        return of_stream[of_stream["route"] == route]
    return of_stream[(of_stream["route"] == "latent") | ~of_stream["metric"].isin(("decode_s", "psnr"))]


def _values(rows: pd.DataFrame) -> dict[str, float]:
    """Values by metric, and the ends of their intervals by metric and ``_low`` or ``_high``."""
    columns = (("", "value"), ("_low", "low"), ("_high", "high"))
    return {
        metric + end: float(number)
        for end, column in columns
        for metric, number in zip(rows["metric"], rows[column], strict=True)
    }
