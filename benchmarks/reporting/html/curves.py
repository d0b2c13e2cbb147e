"""The numbers from which the page's script draws curves: every operating point's scores, by head and codec."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.api import MetricFacts
from benchmarks.reporting.figures.codec_styles import COLOURS, Style, styles_named
from benchmarks.reporting.figures.rate_curves import axis_label
from benchmarks.runs.domains import domain_of
from benchmarks.runs.results import Results
from benchmarks.stats.bjontegaard import Line, line
from benchmarks.stats.metric_facts import TIMES

ON_DARK = ("#4FA8E0", "#F58A4B", "#2CC79B", "#E39CC4", "#F2B93B", "#8CD0F5", "#F2F2F2", "#C9A66B", "#B68AC6", "#A6A6A6")
"""The colours of ``benchmarks.reporting.figures.codec_styles``, lighter, hue by hue, for a dark page."""
SHAPES = {
    "o": "circle",
    "s": "rect",
    "D": "rectRot",
    "^": "triangle",
    "v": "down",
    "P": "cross",
    "*": "star",
    "X": "crossRot",
    "h": "rectRounded",
    "d": "rectRot",
}
"""The markers of ``benchmarks.reporting.figures.codec_styles`` by the plotting library's names; for the two that it
lacks, the most similar shapes.
"""
_BRIGHT = ("#FFD60A", "#FF453A", "#32D7FF", "#30D158", "#FF5FD2")
NEAR = 1.5
"""Points are compared at a rate that they lie within this ratio of."""
_FIT_POINTS = 33
_LINE_WIDTH = 2


class View(NamedTuple):
    """A head by one of its routes."""

    head: str
    route: str
    regime: str

    @property
    def title(self) -> str:
        """The name of the view on the page."""
        return f"{self.head} · {domain_of(self.route)} · {self.regime}"


class Points(NamedTuple):
    """The operating points of a run, second ladders left out.

    scores: rows of heads, of all classes and of single ones. streams: rows of codecs: rates, PSNR and times.
    """

    views: list[View]
    codecs: list[str]
    scores: pd.DataFrame
    streams: pd.DataFrame

    def view(self, head: str, route: str) -> int | None:
        """The number of a head's view on the page."""
        return next((n for n, view in enumerate(self.views) if view[:2] == (head, route)), None)

    def codec(self, label: str) -> int | None:
        """The number of a codec on the page."""
        return self.codecs.index(label) if label in self.codecs else None


def points_of(results: Results) -> Points:
    """The operating points of a run's scores."""
    rows = results.scores[(results.scores["ladder"] == "") & (results.scores["codec"] != "")]
    scores = rows[rows["head"] != ""]
    streams = rows[(rows["head"] == "") & (rows["part"] == "")]
    columns = (scores["head"], scores["route"], scores["regime"])
    views = [View(*names) for names in dict.fromkeys(zip(*columns, strict=True))]
    return Points(views, list(dict.fromkeys(scores["codec"])), scores, streams)


def _look(style: Style) -> dict[str, Any]:
    """A codec's style in the page's terms: colours on a light and on a dark page, shape, dashes in pixels."""
    dash = [] if style.dashes == "-" else [_LINE_WIDTH * length for length in style.dashes[1]]
    dark = ON_DARK[COLOURS.index(style.colour)]
    return {"light": style.colour, "dark": dark, "shape": SHAPES[style.marker], "dash": dash}


