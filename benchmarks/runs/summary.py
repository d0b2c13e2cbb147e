"""A run in a few lines: a row a codec, the finding, and what a reader must know, as data for a terminal or a page.

scores, comparisons --summary_of--> Summary --> one screen of a terminal (summary_text), the head of table.md, a page
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from benchmarks.api import Comparison, MetricFacts
from benchmarks.runs.common_rates import common_rates
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.domains import head_title
from benchmarks.runs.findings import Finding, View, findings, view_of, views_of
from benchmarks.runs.results import Results
from benchmarks.runs.summary_notes import notes_of
from benchmarks.runs.verdicts import Verdict, verdict_of

RATES = 3
"""Common rates whose scores are shown."""


class Span(NamedTuple):
    """The values of a codec at its operating points: low and high are equal for one point."""

    low: float
    high: float


@dataclass(frozen=True)
class HeadColumn:
    """A head, by one route and in one score, by which codecs are compared with the anchor.

    label: "A", "B" and so on, in the order of the run. title: the head's name, with its domain where the run has it by
    both routes and its score where it has several. original: its score on the uncompressed images, NaN if not scored.
    """

    label: str
    title: str
    head: str
    route: str
    metric: str
    facts: MetricFacts
    original: float = math.nan

    @property
    def view(self) -> View:
        """The head, route and score."""
        return View(self.head, self.route, self.metric)


@dataclass(frozen=True)
class CodecRow:
    """A codec of the summary.

    status: "anchor" for the anchor itself, "failed" for a codec without any operating point, else "ok". bd_rates,
    verdicts: one a head column, None where the two were not compared. at_rates: of the first head, one a common rate,
    None where the curve does not reach it. bpp, scores: what its operating points span, in bits per pixel and in the
    score of each head column. encode_s, decode_s: seconds an image; decoding ends at the latents where nothing reads
    images. All of these are None where they were not measured.
    """

    codec: str
    status: Literal["ok", "anchor", "failed"]
    bd_rates: tuple[Comparison | None, ...]
    verdicts: tuple[Verdict | None, ...]
    at_rates: tuple[Comparison | None, ...]
    bpp: Span | None = None
    scores: tuple[Span | None, ...] = ()
    encode_s: Span | None = None
    decode_s: Span | None = None


@dataclass(frozen=True)
class Summary:
    """A run at a glance.

    anchor: the first anchor that ran, empty where codecs are compared with none. heads: those that compare codecs with
    the anchor; where nothing is compared, the first head of the run alone, or all heads where there are no common rates
    either. other_heads: those that are no columns, since they read too few codecs for a comparison. rates: at most
    ``RATES`` bits per pixel, rising. rows: best BD-rate of the first head first, then codecs without one in the order
    of the run. findings: one a head. notes: sentences.
    """

    task: str
    dataset: str
    split: str
    images: int
    anchor: str
    heads: tuple[HeadColumn, ...]
    other_heads: tuple[str, ...]
    rates: tuple[float, ...]
    rows: tuple[CodecRow, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def compared(self) -> bool:
        """Whether any codec has a BD-rate, or a verdict by BD-metric, against the anchor."""
        return any(row.verdicts != (None,) * len(row.verdicts) for row in self.rows)


def summary_of(results: Results, notices: Sequence[str] = ()) -> Summary:
    """The summary of a run. notices: sentences that a reader must know before any number; they come first in the notes.

    >>> from benchmarks.runs.results import Results
    >>> summary_of(Results.of([], [], ("ap",), "ap", {})).rows
    ()
    """
    scores = results.scores[(results.scores["part"] == "") & (results.scores["ladder"] == "")]
    differences = of_kinds(results, "bd_rate", "bd_metric")
    anchor = differences[0].anchor if differences else ""
    views = views_of(results)
    rivals = [c for c in differences if c.anchor == anchor]
    compared = {view_of(comparison) for comparison in rivals}
    shown = [view for view in views if view in compared] or views
    at_rates = [c for c in of_kinds(results, "score_at_rate") if shown and view_of(c) == shown[0]]
    rates = common_rates(at_rates, RATES)
    shown = shown[:1] if rates and not compared else shown
    original = _original(scores)
    heads = tuple(_column(results, scores, place, view, original) for place, view in enumerate(shown))
    rows = [
        _row(scores, codec, heads, anchor, rivals, at_rates, rates) for codec in _codecs(scores) if codec != original
    ]
    left = [view for view in views if view not in shown]
    other_heads = dict.fromkeys(head_title(scores, view.head, view.route) for view in left)
    found = [finding for finding in findings(results) if finding.view in shown]
    first = results.scores.iloc[0] if len(results.scores) else None
    return Summary(
        *((str(first["task"]), str(first["dataset"]), str(first["split"])) if first is not None else ("", "", "")),
        int(results.scores["images"].max()) if first is not None else 0,
        anchor,
        heads,
        tuple(other_heads),
        rates,
        tuple(sorted(rows, key=_place)),
        tuple(found),
        (*notices, *notes_of(results, anchor, {head.view: head.label for head in heads})),
    )


def _column(results: Results, scores: pd.DataFrame, place: int, view: View, codec: str) -> HeadColumn:
    """A head's column. codec: the originals."""
    facts = results.facts_of(view.metric)
    original = _rows(scores, codec, view)["value"]
    value = float(original.iloc[0]) if len(original) else math.nan
    return HeadColumn(_letters(place), view_title(results, view), *view, facts, value)


