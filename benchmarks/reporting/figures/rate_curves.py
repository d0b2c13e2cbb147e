"""Rate-accuracy curves for a paper, from rows alone: colour-blind-safe, vector, fonts embedded; bands are 95 %
intervals.

A codec is told by colour, marker and dashes, so that the curves stay apart in grey too. Where a curve dips, the
monotone fit that stands in for it in Bjontegaard differences is dotted beside the raw points. What others have
published is drawn hollow and grey, and named so.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.stats.bjontegaard import Line, line
from benchmarks.stats.metric_facts import TITLES, scale_of
from hsc.files.atomic_files import replacing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F3C8D", "#666666")
"""Okabe and Ito's palette (2008), then four that stay apart from it."""
MARKERS = "osD^vP*Xhd"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
"""None of them the dots of a fit. Three, so that beyond ten codecs colour and marker come again with other dashes."""
SINGLE, DOUBLE = 3.35, 7.0
"""Widths in inches of one column and of two in most journals."""
PUBLISHED = "published: "
"""How the name of a curve begins that others have measured on other data."""

TEXT: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False, "pdf.fonttype": 42}
"""Of everything drawn: names that people give, of classes, pictures and settings, are text and never formulas."""

SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "svg.fonttype": "none",
    **TEXT,
}
"""Of all figures of curves; letters stay letters."""

_ACROSS = 3
_GREY = "#777777"
_LETTERS_AN_INCH = 19.0


class Style(NamedTuple):
    """How a codec is drawn, in all panels and all figures alike."""

    colour: str
    marker: str
    dashes: Any


class Overlay(NamedTuple):
    """A curve that others have published. points: (bits per pixel, score as in rows)."""

    name: str
    points: tuple[tuple[float, float], ...]


def styles_of(codecs: Iterable[str]) -> dict[str, Style]:
    """A style for each codec, by its place among all that are drawn; thirty before any comes again."""
    return {
        codec: Style(COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)], DASHES[n % len(DASHES)])
        for n, codec in enumerate(dict.fromkeys(codecs))
    }


