"""The cells that the page's tables share: codecs by name and colour, scores and differences by their facts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.api import Comparison, MetricFacts
from benchmarks.reporting.html.curves import Points
from benchmarks.reporting.html.markup import Cell, Markup, element, joined
from benchmarks.runs.domains import domain_of
from benchmarks.runs.number_texts import RATE_KINDS
from benchmarks.runs.verdicts import Verdict

NOTHING = Cell("–")

_SIGNS: Mapping[Verdict, str] = {"better": "▲ ", "worse": "▼ ", "no clear difference": "≈ "}

_MARKERS = {
    "none": "",
    "circle": "M16.4 6a3.4 3.4 0 1 1-6.8 0a3.4 3.4 0 1 1 6.8 0z",
    "rect": "M10 3h6v6h-6z",
    "rectRounded": "M11 3h4l1 1v4l-1 1h-4l-1-1v-4z",
    "rectRot": "M13 1.8L17.2 6L13 10.2L8.8 6z",
    "triangle": "M13 2L17 9H9z",
    "down": "M13 10L9 3h8z",
    "cross": "M13 2v8M9 6h8",
    "crossRot": "M10.2 3.2l5.6 5.6M10.2 8.8l5.6-5.6",
    "star": "M13 2v8M9.5 4l7 4M9.5 8l7-4",
}


def swatch(codec: int, look: dict[str, Any]) -> Markup:
    """A codec's line and marker, as the curves draw them; its colour comes from the page's style."""
    dash = " ".join(str(length) for length in look["dash"]) or None
    line = element(
        "line", x1="1", y1="6", x2="25", y2="6", stroke="currentColor", stroke_width="1.6", stroke_dasharray=dash
    )
    marker = element("path", d=_MARKERS[look["shape"]], fill="currentColor", stroke="currentColor", stroke_width="1.2")
    return element(
        "svg",
        line,
        marker,
        class_=f"swatch c{codec}",
        viewBox="0 0 26 12",
        width="26",
        height="12",
        aria_hidden="true",
    )


def codec_cell(points: Points, label: str, small: str = "") -> Cell:
    """A codec's name with a dot of its colour, the first cell of a row. small: the quieter line below it."""
    number = points.codec(label)
    dot = element("span", class_="dot" if number is None else f"dot c{number}", aria_hidden="true")
    return Cell(joined([dot, label]), label, small, "named")


def head_cell(head: str, route: str) -> Cell:
    """A head's name with its domain below."""
    return Cell(head, head, domain_of(route))


def row_marks(points: Points, head: str, route: str, codec: str, text: str = "") -> dict[str, Any]:
    """The attributes by which the page's filters and its search find a row. text: further words to search."""
    searched = f"{codec} {text} {head} {domain_of(route)}".lower()
    return {"data_r": points.view(head, route), "data_c": points.codec(codec), "data_s": searched}


def score_cell(value: float | None, low: float, high: float, facts: MetricFacts) -> Cell:
    """A score, with its interval below where it has one of any width."""
    if value is None or math.isnan(value):
        return NOTHING
    ends = "" if math.isnan(low) or low == high else f"{_shown(low, facts)} to {_shown(high, facts)}"
    return Cell(_shown(value, facts) if math.isfinite(value) else "∞", repr(float(value)), ends)


def difference_cell(comparison: Comparison, facts: MetricFacts) -> Cell:
    """A difference, with its interval below, or with the reason why there is none. facts: of the metric compared."""
    if comparison.status != "ok" or math.isnan(comparison.value):
        return Cell("n/a", None, comparison.reason, "why")
    ends = "no interval" if math.isnan(comparison.low) else span(comparison, comparison.low, comparison.high, facts)
    unit = difference_unit(comparison, facts)
    return Cell(signed(comparison, comparison.value, facts) + unit, repr(float(comparison.value)), ends)


def verdict_cell(word: Verdict | None, small: str = "") -> Cell:
    """The verdict on a codec with its sign; nothing where there is none. small: the quieter line below it."""
    if word is None:
        return NOTHING
    sorted_by = None if word == "no interval" else word
    return Cell(f"{_SIGNS.get(word, '')}{word}", sorted_by, small, f"verdict {word}")


def signed(comparison: Comparison, difference: float, facts: MetricFacts) -> str:
    """A difference of the comparison's kind as people read it: with its sign, rates in percent."""
    of_rate = comparison.kind in RATE_KINDS
    factor, digits = (1.0, 1) if of_rate else (facts.factor, facts.digits)
    text = f"{factor * difference:+.{digits}f}"
    return _true_minus(text) if text.strip("+-0.") else text[1:]  # a difference that rounds to 0 has no sign


def span(comparison: Comparison, low: float, high: float, facts: MetricFacts) -> str:
    """Two ends of an interval of differences, with their unit."""
    unit = difference_unit(comparison, facts)
    return f"{signed(comparison, low, facts)} to {signed(comparison, high, facts)}{unit}"


def difference_unit(comparison: Comparison, facts: MetricFacts) -> str:
    """The unit of a difference, after a space; "pp" (percentage points) for scores in percent and for differences of
    rate that are themselves less another.
    """
    if comparison.kind in RATE_KINDS:
        return " pp" if comparison.kind == "lead_bd_rate" else " %"
    return " pp" if facts.percent else unit_of(facts)


def unit_of(facts: MetricFacts) -> str:
    """The unit of a score as it is shown, after a space; empty where it has none."""
    return " %" if facts.percent else "" if facts.unit in ("", "1") else f" {facts.unit}"


def _shown(value: float, facts: MetricFacts) -> str:
    return _true_minus(f"{facts.factor * value:.{facts.digits}f}")


def shown_with_unit(value: float, facts: MetricFacts) -> str:
    """A score as people read it, with its unit."""
    return _shown(value, facts) + unit_of(facts)


def _true_minus(text: str) -> str:
    return text.replace("-", "−")  # as wide as a plus
