"""Rate-accuracy curves for a paper, from rows alone: colour-blind-safe, vector, fonts embedded; bands are 95 % intervals.

Where a curve dips, the monotone fit that stands in for it in Bjontegaard differences is dotted beside the raw points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.curves import Line, line
from benchmarks.tables import TITLES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F3C8D", "#666666")
"""Okabe and Ito's palette (2008), then four that stay apart from it."""
MARKERS = "osD^vP*Xhd"
SETTINGS: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42, "svg.fonttype": "none"}


def curves(rows: pd.DataFrame, metric: str, path: Path) -> None:
    """Draw bpp (log axis) against ``metric``, a panel a head, with the uncompressed ceiling; writes ``path`` as .png and .pdf."""
    plt = pyplot()
    rate = rates(rows)
    found = rows[(rows["metric"] == metric) & (rows["part"] == "") & (rows["anchor"] == "") & (rows["status"] == "ok") & (rows["head"] != "")]
    heads = list(dict.fromkeys(found["head"]))
    with plt.rc_context(SETTINGS):
        figure, axes = plt.subplots(
            1, max(len(heads), 1), figsize=(4.6 * max(len(heads), 1) + 1.2, 3.8), sharey=True, squeeze=False, layout="constrained"
        )
        codecs = styles(found["codec"])
        for axis, head in zip(axes[0], heads, strict=False):
            panel(axis, found[found["head"] == head], rate, codecs)
            axis.set_title(f"{head}", fontsize=9)
        axes[0][0].set_ylabel(f"{TITLES.get(metric, metric)} (%)")
        handles, labels = axes[0][0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside right center", frameon=False)
        if heads:
            last = rows.iloc[-1]
            figure.suptitle(f"{last['task']} on {last['dataset']} ({last['split']}, {last['images']} images)", fontsize=9)
        save(figure, path)


def pyplot() -> Any:
    """Matplotlib's pyplot, set to draw into files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def rates(rows: pd.DataFrame) -> pd.Series:
    """Bits per pixel by codec and point."""
    return rows[(rows["metric"] == "bpp") & (rows["head"] == "")].set_index(["codec", "point"])["value"]


def styles(codecs: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each codec, in the order they come; the same in every figure of a run."""
    return dict(zip(dict.fromkeys(codecs), itertools.cycle(zip(COLOURS, MARKERS, strict=True)), strict=False))


def save(figure: Any, path: Path) -> None:
    """Write ``path`` as .png and .pdf, each whole or not at all, and close the figure."""
    for ending, extra in ((".png", {"dpi": 160}), (".pdf", {"metadata": {"CreationDate": None}})):
        part = path.with_name(path.name + ".part" + ending)
        figure.savefig(part, **extra)
        part.replace(path.with_name(path.name + ending))
    pyplot().close(figure)


def panel(axis: Any, found: pd.DataFrame, rate: pd.Series, styles: dict[str, tuple[str, str]], *, fits: bool = True) -> None:
    """Rate against one score, in percent, of each codec. fits: dotted, what stands for a curve that dips in Bjontegaard differences."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for codec, group in found.groupby("codec", sort=False):
        points = sorted((float(rate.get((codec, r.point), float("nan"))), 100 * r.value, 100 * r.low, 100 * r.high) for r in group.itertuples())
        if list(group["point"]) == [""]:
            axis.axhline(points[0][1], color="#444444", linestyle="--", linewidth=1, label=f"{codec}, no loss")
            continue
        colour, marker = styles[str(codec)]
        across, values, low, high = (list(numbers) for numbers in zip(*points, strict=True))
        axis.plot(across, values, color=colour, marker=marker, markersize=4, linewidth=1.3, label=str(codec))
        stands_in = line(list(zip(across, (v / 100 for v in values), strict=True)), (0, 1)) if fits else ""
        if isinstance(stands_in, Line) and stands_in.fitted:
            axis.plot(np.exp(stands_in.log_rate), 100 * stands_in.quality, color=colour, linestyle=":", linewidth=1)
        if not any(map(math.isnan, low)):
            axis.fill_between(across, low, high, color=colour, alpha=0.13, linewidth=0)
    axis.set_xscale("log")
    axis.set_xlabel("rate (bit per pixel, whole files)")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_ylim(bottom=0)