def looks_of(points: Points, labels: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The look of every codec; a lossless one is a dashed line in a colour of its own. labels: of the codecs that are
    shown by another name, by that name.
    """
    fidelity = points.streams[points.streams["metric"] == "psnr"].groupby("codec")["value"].min()
    lossless = {codec for codec, value in fidelity.items() if value == math.inf}
    ceiling = {"light": "#444444", "dark": "#B8B8B8", "shape": "none", "dash": [6, 4]}
    styles = styles_named({(labels or {}).get(name, name): name for name in points.codecs})
    return [{"label": label, **(ceiling if label in lossless else _look(styles[label]))} for label in points.codecs]


def class_colours(count: int) -> list[str]:
    """A colour for each class: five that stand out on streets, then hues a golden angle apart, in three lightnesses."""
    colours = list(_BRIGHT)
    for n in range(len(colours), count):
        channels = colorsys.hls_to_rgb(n * 0.618034 % 1, (0.62, 0.45, 0.75)[n % 3], 0.75)
        colours.append("#" + "".join(f"{round(255 * channel):02X}" for channel in channels))
    return colours[:count]


def number(value: float) -> float | None:
    """A value with five digits; None where it is NaN or infinite, which JSON does not know."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def chart_data(
    results: Results,
    points: Points,
    support: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Metrics, classes, heads, codecs and points for the page's script.

    Scores are as measured, intervals are [value, low, high]; each metric says by what factor people read it. support:
    how many objects or pixels each class has, as ``run.json`` holds it. labels: of codecs, by the name that is shown.
    """
    whole = points.scores[(points.scores["part"] == "") & (points.scores["status"] == "ok")]
    scored = set(whole["metric"])
    in_order = dict.fromkeys([results.main_metric, *results.columns, *whole["metric"]])
    metrics = [name for name in in_order if name in scored]
    if "psnr" not in metrics and (points.streams["metric"] == "psnr").any():
        metrics.append("psnr")
    by_class = points.scores[points.scores["part"] != ""]
    class_metric = str(by_class["metric"].iloc[0]) if len(by_class) else ""
    classes = list(dict.fromkeys(by_class.loc[by_class["metric"] == class_metric, "part"]))
    class_facts = results.facts_of(class_metric)
    return {
        "main": results.main_metric,
        "metrics": [{"id": name, **_reading(_axis_facts(results, name))} for name in metrics],
        "classMetric": {"id": class_metric, **_reading(class_facts)} if classes else None,
        "classes": [
            {"name": name, **_reading(replace(class_facts, title=f"{class_facts.title}, {name}"))} for name in classes
        ],
        "readers": [{**view._asdict(), "title": view.title, "domain": domain_of(view.route)} for view in points.views],
        "codecs": looks_of(points, labels),
        "support": _support(support, classes),
        "rates": common_rates(results, points) if classes else [],
        "rateDigits": results.facts_of("bpp").digits,
        "points": list(_points(points, metrics, class_metric, classes)),
        "fits": list(_fits(points, results)),
    }


def _support(support: Mapping[str, Any] | None, classes: Sequence[str]) -> dict[str, Any] | None:
    """The unit and the number of each class, None where it is not known."""
    if not support or not isinstance(support.get("counts"), Mapping):
        return None
    counts = (support["counts"].get(name) for name in classes)
    whole = [count if isinstance(count, int) and not isinstance(count, bool) else None for count in counts]
    return {"unit": str(support.get("unit", "objects")), "counts": whole} if any(whole) else None


def common_rates(results: Results, points: Points) -> list[float]:
    """The rates at which classes are compared: those at which curves are, else the middle one of all points' rates."""
    table = results.comparisons
    rates = sorted({float(rate) for rate in table.loc[table["kind"] == "score_at_rate", "at_bpp"].dropna()})
    lossless = {look["label"] for look in looks_of(points) if look["shape"] == "none"}
    streams = points.streams
    own = streams[(streams["metric"] == "bpp") & (streams["status"] == "ok") & ~streams["codec"].isin(lossless)]
    near = [rate for rate in rates if ((own["value"] / rate).between(1 / NEAR, NEAR)).any()]
    if near or own.empty:
        return near
    return [float(f"{sorted(own['value'])[len(own) // 2]:.3g}")]


def _axis_facts(results: Results, score: str) -> MetricFacts:
    """The facts of a score for its axis; the titles of times hold their unit already."""
    facts = results.facts_of(score)
    return replace(facts, unit="") if score in TIMES else facts


def _reading(facts: MetricFacts) -> dict[str, Any]:
    """How people read a score: texts, factor, decimals, direction, bounds in the unit shown (None where infinite)."""
    unit = "%" if facts.percent else "" if facts.unit in ("", "1") else facts.unit
    return {
        "title": facts.title,
        "label": axis_label(facts),
        "unit": unit,
        "factor": facts.factor,
        "digits": facts.digits,
        "sign": facts.sign,
        "share": facts.percent,
        "low": number(facts.factor * facts.low),
        "high": number(facts.factor * facts.high),
    }


def _points(
    points: Points, metrics: Sequence[str], class_metric: str, classes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    of_images = points.streams[points.streams["route"] == "image"]
    streams = {(row.codec, row.point, row.metric): row for row in of_images.itertuples()}
    measured = points.scores[points.scores["status"] == "ok"]
    for (head, route, codec, point), rows in measured.groupby(["head", "route", "codec", "point"], sort=False):
        rate = streams.get((codec, point, "bpp"))
        if rate is None or not math.isfinite(rate.value):
            continue
        whole = {row.metric: _with_ends(row) for row in rows[rows["part"] == ""].itertuples()}
        fidelity = streams.get((codec, point, "psnr"))
        if fidelity is not None and "psnr" in metrics:
            whole.setdefault("psnr", [number(fidelity.value), None, None])
        of_class = rows[(rows["part"] != "") & (rows["metric"] == class_metric)]
        parts = {row.part: number(row.value) for row in of_class.itertuples()}
        yield {
            "r": points.view(str(head), str(route)),
            "c": points.codecs.index(str(codec)),
            "p": point,
            "bpp": _with_ends(rate),
            "lossless": fidelity is not None and math.isinf(fidelity.value),
            "m": {name: whole[name] for name in metrics if name in whole},
            "k": [parts.get(name) for name in classes],
        }


def _with_ends(row: Any) -> list[float | None]:
    return [number(row.value), number(row.low), number(row.high)]


def _fits(points: Points, results: Results) -> Iterator[dict[str, Any]]:
    """The monotone fits that replace curves that dip, for the main score."""
    facts = results.facts_of(results.main_metric)
    of_rate = points.streams[points.streams["metric"] == "bpp"]
    rates: Mapping[tuple[str, str], float] = {(row.codec, row.point): row.value for row in of_rate.itertuples()}
    scores = points.scores[(points.scores["metric"] == results.main_metric) & (points.scores["part"] == "")]
    scores = scores[scores["status"] == "ok"]
    for (head, route, codec), rows in scores.groupby(["head", "route", "codec"], sort=False):
        pairs = [(float(rates.get((codec, row.point), math.nan)), float(row.value)) for row in rows.itertuples()]
        fit = line([(bpp, facts.sign * score) for bpp, score in pairs], facts.bounds)
        if isinstance(fit, Line) and fit.fitted:
            places = np.linspace(0, len(fit.log_rate) - 1, _FIT_POINTS).round().astype(int)
            xy = [
                [number(float(np.exp(fit.log_rate[place]))), number(facts.sign * float(fit.quality[place]))]
                for place in places
            ]
            yield {"r": points.view(str(head), str(route)), "c": points.codecs.index(str(codec)), "xy": xy}