def view_title(results: Results, view: View) -> str:
    """The head's name, with its domain where the run has it by both routes and its score where it was added."""
    title = head_title(results.scores, view.head, view.route)
    return title + (f", {results.facts_of(view.metric).title}" if view.metric in results.added else "")


def _letters(place: int) -> str:
    """A, B, ..., Z, AA, AB: as a spreadsheet names its columns."""
    before, last = divmod(place, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


def _original(scores: pd.DataFrame) -> str:
    """The name of the uncompressed images, the ceiling of every table and no codec of a summary: the first of a run,
    of one point without a name. Empty where a run has none.
    """
    streams = scores[(scores["codec"] != "") & (scores["metric"] == "bpp") & (scores["status"] == "ok")]
    first = str(streams["codec"].iloc[0]) if len(streams) else ""
    return first if (streams.loc[streams["codec"] == first, "point"] == "").all() else ""


def _codecs(scores: pd.DataFrame) -> list[str]:
    """The codecs that were tried, in the order of the run; those that cannot run here are left to the notes."""
    of_points = scores[(scores["codec"] != "") & (scores["metric"] == "bpp") & (scores["status"] != "skipped")]
    return list(dict.fromkeys(of_points["codec"]))


def _rows(scores: pd.DataFrame, codec: str, view: View) -> pd.DataFrame:
    """The scores of a codec's points in a view."""
    here = (scores["codec"] == codec) & (scores["status"] == "ok")
    return scores[
        here
        & (scores["head"] == view.head)
        & (scores["route"] == view.route)
        & (scores["metric"] == view.metric)
        & scores["value"].notna()
    ]


def _row(
    scores: pd.DataFrame,
    codec: str,
    heads: Sequence[HeadColumn],
    anchor: str,
    rivals: Sequence[Comparison],
    at_rates: Sequence[Comparison],
    rates: Sequence[float],
) -> CodecRow:
    """A codec's row. rivals: the Bjontegaard differences from ``anchor``. at_rates: of the first head."""
    own = [comparison for comparison in rivals if comparison.codec == codec]
    by_head = [{c.kind: c for c in own if view_of(c) == head.view} for head in heads]
    of_streams = scores[(scores["codec"] == codec) & (scores["head"] == "") & (scores["status"] == "ok")]
    ran = (of_streams["metric"] == "bpp").any()
    reached = {comparison.at_bpp: comparison for comparison in at_rates if comparison.codec == codec}
    return CodecRow(
        codec,
        "failed" if not ran else "anchor" if codec == anchor else "ok",
        tuple(kinds.get("bd_rate") for kinds in by_head),
        tuple(
            verdict_of(kinds.get("bd_rate"), kinds.get("bd_metric"), head.facts)
            for kinds, head in zip(by_head, heads, strict=True)
        ),
        tuple(reached.get(bpp) for bpp in rates),
        _span(of_streams, "bpp"),
        tuple(_of_values(_rows(scores, codec, head.view)["value"]) for head in heads),
        _span(of_streams, "encode_s"),
        _span(of_streams[of_streams["route"] == "image"], "decode_s") or _span(of_streams, "decode_s"),
    )


def _span(of_streams: pd.DataFrame, metric: str) -> Span | None:
    return _of_values(of_streams[of_streams["metric"] == metric]["value"])


def _of_values(values: pd.Series) -> Span | None:
    values = values.dropna()
    return Span(float(values.min()), float(values.max())) if len(values) else None


def _place(row: CodecRow) -> tuple[int, float]:
    """Where a row stands: by BD-rate, the anchor at 0; then codecs without one, then those that failed."""
    if row.status != "ok":
        return (0, 0.0) if row.status == "anchor" else (2, 0.0)
    first = row.bd_rates[0] if row.bd_rates else None
    return (0, first.value) if first and first.status == "ok" else (1, 0.0)
