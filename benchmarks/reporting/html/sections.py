"""The page's tables: operating points, differences, and what has no number and why."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.reporting.html.curves import Points, Reader
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, joined, table
from benchmarks.reporting.html.run_files import RunFiles
from benchmarks.runs.tables import verdict, wide
from benchmarks.stats.bootstrap import MIN_IMAGES
from benchmarks.stats.metric_facts import DIGITS, HEADS_APART, LESS_ROUTE, TITLES, scale_of
from benchmarks.stats.null_floor import PART

_SHARED = re.compile(r"overlap (\d+)% of test, (\d+)% of anchor")
_VERDICTS = {"better": "▲ better", "worse": "▼ worse", "not told apart": "≈ not told apart", "": "–"}
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


def swatch(number: int, look: dict[str, Any]) -> Markup:
    """A codec's line and marker, as the curves draw them; its colour comes from the page's style."""
    dash = " ".join(str(n) for n in look["dash"]) or None
    line = element(
        "line", x1="1", y1="6", x2="25", y2="6", stroke="currentColor", stroke_width="1.6", stroke_dasharray=dash
    )
    mark = element("path", d=_MARKERS[look["shape"]], fill="currentColor", stroke="currentColor", stroke_width="1.2")
    return element(
        "svg", line, mark, class_=f"swatch c{number}", viewBox="0 0 26 12", width="26", height="12", aria_hidden="true"
    )


def _named(number: int, codec: str) -> Markup:
    return joined([element("span", class_=f"dot c{number}", aria_hidden="true"), codec])


def title_of(reader: Reader) -> str:
    return f"{reader.head} · {reader.route} route · {reader.regime}"


def _percent(value: float, digits: int = 1, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}".replace("-", "−")  # a true minus, as wide as a plus


def _marks(points: Points, head: str, route: str, codec: str, text: str = "") -> dict[str, Any]:
    """What the page's filters ask a row for. text: what a search looks through, lower case."""
    reader = next((n for n, r in enumerate(points.readers) if (r.head, r.route) == (head, route)), None)
    number = points.codecs.index(codec) if codec in points.codecs else None
    return {"data_r": reader, "data_c": number, "data_s": f"{codec} {text} {head} {route}".lower()}


