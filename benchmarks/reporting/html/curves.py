"""What the page's curves are drawn from: every operating point's scores by head, in numbers a browser can read."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.reporting.figures.rate_curves import COLOURS, Style, styles_of
from benchmarks.reporting.html.run_files import RunFiles
from benchmarks.stats.bjontegaard import Line, line
from benchmarks.stats.metric_facts import TITLES, scale_of

ON_DARK = ("#4FA8E0", "#F58A4B", "#2CC79B", "#E39CC4", "#F2B93B", "#8CD0F5", "#F2F2F2", "#C9A66B", "#B68AC6", "#A6A6A6")
"""The colours of ``benchmarks.reporting.figures.rate_curves``, lighter, hue by hue, for dark paper."""
SHAPES = {
    "o": "circle",
    "s": "rect",
    "D": "rectRot",
    "^": "triangle",
    "v": "down",
    "P": "cross",
    "*": "star",
    "X": "crossRot",
}
"""The markers of ``benchmarks.reporting.figures.rate_curves`` by the plotting library's names; the two it lacks are the
nearest there are.
"""
_BRIGHT = ("#FFD60A", "#FF453A", "#32D7FF", "#30D158", "#FF5FD2")
_FIT_POINTS = 33
_LINE_WIDTH = 2


class Reader(NamedTuple):
    """A head by one of its routes."""

    head: str
    route: str
    regime: str


class Points(NamedTuple):
    """The operating points, and who they belong to. table: scores of heads, a line a number; bpp: rates by codec and
    point.
    """

    readers: list[Reader]
    codecs: list[str]
    table: pd.DataFrame
    streams: pd.DataFrame


def points_of(run: RunFiles) -> Points:
    """The points of a run's rows; second ladders, differences and searches are none."""
    rows = run.rows[
        (run.rows["anchor"] == "") & (run.rows["codec"] != "") & ~run.rows["metric"].str.contains("(", regex=False)
    ]
    table = rows[rows["head"] != ""]
    streams = rows[(rows["head"] == "") & (rows["part"] == "")]
    table = table[table["part"].isin(["", *_classes(table)])]
    readers = [
        Reader(*names) for names in dict.fromkeys(zip(table["head"], table["route"], table["regime"], strict=True))
    ]
    return Points(readers, list(dict.fromkeys(table["codec"])), table, streams)


def _classes(table: pd.DataFrame) -> list[str]:
    """Parts that are classes: those of points whose whole is another row; a second ladder has no such."""
    from benchmarks.stats.null_floor import PART

    return [part for part in dict.fromkeys(table["part"]) if part and part != PART]


def _look(style: Style) -> dict[str, Any]:
    """A style of ``benchmarks.reporting.figures.rate_curves`` in the page's terms: colours on light and dark paper,
    shape, dashes in pixels.
    """
    shape = SHAPES.get(style.marker, "rectRounded" if style.marker == "h" else "rectRot")
    dash = [] if style.dashes == "-" else [_LINE_WIDTH * length for length in style.dashes[1]]
    return {"light": style.colour, "dark": ON_DARK[COLOURS.index(style.colour)], "shape": shape, "dash": dash}


def looks_of(points: Points) -> list[dict[str, Any]]:
    """Every codec's style; what loses nothing is a dashed line, in no codec's colour."""
    fidelity = points.streams[points.streams["metric"] == "psnr"].groupby("codec")["value"].min()
    lossless = {codec for codec, value in fidelity.items() if value == math.inf}
    quiet = {"light": "#444444", "dark": "#B8B8B8", "shape": "none", "dash": [6, 4]}
    styles = styles_of(points.codecs)
    return [{"label": label, **(quiet if label in lossless else _look(styles[label]))} for label in points.codecs]


def class_colours(count: int) -> list[str]:
    """A colour for each class: five that show on streets, then hues a golden angle apart, three lightnesses in turn."""
    made = list(_BRIGHT)
    for n in range(len(made), count):
        red, green, blue = colorsys.hls_to_rgb(n * 0.618034 % 1, (0.62, 0.45, 0.75)[n % 3], 0.75)
        made.append(f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}")
    return made[:count]


