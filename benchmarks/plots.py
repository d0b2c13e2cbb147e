"""Rate-accuracy curves for a paper, from rows alone: colour-blind-safe, vector, fonts embedded; bands are 95 % intervals.

Where a curve dips, the monotone fit that stands in for it in Bjontegaard differences is dotted beside the raw points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.curves import Line, line
from benchmarks.scales import scale_of
from benchmarks.tables import TITLES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F3C8D", "#666666")
"""Okabe and Ito's palette (2008), then four that stay apart from it."""
MARKERS = "osD^vP*Xhd"
PANELS_ACROSS = 3


def curves(rows: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Draw bpp (log axis) against each head's main score, a panel a head, with the uncompressed ceiling; writes ``path`` as .png and .pdf.

    columns: the task's scores; a head's main one is the first of them that it has.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rate = rows[(rows["metric"] == "bpp") & (rows["head"] == "")].set_index(["codec", "point"])["value"]
    found = rows[rows["metric"].isin(columns) & (rows["part"] == "") & (rows["anchor"] == "") & (rows["status"] == "ok") & (rows["head"] != "")]
    heads = list(dict.fromkeys(found["head"]))
    mains = {head: next(c for c in columns if (found["metric"][found["head"] == head] == c).any()) for head in heads}
    across = min(max(len(heads), 1), PANELS_ACROSS)
    down = -(-max(len(heads), 1) // across)
    settings: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42, "svg.fonttype": "none"}
    with plt.rc_context(settings):
        figure, axes = plt.subplots(
            down,
            across,
            figsize=(4.6 * across + 1.2, 3.8 * down),
            sharey=len(set(mains.values())) <= 1,
            squeeze=False,
            layout="constrained",
        )
        styles: dict[str, tuple[str, str]] = dict(
            zip(dict.fromkeys(found["codec"]), itertools.cycle(zip(COLOURS, MARKERS, strict=True)), strict=False)
        )
        for axis, head in zip(axes.flat, heads, strict=False):
            _panel(axis, found[(found["head"] == head) & (found["metric"] == mains[head])], rate, styles)
            axis.set_title(f"{head}", fontsize=9)
            if axis is axes[0][0] or len(set(mains.values())) > 1:
                axis.set_ylabel(_axis_title(mains[head]))
        for axis in axes.flat[len(heads) :]:
            axis.set_visible(False)
        handles, labels = axes[0][0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside right center", frameon=False)
        if heads:
            last = rows.iloc[-1]
            figure.suptitle(f"{last['task']} on {last['dataset']} ({last['split']}, {last['images']} images)", fontsize=9)
        for ending, extra in ((".png", {"dpi": 160}), (".pdf", {"metadata": {"CreationDate": None}})):
            part = path.with_name(path.name + ".part" + ending)
            figure.savefig(part, **extra)
            part.replace(path.with_suffix(ending))
        plt.close(figure)


def _axis_title(metric: str) -> str:
    title = TITLES.get(metric, metric)
    scale = scale_of(metric)
    return f"{title} (%)" if scale.percent else title + (" (less is better)" if scale.sign < 0 else "")


def _panel(axis: Any, found: pd.DataFrame, rate: pd.Series, styles: dict[str, tuple[str, str]]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    scale = scale_of(str(found["metric"].iloc[0]))
    times = 100 if scale.percent else 1
    for codec, group in found.groupby("codec", sort=False):
        bpp = (float(rate.get((codec, point), float("nan"))) for point in group["point"])
        points = sorted((r, times * row.value, times * row.low, times * row.high) for r, row in zip(bpp, group.itertuples(), strict=True))
        if list(group["point"]) == [""]:
            if math.isfinite(points[0][1]):
                axis.axhline(points[0][1], color="#444444", linestyle="--", linewidth=1, label=f"{codec}, no loss")
            continue
        colour, marker = styles[str(codec)]
        rates, values, low, high = (list(numbers) for numbers in zip(*points, strict=True))
        axis.plot(rates, values, color=colour, marker=marker, markersize=4, linewidth=1.3, label=str(codec))
        stands_in = line(list(zip(rates, (scale.sign * v / times for v in values), strict=True)), scale.bounds)
        if isinstance(stands_in, Line) and stands_in.fitted:
            axis.plot(np.exp(stands_in.log_rate), times * scale.sign * stands_in.quality, color=colour, linestyle=":", linewidth=1)
        if not any(map(math.isnan, low)):
            axis.fill_between(rates, low, high, color=colour, alpha=0.13, linewidth=0)
    axis.set_xscale("log")
    axis.set_xlabel("rate (bit per pixel, whole files)")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.25, linewidth=0.6)
    if scale.unit == "1" and scale.percent:
        axis.set_ylim(bottom=0)