def _number(line: Any, name: str) -> Cell:
    """A number of an operating point with its interval below, where it has one."""
    value = line.get(name, math.nan)
    if value is None or math.isnan(value):
        return Cell("–")
    digits = DIGITS.get(name)
    scale, places = (100.0, 1) if digits is None else (1.0, digits)
    low, high = (line.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    known = not math.isnan(low) and low != high
    small = f"{_percent(scale * low, places)} – {_percent(scale * high, places)}" if known else ""
    return Cell(_percent(scale * value, places) if math.isfinite(value) else "∞", repr(float(value)), small)


def points_table(run: RunFiles, points: Points) -> Markup:
    """Every operating point of every head, a line each."""
    lines = wide(run.rows, run.columns)
    lines = lines[lines["codec"] != ""]
    names = ["bpp", "size_kb", *dict.fromkeys((*run.columns, "psnr", "encode_s", "decode_s", "head_s"))]
    names = [name for name in names if name in lines]
    columns = [
        Column("Codec", "text"),
        Column("Point", "text"),
        *(Column(TITLES.get(n, n), about=_ABOUT.get(n, "")) for n in names),
    ]
    columns += [Column("Head", "text"), Column("Cell", "text", "where the number comes from")]
    cells = run.rows[(run.rows["head"] != "") & (run.rows["anchor"] == "")].drop_duplicates(
        ["head", "route", "codec", "point"]
    )
    ids = {(r.head, r.route, r.codec, r.point): r.cell for r in cells.itertuples()}
    rows = []
    for order, (_, line) in enumerate(lines.iterrows()):
        at = (line["head"], line["route"], line["codec"], line["point"])
        number = points.codecs.index(line["codec"]) if line["codec"] in points.codecs else 0
        bad = Cell(line["status"], line["status"], line["reason"], "bad") if line["status"] != "ok" else None
        shown = [Cell(_named(number, line["codec"]), line["codec"], "", "named")]
        shown += [Cell(line["point"] or "–", f"{order:06d}"), *(_number(line, name) for name in names)]
        shown += [Cell(line["head"], line["head"], line["route"])]
        known = str(ids.get(at, ""))
        shown += [
            bad
            or Cell(element("button", known, type="button", class_="cell", data_cell=known) if known else "–", known)
        ]
        rows.append((_marks(points, line["head"], line["route"], line["codec"], line["point"]), shown))
    return table("points", "Operating points", columns, rows)


_ABOUT = {
    "bpp": "bits per pixel: all bits of all files over all pixels",
    "size_kb": "1000 bytes an image",
    "encode_s": "median seconds to encode one image, one thread",
    "decode_s": "median seconds from bytes to the image, or to the latents",
    "head_s": "median seconds of the head on one image",
}


def _verdict(rows: pd.DataFrame) -> str:
    """Whether a codec is better than its anchor: the first of its numbers with an interval says, as in
    ``tables.told_apart``.
    """
    known = rows[rows["low"].notna() & (rows["images"] >= MIN_IMAGES)]
    return "" if known.empty else verdict(known.iloc[0])


def _difference(rows: pd.DataFrame) -> Cell:
    """One Bjontegaard number with its interval, or the reason why there is none."""
    if rows.empty:
        return Cell("–")
    row = rows.iloc[0]
    if row["status"] != "ok" or math.isnan(row["value"]):
        return Cell("n/a", None, row["reason"], "why")
    scale, digits = (1.0, 1) if row["unit"] == "%" else _shown(row["metric"])
    unit = " %" if row["unit"] == "%" else ""
    ends = (
        ""
        if math.isnan(row["low"])
        else f"{_percent(scale * row['low'], digits, '+')} to {_percent(scale * row['high'], digits, '+')}"
    )
    return Cell(_percent(scale * row["value"], digits, "+") + unit, repr(float(row["value"])), ends or "no interval")


def _shown(metric: str) -> tuple[float, int]:
    """What a difference in a score is multiplied by for people, and its digits."""
    scale = scale_of(metric)
    return (100.0, 1) if scale.percent else (1.0, 2 if scale.unit == "dB" else 4)


def _outcome(rows: pd.DataFrame) -> Cell:
    """How the numbers came about: through the points or by a fit, what the curves share, which resamples refused."""
    ok = rows[(rows["status"] == "ok") & (rows["reason"] != "")]
    said = []
    for row in ok.itertuples():
        method, *rest = str(row.reason).split("; ")
        shared = _SHARED.search(str(row.reason))
        parts = [
            "by a monotone fit" if method == "fit" else "through the points",
            "{} / {} % shared".format(*shared.groups()) if shared else "",
        ]
        parts += [part for part in rest if "resamples" in part]
        said.append(f"{'rate' if row.unit == '%' else 'score'}: " + ", ".join(part for part in parts if part))
    return Cell(joined(element("span", text, class_="line") for text in said) if said else "–", None, "", "prose")


def _bjontegaard(run: RunFiles) -> pd.DataFrame:
    return run.rows[(run.rows["anchor"] != "") & run.rows["metric"].str.startswith("bd_")]


def _compared(points: Points, found: pd.DataFrame) -> Sequence[tuple[dict[str, Any], Sequence[Cell]]]:
    rows = []
    for (head, route, codec, anchor), group in found.groupby(["head", "route", "codec", "anchor"], sort=False):
        rate, score = group[group["unit"] == "%"], group[group["unit"] != "%"]  # a head has one main score
        outcome = _verdict(group)
        number = points.codecs.index(codec) if codec in points.codecs else 0
        cells = [
            Cell(_named(number, codec), codec, "", "named"),
            Cell(anchor, anchor),
            Cell(_VERDICTS[outcome], outcome or None, "", f"verdict {outcome.split(' ')[0]}"),
            *(_difference(part) for part in (rate, score)),
            _outcome(group),
            Cell(head, head, route),
        ]
        rows.append((_marks(points, str(head), str(route), str(codec), str(anchor)), cells))
    return rows


def differences(run: RunFiles, points: Points) -> Markup:
    """The Bjontegaard differences, the floor under them, and values at matched rates where there is no difference."""
    found = _bjontegaard(run)
    whole, floor = found[found["part"] == ""], found[found["part"] == PART]
    if whole.empty:
        return element("p", "No differences: the run had no anchor with enough points.", class_="note")
    scores = {metric.removeprefix("bd_") for metric in whole.loc[whole["unit"] != "%", "metric"]}
    title = TITLES.get(run.main, run.main) if scores <= {run.main} else "score"
    columns = [
        Column("Codec", "text"),
        Column("Against", "text"),
        Column("By intervals", "text"),
        Column("BD-rate"),
        Column(f"BD-{title}"),
    ]
    columns += [Column("How it came about", "text"), Column("Head", "text")]
    note = (
        f"Negative rate: fewer bits at equal {title}. Below each number stands where 95 % of its resamples lie. A "
        f"codec is called better or worse "
        "only where that interval leaves out 0. Shared is what two curves have in common, in percent of the codec’s "
        "own range and of the anchor’s."
    )
    parts = [
        element("p", note, class_="note"),
        table("differences", "Bjontegaard differences", columns, _compared(points, whole)),
    ]
    parts += [element("h3", "Null floor"), element("p", _FLOOR if len(floor) else _NO_FLOOR, class_="note")]
    if len(floor):
        parts.append(table("floor", "Null floor: a codec against itself", columns, _compared(points, floor)))
    matched = run.rows[
        (run.rows["anchor"] != "") & run.rows["part"].str.startswith("at ") & run.rows["metric"].str.startswith("d_")
    ]
    if len(matched):
        parts += [
            element("h3", "At matched rates"),
            element("p", _MATCHED, class_="note"),
            _at_rates(points, matched, title),
        ]
    return joined(parts)


_FLOOR = (
    "One codec against itself, on a second ladder halfway between the points of the first; by rights 0. A difference "
    "that is no larger says nothing."
)
_NO_FLOOR = "Not measured: it was turned off, or the last anchor has too few points to put four between them."
_MATCHED = "Two curves that share too little for a difference are compared at three rates that both reach."


def _at_rates(points: Points, matched: pd.DataFrame, title: str) -> Markup:
    columns = [
        Column("Codec", "text"),
        Column("Against", "text"),
        Column("Rate"),
        Column(f"Difference in {title}"),
        Column("Values", "text"),
    ]
    rows = []
    for row in matched.itertuples():
        scale, digits = _shown(str(row.metric))
        ends = (
            ""
            if math.isnan(row.low)
            else f"{_percent(scale * row.low, digits, '+')} to {_percent(scale * row.high, digits, '+')}"
        )
        rate = str(row.part).removeprefix("at ").removesuffix(" bpp")
        number = points.codecs.index(row.codec) if row.codec in points.codecs else 0
        cells = [
            Cell(_named(number, row.codec), row.codec, "", "named"),
            Cell(row.anchor, row.anchor),
            Cell(f"{rate} bpp", rate),
            Cell(_percent(scale * row.value, digits, "+"), repr(float(row.value)), ends),
            Cell(row.reason, row.reason),
            Cell(row.head, row.head, row.route),
        ]
        rows.append((_marks(points, row.head, row.route, row.codec, row.anchor), cells))
    return table("matched", "Values at matched rates", [*columns, Column("Head", "text")], rows)


def heads_apart(run: RunFiles, points: Points) -> Markup:
    """Adapted heads that answered from the same bytes, each less the first of them; nothing where a run has no two."""
    found = run.rows[run.rows["metric"].str.startswith(HEADS_APART)]
    if found.empty:
        return Markup("")
    columns = [
        Column("Codec", "text"),
        Column("Point", "text"),
        Column("Head", "text"),
        Column("Less", "text"),
        Column("Difference"),
    ]
    rows = []
    for order, (_, row) in enumerate(found.iterrows()):
        number = points.codecs.index(row["codec"]) if row["codec"] in points.codecs else 0
        cells = [
            Cell(_named(number, row["codec"]), row["codec"], "", "named"),
            Cell(row["point"] or "–", f"{order:06d}"),
            Cell(row["head"], row["head"], row["route"]),
            Cell(row["anchor"], row["anchor"], row["part"].removeprefix(LESS_ROUTE).removesuffix(" route")),
            _difference(found.loc[[row.name]]),
        ]
        rows.append((_marks(points, row["head"], row["route"], row["codec"], row["anchor"]), cells))
    parts = [element("h3", "Adapted heads on the same bytes"), element("p", _SAME_BYTES, class_="note")]
    return joined([*parts, table("apart", "Adapted heads on the same bytes", columns, rows)])


_SAME_BYTES = (
    "Heads trained on what a codec leaves, at the same points, in points of score. Below each number lie 95 % of its "
    "resamples."
)


def problems(run: RunFiles) -> Markup:
    """What failed, was skipped or could not be had, each with its reason, the gallery's too."""
    bad = run.rows[(run.rows["status"] != "ok") & (run.rows["anchor"] == "")]
    lines = [
        (r.status, " ".join(f"{r.codec} {r.point}".split()) or "–", r.head or "–", r.reason) for r in bad.itertuples()
    ]
    shown = run.gallery["failed"] if run.gallery else []
    lines += [("no picture", f"{one['codec']}, {one['image']}", "–", one["reason"]) for one in shown]
    if not lines:
        return element("p", "Nothing failed and nothing was skipped.", class_="note")
    columns = [
        Column("What became of it", "text"),
        Column("Codec", "text"),
        Column("Head", "text"),
        Column("Reason", "text"),
    ]
    rows: list[tuple[dict[str, str], list[Cell]]] = [
        ({}, [*(Cell(text, text) for text in line[:3]), Cell(line[3], None, "", "prose")])
        for line in dict.fromkeys(lines)
    ]
    return table("problems-table", "Failed and skipped", columns, rows)