def number(value: float) -> float | None:
    """Five digits, None for what is no number or has no end: JSON knows neither."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def chart_data(run: RunFiles, points: Points) -> dict[str, Any]:
    """Metrics, classes, readers, codecs and points for the page's script. Scores are 0 to 1, intervals [value, low,
    high].
    """
    whole = points.table[(points.table["part"] == "") & (points.table["status"] == "ok")]
    names = [m for m in dict.fromkeys([run.main, *run.columns, *whole["metric"]]) if m in set(whole["metric"])]
    psnr = ["psnr"] if "psnr" not in names and not points.streams[points.streams["metric"] == "psnr"].empty else []
    units = dict(zip(run.rows["metric"], run.rows["unit"], strict=True))
    by_class = points.table[points.table["part"] != ""]
    return {
        "main": run.main,
        "metrics": [
            {"id": m, "title": TITLES.get(m, m), "unit": "%" if scale_of(m).percent else units[m].removeprefix("1")}
            for m in [*names, *psnr]
        ],
        "classMetric": str(by_class["metric"].iloc[0]) if len(by_class) else "",
        "classes": list(dict.fromkeys(by_class["part"])),
        "readers": [reader._asdict() for reader in points.readers],
        "codecs": looks_of(points),
        "points": list(_points(points, [*names, *psnr], list(dict.fromkeys(by_class["part"])))),
        "fits": list(_fits(points, run.main)),
    }


def _points(points: Points, names: list[str], classes: list[str]) -> Iterable[dict[str, Any]]:
    streams = {(r.codec, r.point, r.metric): r for r in points.streams[points.streams["route"] == "image"].itertuples()}
    ok = points.table[points.table["status"] == "ok"]
    for (head, route, codec, point), group in ok.groupby(["head", "route", "codec", "point"], sort=False):
        rate = streams.get((codec, point, "bpp"))
        if rate is None or not math.isfinite(rate.value):
            continue
        reader = next(n for n, r in enumerate(points.readers) if (r.head, r.route) == (head, route))
        whole = {
            r.metric: [number(r.value), number(r.low), number(r.high)] for r in group[group["part"] == ""].itertuples()
        }
        fidelity = streams.get((codec, point, "psnr"))
        if fidelity is not None and "psnr" in names:
            whole["psnr"] = [number(fidelity.value), None, None]
        parts = {r.part: number(r.value) for r in group[group["part"] != ""].itertuples()}
        yield {
            "r": reader,
            "c": points.codecs.index(str(codec)),
            "p": point,
            "bpp": [number(rate.value), number(rate.low), number(rate.high)],
            "lossless": fidelity is not None and math.isinf(fidelity.value),
            "m": {name: whole[name] for name in names if name in whole},
            "k": [parts.get(name) for name in classes],
        }


def _fits(points: Points, main: str) -> Iterable[dict[str, Any]]:
    """The monotone curves that stand in for those that dip, for the main score."""
    scale = scale_of(main)
    rates = {(r.codec, r.point): r.value for r in points.streams[points.streams["metric"] == "bpp"].itertuples()}
    ok = points.table[
        (points.table["metric"] == main) & (points.table["part"] == "") & (points.table["status"] == "ok")
    ]
    for (head, route, codec), group in ok.groupby(["head", "route", "codec"], sort=False):
        pairs = [(float(rates.get((codec, r.point), math.nan)), float(r.value)) for r in group.itertuples()]
        fitted = line([(x, scale.sign * y) for x, y in pairs], scale.bounds)
        if isinstance(fitted, Line) and fitted.fitted:
            at = np.linspace(0, len(fitted.log_rate) - 1, _FIT_POINTS).round().astype(int)
            drawn = [
                [number(float(np.exp(fitted.log_rate[k]))), number(scale.sign * float(fitted.quality[k]))] for k in at
            ]
            reader = next(n for n, r in enumerate(points.readers) if (r.head, r.route) == (head, route))
            yield {"r": reader, "c": points.codecs.index(str(codec)), "xy": drawn}
