"""The page's comparisons: Bjontegaard differences, the noise floor below them, differences at matched rates, and heads
on the same bitstreams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.api import Comparison, MetricFacts
from benchmarks.reporting.html.cells import (
    NOTHING,
    codec_cell,
    difference_cell,
    head_cell,
    row_marks,
    shown_with_unit,
    span,
    verdict_cell,
)
from benchmarks.reporting.html.curves import Points
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, joined, table
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.number_texts import RATE_KINDS
from benchmarks.runs.results import Results
from benchmarks.runs.verdicts import deciding, said_by, verdict

_METHODS = {"pchip": "interpolated through the points", "fit": "monotone fit", "isotonic": "dips levelled"}

_FLOOR = (
    "A codec against itself, on a second ladder halfway between the points of the first, so that the true difference "
    "is 0. A difference between two codecs that is no larger shows nothing."
)
_NO_FLOOR = "Not measured: it was turned off, or the last anchor has too few points to put four between them."
_MATCHED = (
    "Two curves for which a Bjontegaard difference is refused are compared at three rates within both. A refused curve "
    "is read on the line between the two points beside the rate."
)
_SAME_BITSTREAMS = (
    "Heads trained on a codec’s decoded images or latents, compared at the same operating points: the score of one "
    "head minus that of the other, and below it its 95 % interval, in percentage points (pp) for scores in percent."
)


def differences(results: Results, points: Points) -> Markup:
    """Bjontegaard differences, the noise floor, and differences at matched rates where there is no Bjontegaard one."""
    compared = of_kinds(results, "bd_rate", "bd_metric")
    if not compared:
        return element("p", "No differences: the run had no anchor with enough points.", class_="note")
    floor = of_kinds(results, "noise_floor_rate", "noise_floor_metric")
    title = _title(results, [*compared, *floor])
    caption = "Bjontegaard differences"
    parts = [
        element("p", _note(results, compared, title), class_="note"),
        table("differences", caption, _columns(results, compared, title), _rows(results, points, compared)),
        element("h3", "Noise floor"),
        element("p", _FLOOR if floor else _NO_FLOOR, class_="note"),
    ]
    if floor:
        caption = "Noise floor: a codec against itself"
        parts.append(table("floor", caption, _columns(results, floor, title), _rows(results, points, floor)))
    if matched := of_kinds(results, "difference_at_rate"):
        parts += [element("h3", "At matched rates"), element("p", _MATCHED, class_="note")]
        parts.append(_at_rates(results, points, matched, title))
    return joined(parts)


def _columns(results: Results, compared: Sequence[Comparison], title: str) -> list[Column]:
    """The columns of the rows of Bjontegaard differences."""
    return [
        Column("Codec", "text", "with its anchor below"),
        Column("BD-rate"),
        Column(f"BD-{title}", best=_best(results, compared)),
        Column("Verdict (95 % CI)", "text"),
        Column("Anchor", "text"),
        *_score_columns(compared),
        Column("Head", "text"),
        Column("Method", "text"),
    ]


def _best(results: Results, compared: Sequence[Comparison]) -> str:
    """The end of a column of differences in score that is best."""
    return "high" if results.facts_of(compared[0].metric).higher_is_better else "low"


def _score_columns(compared: Sequence[Comparison]) -> list[Column]:
    """The column that names the score, where a table has several."""
    return [Column("Score", "text")] if len({comparison.metric for comparison in compared}) > 1 else []


def _score_cells(results: Results, compared: Sequence[Comparison], comparison: Comparison) -> list[Cell]:
    title = results.facts_of(comparison.metric).title
    return [Cell(title, title) for _ in _score_columns(compared)]


def _title(results: Results, compared: Sequence[Comparison]) -> str:
    """The title of the score compared; "score" where heads are compared in different ones."""
    titles = {results.facts_of(comparison.metric).title for comparison in compared}
    return titles.pop() if len(titles) == 1 else "score"


def _note(results: Results, compared: Sequence[Comparison], title: str) -> str:
    facts = {comparison.metric: results.facts_of(comparison.metric) for comparison in compared}
    lower = ", ".join(score.title for score in facts.values() if not score.higher_is_better)
    direction = f"Lower is better for {lower}: a negative difference in it is a gain. " if lower else ""
    return (
        f"Negative BD-rate: fewer bits at equal {title}. {direction}Below each number stands its 95 % interval; pp are "
        "percentage points. A codec is better or worse only where that interval excludes 0. Overlap is the range that "
        "two curves have in common, in percent of the codec’s own range and of the anchor’s."
    )


def _grouped(
    comparisons: Sequence[Comparison], key: Callable[[Comparison], tuple[str, ...]]
) -> Iterator[list[Comparison]]:
    """The comparisons of each key, in the order of the run."""
    groups: dict[tuple[str, ...], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault(key(comparison), []).append(comparison)
    yield from groups.values()


def _rows(
    results: Results, points: Points, compared: Sequence[Comparison]
) -> Iterator[tuple[dict[str, Any], Sequence[Cell]]]:
    """A row for each head, score, codec and anchor: the difference in rate and that in the score."""
    for group in _grouped(compared, lambda c: (c.head, c.route, c.metric, c.codec, c.anchor)):
        first = group[0]
        facts = results.facts_of(first.metric)
        rate = next((difference_cell(c, facts) for c in group if c.kind in RATE_KINDS), NOTHING)
        score = next((difference_cell(c, facts) for c in group if c.kind not in RATE_KINDS), NOTHING)
        kinds = {comparison.kind: comparison for comparison in group}
        by = deciding(kinds.get("bd_rate"), kinds.get("bd_metric"), facts)
        cells = [
            codec_cell(points, first.codec, f"against {first.anchor}" if first.anchor else ""),
            rate,
            score,
            verdict_cell(verdict(by, facts) if by else None, said_by(by, facts)),
            Cell(first.anchor, first.anchor),
            *_score_cells(results, compared, first),
            head_cell(first.head, first.route),
            _method(group, facts),
        ]
        yield row_marks(points, first.head, first.route, first.codec, first.anchor), cells


def _method(group: Sequence[Comparison], facts: MetricFacts) -> Cell:
    """How the numbers were computed: interpolation or fit, overlaps, and resamples without a number."""
    lines = []
    for comparison in group:
        if comparison.status != "ok":
            continue
        texts = [_METHODS.get(comparison.method, comparison.method)]
        if not math.isnan(comparison.overlap_test):
            shares = f"{100 * comparison.overlap_test:.0f}\u00a0/\u00a0{100 * comparison.overlap_anchor:.0f}"
            texts.append(f"overlap {shares}\u00a0%")
        if comparison.refused:
            texts.append(f"{comparison.refused} of {comparison.resamples} resamples gave no number")
            if not math.isnan(comparison.valued_low):
                others = span(comparison, comparison.valued_low, comparison.valued_high, facts)
                texts.append(f"the others lie within {others}")
        kind = "rate" if comparison.kind in RATE_KINDS else "score"
        lines.append(element("span", f"{kind}: " + ", ".join(filter(None, texts)), class_="line"))
    return Cell(joined(lines) if lines else "–", None, "", "prose")


def _at_rates(results: Results, points: Points, matched: Sequence[Comparison], title: str) -> Markup:
    columns = [
        Column("Codec", "text"),
        Column(f"Difference in {title}", best=_best(results, matched)),
        Column("Rate"),
        Column("Scores", "text"),
        *_score_columns(matched),
        Column("Anchor", "text"),
        Column("Head", "text"),
    ]
    rows = []
    for comparison in matched:
        facts = results.facts_of(comparison.metric)
        scores = (shown_with_unit(score, facts) for score in (comparison.codec_score, comparison.other_score))
        text, rate = " against ".join(scores) if comparison.status == "ok" else "–", f"{comparison.at_bpp:.4f}"
        between = "between two points" if comparison.method == "local" else ""
        cells = [
            codec_cell(points, comparison.codec, f"against {comparison.anchor}"),
            difference_cell(comparison, facts),
            Cell(f"{rate} bpp", rate, between),
            Cell(text, text),
            *_score_cells(results, matched, comparison),
            Cell(comparison.anchor, comparison.anchor),
            head_cell(comparison.head, comparison.route),
        ]
        rows.append((row_marks(points, comparison.head, comparison.route, comparison.codec, comparison.anchor), cells))
    return table("matched", "Differences at matched rates", columns, rows)


def heads_apart(results: Results, points: Points) -> Markup:
    """Adapted heads that read the same bitstreams, each compared with the first; empty where a run has no two."""
    apart = of_kinds(results, "heads_apart")
    if not apart:
        return Markup("")
    columns = [
        Column("Codec", "text", "with its operating point below"),
        Column("Difference", best=_best(results, apart)),
        *_score_columns(apart),
        Column("Head", "text"),
        Column("Minus", "text"),
    ]
    rows = []
    for comparison in apart:
        cells = [
            codec_cell(points, comparison.codec, comparison.point),
            difference_cell(comparison, results.facts_of(comparison.metric)),
            *_score_cells(results, apart, comparison),
            head_cell(comparison.head, comparison.route),
            head_cell(comparison.other, comparison.other_route),
        ]
        words = f"{comparison.point} {comparison.other}"
        rows.append((row_marks(points, comparison.head, comparison.route, comparison.codec, words), cells))
    caption = "Adapted heads on the same bitstreams"
    return joined(
        [element("h3", caption), element("p", _SAME_BITSTREAMS, class_="note"), table("apart", caption, columns, rows)]
    )
