"""Rate-accuracy curves for a paper: colour-blind-safe, vector, fonts embedded; bands are 95 % intervals.

Where a curve dips, the monotone fit that replaces it in Bjontegaard differences is dotted beside the measured points.
Published curves of other work are drawn hollow and grey, and named as published.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.api import MetricFacts
from benchmarks.reporting.figures.codec_styles import MARKERS, Style, styles_named, styles_of
from benchmarks.reporting.figures.figure_files import SETTINGS, pyplot, readable, save_both
from benchmarks.runs.display_names import Naming, split_and_images
from benchmarks.runs.domains import domain_of
from benchmarks.runs.results import Results
from benchmarks.stats.bjontegaard import Line, line
from benchmarks.stats.metric_facts import STREAM_FACTS, axis_title

SINGLE, DOUBLE = 3.35, 7.0
"""Widths in inches of one column and of two in most journals."""
PUBLISHED = "published: "
"""How the name of a published curve begins, which was measured on other data."""
RATE_AXIS = f"rate [{STREAM_FACTS['bpp'].unit}]"

_MAX_ACROSS = 3
_GREY = "#777777"
_CEILING = "#444444"
_LETTERS_PER_INCH = 19.0
_LEAST_RANGE = 5.0
"""Highest over lowest rate of a panel, at least: two of the marks at 1, 2 and 5 times a power of ten are then in it."""


class Overlay(NamedTuple):
    """A published curve.

    points: (bits per pixel, score as in ``scores.csv``). metric: the score, in whose panels alone it is drawn. number:
    of the curve among all published ones, which decides its marker in every panel.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    metric: str
    number: int = 0


class CurvePoint(NamedTuple):
    """One operating point: bits per pixel, and its score with the ends of its interval, in the scores' own units."""

    bpp: float
    score: float
    low: float
    high: float


def axis_label(facts: MetricFacts) -> str:
    """The label of a score's axis: its title, its unit, and its direction where lower is better.

    >>> axis_label(MetricFacts(title="AP"))
    'AP [%]'
    >>> axis_label(MetricFacts(title="FID", percent=False, higher_is_better=False))
    'FID, lower is better'
    """
    return axis_title(facts) + ("" if facts.higher_is_better else ", lower is better")


def drawn(scores: pd.DataFrame, columns: Sequence[str], added: Sequence[str] = ()) -> pd.DataFrame:
    """The scores that are drawn, at operating points: for each head and route the first of ``columns`` that it has, and
    those of ``columns`` that were added to the task's own.
    """
    whole = scores[(scores["part"] == "") & (scores["ladder"] == "") & (scores["head"] != "")]
    scored = whole[whole["metric"].isin(list(columns)) & (whole["status"] == "ok")]
    place = scored["metric"].map(list(columns).index)
    first = place == place.groupby([scored["head"], scored["route"]]).transform("min")
    return scored[first | scored["metric"].isin(list(added))]


def rates(scores: pd.DataFrame) -> pd.Series:
    """Bits per pixel by codec and point, second ladders left out."""
    of_streams = (scores["head"] == "") & (scores["part"] == "") & (scores["ladder"] == "")
    return scores[of_streams & (scores["metric"] == "bpp")].set_index(["codec", "point"])["value"]


def curves(results: Results, path: Path) -> None:
    """Draw bpp (log axis) against each head's main score, a panel a head and route, with the score of the uncompressed
    images as a ceiling; writes .png and .pdf.

    A head's main score is the first of ``results.columns`` that it has; scores that were added to the task's own have
    panels beside it. path: without its ending.
    """
    naming = Naming.of(results)
    shown = dict.fromkeys(drawn(results.scores, results.columns, results.added)["codec"])
    styles = styles_named({label: naming.label(label) for label in shown})
    results = naming.results(results)
    panels = max(len(_views(drawn(results.scores, results.columns, results.added))), 1)
    across = 2 if panels == 4 else min(panels, _MAX_ACROSS)  # four stand in a square
    with figure(
        results, width=4.6 * across + 1.2, across=across, font_size=9, legend="right", styles=styles
    ) as plotted:
        save_both(plotted, path)


