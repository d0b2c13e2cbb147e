"""Published figures beside ours, on scores written by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from run_folders import RATE_ROW

from benchmarks.api import ScoreRow
from benchmarks.recipes.comparison import compare
from benchmarks.recipes.comparison_text import table
from benchmarks.recipes.recipe import Published, Recipe
from benchmarks.reporting.paper.published_references import find_reference
from benchmarks.runs.results import Results

TRANSTIC = find_reference("coco-transtic")
"""TIC and TransTIC at rates over the enlarged picture; TransTIC's first point is 0.1109 bpp and 36.31 AP."""


def rows_of(point: str, rate: float, score: tuple[float, float, float], codec: str = "vvc") -> list[ScoreRow]:
    """The rows of one operating point: its two rates, of which the enlarged one is a quarter, and AP of one head."""
    own = replace(RATE_ROW, codec=codec, point=point, images=5000, value=4 * rate, low=math.nan, high=math.nan)
    value, low, high = score
    ap = replace(own, metric="ap", head="h", value=value, low=low, high=high, unit="1")
    return [own, replace(own, metric="bpp_enlarged", value=rate), ap]


def results(*rows: ScoreRow) -> Results:
    return Results.of(rows, [], ("ap",), "ap", {})


def recipe(**published: object) -> Recipe:
    return Recipe("mine", "", "", 5000, {}, (), (Published("coco-transtic", **published),))  # type: ignore[arg-type]


def test_a_score_is_read_at_the_published_rate_in_the_sources_own_definition() -> None:
    curve = [*rows_of("qp=37", 0.1109 / 2, (0.30, 0.28, 0.32)), *rows_of("qp=27", 0.1109 * 2, (0.34, 0.30, 0.38))]
    read = compare(recipe(beside=("vvc",)), results(*curve))
    first = next(row for row in read if row.curve == "TransTIC")
    # 0.1109 is the geometric mean of the two rates, so the score and the ends of its interval are means
    assert (first.published_rate, first.published) == (0.1109, 0.3631)
    assert (first.here, first.difference) == (pytest.approx(0.32), pytest.approx(0.32 - 0.3631))
    assert (first.low, first.high) == (pytest.approx(0.29 - 0.3631), pytest.approx(0.35 - 0.3631))
    assert (first.status, first.reason, first.here_point) == ("ok", "", "")


def test_nothing_is_read_beyond_a_curve_and_the_reason_names_its_ends() -> None:
    curve = [*rows_of("qp=37", 0.2, (0.30, 0.28, 0.32)), *rows_of("qp=27", 0.4, (0.34, 0.30, 0.38))]
    first = next(row for row in compare(recipe(beside=("vvc",)), results(*curve)) if row.curve == "TransTIC")
    assert first.status == "n/a"
    assert math.isnan(first.difference)
    assert "0.2 to 0.4 bpp_enlarged" in first.reason


def test_uncompressed_pictures_other_heads_and_other_counts_are_told() -> None:
    scored = [replace(row, images=100) for row in rows_of("", 6.0, (0.39, 0.37, 0.41), codec="original")]
    only = compare(recipe(original={"ap": 0.402}, head="squares", note="another codec"), results(*scored))[0]
    assert (only.codec, only.head) == ("original", "h")
    assert only.difference == pytest.approx(-0.012)
    assert "the source's head is Faster R-CNN R50-FPN" in only.reason
    assert "100 images here, 5,000 in the source" in only.reason
    assert only.reason.endswith("another codec")


def test_the_sources_own_head_is_taken_where_the_run_has_it() -> None:
    scored = [replace(row, head="squares" if row.head else "") for row in rows_of("", 6.0, (0.5, 0.4, 0.6), "original")]
    scored += rows_of("", 6.0, (0.39, 0.37, 0.41), codec="original")[2:]
    only = compare(recipe(original={"ap": 0.402}, head="squares"), results(*scored))
    assert [(row.head, row.here) for row in only if row.codec == "original"] == [("squares", 0.5)]


def test_the_table_has_percent_signs_and_one_line_on_each_definition() -> None:
    curve = [*rows_of("qp=37", 0.05, (0.30, 0.28, 0.32)), *rows_of("qp=27", 0.4, (0.34, 0.30, 0.38))]
    measured = results(*curve)
    text = table(compare(recipe(beside=("vvc",)), measured), measured)
    line = next(line for line in text.splitlines() if line.startswith("TransTIC") and "0.1109" in line)
    assert line.split()[:3] == ["TransTIC", "0.1109", "ap"]
    assert "vvc between points by h" in line
    assert text.count("rates over enlarged(short=800, most=1333), bits: estimated") == 1
    assert table([], measured) == ""
