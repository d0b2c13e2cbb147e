"""Figures and page of scores that are not shares: unbounded, lower is better, with a unit; all of it by their facts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.api import Comparison, MetricFacts, ScoreRow
from benchmarks.reporting.figures.class_curves import class_curves
from benchmarks.reporting.figures.rate_curves import axis_label, figure
from benchmarks.reporting.html.cells import difference_cell, score_cell
from benchmarks.reporting.html.comparison_tables import differences, heads_apart
from benchmarks.reporting.html.curves import chart_data, points_of
from benchmarks.reporting.html.points_table import points_table
from benchmarks.runs.results import Results
from benchmarks.stats.bd_comparison import differences as compared
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.design import Design, Ladder

MISCOUNT = MetricFacts(
    high=math.inf, higher_is_better=False, unit="objects", percent=False, title="miscount", digits=2, main=True
)
RATES = (0.1, 0.2, 0.4, 0.8, 1.6)
ERRORS = {
    "plain": (8.0, 6.0, 4.0, 2.5, 1.5),
    "better": (7.0, 5.0, 3.0, 1.75, 1.25),
    "dipping": (8.0, 6.0, 4.0, 2.5, 2.55),
}
"""Mean errors of a count of objects, at the rates above."""


def score_rows(metric: str = "miscount") -> list[ScoreRow]:
    blank = ScoreRow("", "counting", "d", "val", "", "", "", "image", "", "", "", 0, "bpp", 0.0, images=12)
    rows = []
    for codec, errors in ERRORS.items():
        for place, (bpp, error) in enumerate(zip(RATES, errors, strict=True)):
            point = replace(blank, cell=f"{codec}{place}", codec=codec, point=f"q={place}")
            of_head = replace(point, head="counter", regime="frozen", metric=metric, value=error, unit="objects")
            rows += [replace(point, value=bpp, unit="bit/pixel")]
            rows += [
                replace(of_head, low=error - 0.25, high=error + 0.25),
                replace(of_head, part="car", value=2 * error),
            ]
    return rows


@pytest.fixture(scope="module")
def results() -> Results:
    points = tuple(f"q={k}" for k in range(len(RATES)))
    ladders = tuple(Ladder(codec, points) for codec in ERRORS)
    design = Design(ladders, ("plain",), (), ("miscount",), "miscount", {"miscount": MISCOUNT})
    scores = score_rows()
    comparisons = compared(design, scores, Bootstrap(12, 0, 0))
    sure = [replace(c, low=c.value - 0.1, high=c.value + 0.1) if c.codec == "better" else c for c in comparisons]
    return Results.of(scores, sure, ("miscount",), "miscount", {"miscount": MISCOUNT})


def test_an_axis_names_unit_and_direction() -> None:
    assert axis_label(MISCOUNT) == "miscount [objects], lower is better"
    assert axis_label(MetricFacts(title="AP")) == "AP [%]"
    assert axis_label(MetricFacts(title="PSNR", percent=False, unit="dB")) == "PSNR [dB]"


def test_a_figure_shows_errors_as_they_are_measured(results: Results) -> None:
    with figure(results) as plotted:
        (axis,) = plotted.axes
        assert axis.get_ylabel() == "miscount [objects], lower is better"
        drawn = {line.get_label(): list(line.get_ydata()) for line in axis.lines if line.get_linestyle() != ":"}
        assert drawn == {codec: list(errors) for codec, errors in ERRORS.items()}
        (fit,) = (line for line in axis.lines if line.get_linestyle() == ":")
        assert fit.get_color() == next(line for line in axis.lines if line.get_label() == "dipping").get_color()
        assert np.all(np.diff(fit.get_ydata()) <= 0)  # fewer errors at more bits
        low, high = axis.get_ylim()
        assert 0 <= low < 1.25
        assert high > 8


def test_no_axis_goes_beyond_the_bounds_of_its_score() -> None:
    share = MetricFacts(title="right", percent=False, digits=3, main=True)
    rows = [
        replace(row, value=1 - row.value / 8 if row.metric == "right" else row.value, low=math.nan, high=math.nan)
        for row in score_rows("right")
        if not row.part
    ]
    rows = [replace(row, value=1.0) if row.metric == "right" and row.point == "q=4" else row for row in rows]
    with figure(Results.of(rows, [], ("right",), "right", {"right": share})) as plotted:
        assert plotted.axes[0].get_ylim() == pytest.approx((0, 1))


def test_a_class_has_curves_by_the_same_facts(results: Results, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    axes: list[Any] = []
    monkeypatch.setattr(
        "benchmarks.reporting.figures.class_curves.save_both", lambda plotted, path: axes.extend(plotted.axes)
    )
    assert class_curves(results.scores, "miscount", {}, tmp_path / "classes", {"miscount": MISCOUNT})
    (axis,) = (axis for axis in axes if axis.get_visible())
    assert axis.get_title() == "car"
    assert [list(line.get_ydata()) for line in axis.lines] == [[2 * e for e in errors] for errors in ERRORS.values()]
    assert axes[0].figure.get_suptitle().startswith("counter")
    assert "miscount [objects], lower is better" in axes[0].figure.figure.get_suptitle()


def test_the_page_draws_what_the_figure_draws(results: Results) -> None:
    data = chart_data(results, points_of(results))
    (metric,) = data["metrics"]
    assert metric == {
        "id": "miscount",
        "title": "miscount",
        "label": "miscount [objects], lower is better",
        "unit": "objects",
        "factor": 1.0,
        "digits": 2,
        "sign": -1,
        "share": False,
        "low": 0.0,
        "high": None,
    }
    assert data["classes"][0]["label"] == "miscount, car [objects], lower is better"
    better = data["codecs"].index(next(look for look in data["codecs"] if look["label"] == "better"))
    points = [point for point in data["points"] if point["c"] == better]
    assert [point["m"]["miscount"] for point in points] == [[e, e - 0.25, e + 0.25] for e in ERRORS["better"]]
    assert [point["k"] for point in points] == [[2 * error] for error in ERRORS["better"]]
    (fit,) = data["fits"]
    assert fit["c"] == list(ERRORS).index("dipping")
    errors = [error for _, error in fit["xy"]]
    assert errors == sorted(errors, reverse=True)
    assert min(errors) > 0


def test_fewer_errors_are_better_on_the_page(results: Results) -> None:
    text = differences(results, points_of(results))
    by_codec = {c.codec: c for c in of_kind(results, "bd_metric")}
    value = by_codec["better"].value
    assert value < 0
    assert f"−{abs(value):.2f} objects" in text
    assert text.count("▲ better") == 1
    assert "▼ worse" not in text
    assert "BD-miscount" in text
    assert "Lower is better for miscount" in text
    assert "%" not in difference_cell(by_codec["better"], MISCOUNT).text


def test_the_table_of_points_has_digits_and_unit_by_facts(results: Results) -> None:
    text = points_table(results, points_of(results))
    assert "miscount [objects]" in text
    assert "Lower is better for miscount" in text
    assert 'data-v="1.75"' in text
    assert ">1.75<small>1.50 to 2.00</small>" in text


def test_cells_show_scores_with_the_factor_and_digits_of_their_facts() -> None:
    assert score_cell(0.528, 0.5, 0.55, MetricFacts()) == ("52.8", "0.528", "50.0 to 55.0", None)
    assert score_cell(-1.5, math.nan, math.nan, MISCOUNT)[:3] == ("−1.50", "-1.5", "")
    assert score_cell(math.inf, math.nan, math.nan, MISCOUNT)[:2] == ("∞", "inf")
    assert score_cell(math.nan, math.nan, math.nan, MISCOUNT).text == "–"
    rate = Comparison("bd_rate", "t", "d", "val", "miscount", value=-12.34, low=-20.0, high=-5.0, unit="%")
    assert difference_cell(rate, MISCOUNT)[:3] == ("−12.3 %", "-12.34", "−20.0 to −5.0 %")
    assert difference_cell(replace(rate, status="n/a", reason="they share nothing"), MISCOUNT)[:3] == (
        "n/a",
        None,
        "they share nothing",
    )


def test_heads_are_compared_in_the_units_of_their_score(results: Results) -> None:
    apart = Comparison(
        "heads_apart", "t", "d", "val", "miscount", "counter", "latent", codec="plain", point="q=0", value=0.5
    )
    apart = replace(apart, other="counter", other_route="image")
    shown = Results.of(score_rows(), [apart], ("miscount",), "miscount", {"miscount": MISCOUNT})
    text = heads_apart(shown, points_of(shown))
    assert "+0.50 objects" in text
    assert "compressed domain" in text


def of_kind(results: Results, kind: str) -> list[Comparison]:
    from benchmarks.runs.rows import comparison_rows

    return comparison_rows(results.comparisons[results.comparisons["kind"] == kind])