@contextmanager
def figure(
    results: Results,
    columns: Sequence[str] = (),
    *,
    width: float = DOUBLE,
    across: int = 2,
    font_size: float = 8,
    legend: Literal["right", "below"] = "below",
    styles: Mapping[str, Style] | None = None,
    overlays: Sequence[Overlay] = (),
) -> Iterator[Any]:
    """A figure of one run, a panel a head and route, ``across`` of them side by side; closed on leaving.

    columns: the scores to draw, by default those of the results; each head shows the first that it has, and panels
    share their scale where all show the same score. width: inches.
    """
    plt = pyplot()
    columns = columns or results.columns
    scored = drawn(results.scores, columns, results.added)
    views, same_score = _views(scored), scored["metric"].nunique() <= 1
    across = min(across, max(len(views), 1))
    rows = -(-max(len(views), 1) // across)
    styles = styles or styles_of(scored["codec"])
    settings = SETTINGS | {"font.size": font_size, "legend.fontsize": font_size - 1 if legend == "below" else font_size}
    with plt.rc_context(settings):
        height = 3.8 * rows if legend == "right" else 0.72 * width / across * rows + 0.3
        plotted, grid = plt.subplots(
            rows, across, figsize=(width, height), sharey=same_score, squeeze=False, layout="constrained"
        )
        try:
            axes = list(grid.flat)
            shown = axes[: max(len(views), 1)]
            for axis, (head, route, metric) in zip(axes, views, strict=False):
                of_reader = (scored["head"] == head) & (scored["route"] == route)
                of_view, facts = scored[of_reader & (scored["metric"] == metric)], results.facts_of(metric)
                of_score = [overlay for overlay in overlays if overlay.metric == metric]
                panel(axis, of_view, facts, rates(results.scores), styles, of_score)
                if not same_score or axis is axes[0]:
                    axis.set_ylabel(readable(axis_label(facts)))
                title = head + (f", {domain_of(route)}" if route == "latent" else "")
                axis.set_title(textwrap.fill(readable(title), max(int(width / across * 11), 12)), fontsize=font_size)
            _share_rate_range(axes[: len(views)])
            for axis in axes[len(shown) :]:
                axis.remove()
            if not views:
                axes[0].set_ylabel(readable(axis_label(results.facts_of(columns[0]))))
            _legend(plotted, shown, legend, width)
            if views and legend == "right":
                plotted.suptitle(readable(where(results.scores)), fontsize=font_size)
            yield plotted
        finally:
            plt.close(plotted)


def where(scores: pd.DataFrame) -> str:
    """What was measured on what: task, data set, split and number of images."""
    row = scores.iloc[-1]
    part = split_and_images(row["split"], f"{row['images']} images")
    return f"{row['task']} on {row['dataset']} {part}"


def _views(scored: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The heads that are drawn, each with its route and score, a head's scores side by side."""
    readers = list(dict.fromkeys(zip(scored["head"], scored["route"], strict=True)))
    views = dict.fromkeys(zip(scored["head"], scored["route"], scored["metric"], strict=True))
    return sorted(views, key=lambda view: readers.index(view[:2]))


def _legend(plotted: Any, axes: Sequence[Any], place: str, width: float) -> None:
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if not handles:
        return
    if place == "right":
        plotted.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False)
        return
    columns = _legend_columns([len(name) for name in handles], width * _LETTERS_PER_INCH)
    rows = -(-len(handles) // columns)
    plotted.set_figheight(plotted.get_figheight() + 0.15 * rows)
    plotted.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        frameon=False,
        ncols=columns,
        columnspacing=1.2,
        handlelength=2.4,
        labelspacing=0.3,
    )


def _legend_columns(lengths: Sequence[int], room: float) -> int:
    """The most columns of a legend that fit, names filling one column after the other. lengths, room: in letters."""
    for columns in range(len(lengths), 1, -1):
        parts = np.array_split(np.array(lengths), columns)  # as matplotlib fills them
        if sum(int(part.max()) + 8 for part in parts) <= room:  # the line before a name is as wide as eight letters
            return columns
    return 1


def _share_rate_range(axes: Sequence[Any]) -> None:
    """Give all panels one range of rates, so that points above each other can be compared."""
    ranges = [axis.get_xlim() for axis in axes if np.isfinite(axis.dataLim.intervalx).all()]
    for axis in axes if ranges else ():
        axis.set_xlim(min(low for low, _ in ranges), max(high for _, high in ranges))


def panel(
    axis: Any,
    scored: pd.DataFrame,
    facts: MetricFacts,
    rate: pd.Series,
    styles: Mapping[str, Style],
    overlays: Sequence[Overlay] = (),
    *,
    fits: bool = True,
) -> None:
    """Draw rate against one score of each codec, as ``facts`` say that people read it.

    scored: rows of that score. rate: as ``rates`` gives it. overlays: published curves of that score. fits: draw,
    dotted, the monotone fit of a curve that dips.
    A codec of a single point without a name is lossless: its score is a horizontal line, left out where it is infinite,
    as PSNR is.
    """
    for codec, group in scored.groupby("codec", sort=False):
        points = sorted(
            CurvePoint(float(rate.get((codec, row.point), math.nan)), float(row.value), float(row.low), float(row.high))
            for row in group.itertuples()
        )
        if list(group["point"]) == [""]:
            _draw_ceiling(axis, str(codec), facts.factor * points[0].score)
        else:
            _draw_curve(axis, str(codec), points, facts, styles[str(codec)], fits=fits)
    for overlay in overlays:
        axis.plot(
            [bpp for bpp, _ in overlay.points],
            [facts.factor * score for _, score in overlay.points],
            color=_GREY,
            marker=MARKERS[overlay.number % len(MARKERS)],
            markerfacecolor="white",
            markersize=4,
            linewidth=0.8,
            label=readable(PUBLISHED + overlay.name),
        )
    _rate_axis(axis)
    _limit_scores(axis, facts)


def _draw_ceiling(axis: Any, codec: str, score: float) -> None:
    if math.isfinite(score):
        label = readable(f"{codec}, lossless")
        axis.axhline(score, color=_CEILING, linestyle="--", linewidth=1, label=label, clip_on=False)


def _draw_curve(
    axis: Any, codec: str, points: Sequence[CurvePoint], facts: MetricFacts, style: Style, *, fits: bool
) -> None:
    """One codec's points, the fit that replaces them where they dip, and the band of their intervals."""
    across = [point.bpp for point in points]
    axis.plot(
        across,
        [facts.factor * point.score for point in points],
        color=style.colour,
        marker=style.marker,
        linestyle=style.dashes,
        markersize=4,
        linewidth=1.2,
        label=readable(codec),
        clip_on=False,  # a marker on the bound of its score stays whole
    )
    fit = line([(point.bpp, facts.sign * point.score) for point in points], facts.bounds) if fits else ""
    if isinstance(fit, Line) and fit.fitted:
        fitted = facts.factor * facts.sign * fit.quality
        axis.plot(np.exp(fit.log_rate), fitted, color=style.colour, linestyle=":", linewidth=1)
    if not any(math.isnan(point.low) for point in points):
        low, high = ([facts.factor * end for end in ends] for ends in zip(*(p[2:] for p in points), strict=True))
        if len(points) == 1:  # a band of no width would not be seen
            axis.vlines(across, low, high, color=style.colour, linewidth=1)
        else:
            axis.fill_between(across, low, high, color=style.colour, alpha=0.13, linewidth=0)


def _rate_axis(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_xscale("log")
    low, high = axis.get_xlim()
    if high < _LEAST_RANGE * low:
        middle, half = math.sqrt(low * high), math.sqrt(_LEAST_RANGE)
        axis.set_xlim(middle / half, middle * half)
    axis.set_xlabel(f"{RATE_AXIS}, whole files")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.25, linewidth=0.6)


def _limit_scores(axis: Any, facts: MetricFacts) -> None:
    """Begin and end the axis of scores where the data does, within the bounds of the score."""
    low, high = axis.get_ylim()
    lowest, highest = facts.factor * facts.low, facts.factor * facts.high
    axis.set_ylim(max(low, lowest), min(high, highest), auto=True)  # a panel that shares this scale may reach further