def drawn(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The rows whose values are drawn: of each head and route the first of ``columns`` that it has, at operating
    points.
    """
    whole = (rows["part"] == "") & (rows["anchor"] == "") & (rows["status"] == "ok") & (rows["head"] != "")
    found = rows[rows["metric"].isin(list(columns)) & whole]
    place = found["metric"].map(list(columns).index)
    return found[place == place.groupby([found["head"], found["route"]]).transform("min")]


def curves(rows: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Draw bpp (log axis) against each head's main score, a panel a head and route, with the uncompressed ceiling;
    writes .png and .pdf.

    columns: the task's scores; a head's main one is the first of them that it has. path: without its ending.
    """
    panels = max(len(_views(drawn(rows, columns))), 1)
    across = 2 if panels == 4 else min(panels, _ACROSS)  # four stand in a square
    with figure(rows, columns, width=4.6 * across + 1.2, across=across, font_size=9, legend="right") as made:
        save_both(made, path)


def pyplot() -> Any:
    """Matplotlib's pyplot, set to draw into files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


_LAID_OUT_ONLY: ContextVar[bool] = ContextVar("laid out only", default=False)


@contextmanager
def laid_out_only() -> Iterator[None]:
    """Within it figures are made and laid out, all their text too, and nothing is written: a rehearsal."""
    token = _LAID_OUT_ONLY.set(True)
    try:
        yield
    finally:
        _LAID_OUT_ONLY.reset(token)


def save_both(made: Any, path: Path) -> None:
    """Write ``path`` as .png, in 256 colours, and .pdf and close the figure."""
    from PIL import Image

    if _LAID_OUT_ONLY.get():
        made.set_layout_engine("none")
        made.draw_without_rendering()
        pyplot().close(made)
        return
    canvas = io.BytesIO()
    made.savefig(canvas, format="png", dpi=160)
    made.set_layout_engine("none")  # places are found once, which is most of the work
    with (
        replacing(path.with_name(f"{path.name}.png")) as part,
        Image.open(canvas) as pixels,
    ):  # a third of the size, and no eye tells
        pixels.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(part, "PNG", optimize=True)
    save(made, path.with_name(f"{path.name}.pdf"))
    pyplot().close(made)


def save(made: Any, path: Path, **extra: Any) -> None:
    """Write a figure, whole or not at all; the same figure gives the same PDF."""
    if path.suffix == ".pdf":
        extra |= {"metadata": {"CreationDate": None}}
    if path.suffix in (".jpg", ".jpeg"):  # sheets are kept in the tree, which has little room
        extra |= {"pil_kwargs": {"quality": 70, "optimize": True, "progressive": True}}
    with replacing(path) as part:
        made.savefig(part, **extra)


@contextmanager
def figure(
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    width: float = DOUBLE,
    across: int = 2,
    font_size: float = 8,
    legend: Literal["right", "below"] = "below",
    styles: Mapping[str, Style] | None = None,
    overlays: Sequence[Overlay] = (),
) -> Iterator[Any]:
    """A figure of one run, a panel a head and route, ``across`` of them side by side; closed on leaving.

    columns: the task's scores, as in ``curves``; panels share their scale where all show the same. width: inches.
    """
    plt = pyplot()
    found = drawn(rows, columns)
    views, alike = _views(found), found["metric"].nunique() <= 1
    across = min(across, max(len(views), 1))
    lines = -(-max(len(views), 1) // across)
    styles = styles or styles_of(found["codec"])
    settings = SETTINGS | {"font.size": font_size, "legend.fontsize": font_size - 1 if legend == "below" else font_size}
    with plt.rc_context(settings):
        height = 3.8 * lines if legend == "right" else 0.72 * width / across * lines + 0.3
        made, axes = plt.subplots(
            lines, across, figsize=(width, height), sharey=alike, squeeze=False, layout="constrained"
        )
        try:
            for axis, (head, route) in zip(axes.flat, views, strict=False):
                mine = found[(found["head"] == head) & (found["route"] == route)]
                panel(axis, mine, rates(rows), styles, overlays)
                if not alike or axis is axes[0][0]:
                    axis.set_ylabel(_axis_name(str(mine["metric"].iloc[0])))
                title = head + (", on latents" if route == "latent" else "")
                axis.set_title(textwrap.fill(readable(title), max(int(width / across * 11), 12)), fontsize=font_size)
            _same_rates(list(axes.flat)[: len(views)])
            for axis in list(axes.flat)[max(len(views), 1) :]:
                axis.remove()
            if not views:
                axes[0][0].set_ylabel(_axis_name(columns[0]))
            _legend(made, list(axes.flat)[: max(len(views), 1)], legend, width)
            if views and legend == "right":
                last = rows.iloc[-1]
                made.suptitle(
                    readable(f"{last['task']} on {last['dataset']} ({last['split']}, {last['images']} images)"),
                    fontsize=font_size,
                )
            yield made
        finally:
            plt.close(made)


def readable(text: str) -> str:
    """Text for a figure of the settings ``TEXT``: letters that the font does not have as their numbers; legends would
    leave out a first "_".

    >>> readable("fast_$1$ 東"), readable("_void_")
    ('fast_$1$ (U+6771)', ' _void_')
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    shown = "".join(c if font.get_char_index(ord(c)) else f"(U+{ord(c):04X})" for c in text)
    return f" {shown}" if shown.startswith("_") else shown


def _views(found: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(found["head"], found["route"], strict=True)))


def rates(rows: pd.DataFrame) -> pd.Series:
    """Bits per pixel by codec and point."""
    found = rows[(rows["metric"] == "bpp") & (rows["head"] == "") & (rows["part"] == "")]
    return found.set_index(["codec", "point"])["value"]


def _axis_name(metric: str) -> str:
    scale, title = scale_of(metric), TITLES.get(metric, metric)
    unit = "%" if scale.percent else "" if scale.unit == "1" or scale.unit in title else scale.unit
    return title + (f" ({unit})" if unit else "") + (" (less is better)" if scale.sign < 0 else "")


def _legend(made: Any, axes: Sequence[Any], legend: str, width: float) -> None:
    named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if not named:
        return
    if legend == "right":
        made.legend(named.values(), named.keys(), loc="outside right center", frameon=False)
        return
    columns = _columns([len(name) for name in named], width * _LETTERS_AN_INCH)
    lines = -(-len(named) // columns)
    made.set_figheight(made.get_figheight() + 0.15 * lines)
    made.legend(
        named.values(),
        named.keys(),
        loc="outside lower center",
        frameon=False,
        ncols=columns,
        columnspacing=1.2,
        handlelength=2.4,
        labelspacing=0.3,
    )


def _columns(lengths: Sequence[int], room: float) -> int:
    """The most columns of a legend that fit, names going down one column after the other. lengths, room: letters."""
    for columns in range(len(lengths), 1, -1):
        parts = np.array_split(np.array(lengths), columns)  # as matplotlib fills them
        if sum(int(part.max()) + 8 for part in parts) <= room:  # the line before a name is as wide as eight letters
            return columns
    return 1


def _same_rates(axes: Sequence[Any]) -> None:
    """One range of rates for all panels, so that what stands above what can be compared."""
    ends = [axis.get_xlim() for axis in axes if np.isfinite(axis.dataLim.intervalx).all()]
    for axis in axes if ends else ():
        axis.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))


def panel(
    axis: Any,
    found: pd.DataFrame,
    rate: pd.Series,
    styles: Mapping[str, Style],
    overlays: Sequence[Overlay] = (),
    *,
    fits: bool = True,
) -> None:
    """Rate against one score, in percent where it is a share, of each codec. fits: dotted, what stands for a curve that
    dips in differences.

    Without loss a score may have no end, as PSNR has none; then there is no ceiling to draw.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    scale = scale_of(str(found["metric"].iloc[0]))
    times = 100 if scale.percent else 1
    for codec, group in found.groupby("codec", sort=False):
        points = sorted(
            (float(rate.get((codec, r.point), float("nan"))), times * r.value, times * r.low, times * r.high)
            for r in group.itertuples()
        )
        if list(group["point"]) == [""]:
            if math.isfinite(points[0][1]):
                axis.axhline(
                    points[0][1], color="#444444", linestyle="--", linewidth=1, label=readable(f"{codec}, no loss")
                )
            continue
        style = styles[str(codec)]
        across, values, low, high = (list(numbers) for numbers in zip(*points, strict=True))
        axis.plot(
            across,
            values,
            color=style.colour,
            marker=style.marker,
            linestyle=style.dashes,
            markersize=4,
            linewidth=1.2,
            label=readable(str(codec)),
        )
        stands_in = (
            line(list(zip(across, (scale.sign * v / times for v in values), strict=True)), scale.bounds) if fits else ""
        )
        if isinstance(stands_in, Line) and stands_in.fitted:
            axis.plot(
                np.exp(stands_in.log_rate),
                times * scale.sign * stands_in.quality,
                color=style.colour,
                linestyle=":",
                linewidth=1,
            )
        if not any(map(math.isnan, low)):
            axis.fill_between(across, low, high, color=style.colour, alpha=0.13, linewidth=0)
    for number, one in enumerate(overlays):
        across, values = ([p[0] for p in one.points], [times * p[1] for p in one.points])
        marker = MARKERS[number % len(MARKERS)]
        axis.plot(
            across,
            values,
            color=_GREY,
            marker=marker,
            markerfacecolor="white",
            markersize=4,
            linewidth=0.8,
            label=readable(PUBLISHED + one.name),
        )
    axis.set_xscale("log")
    axis.set_xlabel("rate (bit per pixel, whole files)")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.25, linewidth=0.6)
    if scale.percent:
        axis.set_ylim(bottom=0, auto=True)  # a panel that shares this scale may reach higher
