"""How a codec changes a head's confusions, at one rate for all codecs: a figure, and its numbers.

    share(c, t, f)  = pixels of true class t predicted as f after codec c / labelled pixels of true class t
    change(c, t, f) = share(c, t, f) - share(original, t, f)                                 over the whole data set

Both are counted against the labels. So the diagonal shows the recall that the codec costs (below 0), and the other
cells of the same row show where those pixels went (above 0); a row sums to 0. A confusion of the prediction with the
prediction on the original would count pixels that the codec corrects like pixels that it spoils. Where there are no
labels, predictions on the originals stand in for them and both confusions are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.api import Counts
from benchmarks.reporting.figures.class_curves import MAX_CLASSES
from benchmarks.reporting.figures.figure_files import SETTINGS, pyplot, readable, save_both
from benchmarks.reporting.figures.rate_curves import rates, where
from benchmarks.runs.csv_cells import write_csv
from benchmarks.runs.display_names import Naming
from benchmarks.runs.domains import domain_of

Floats = npt.NDArray[np.float64]
NEAR = 1.2
"""Rates whose ratio is at most this are near enough to be compared; each panel shows its own rate."""
VOID_NAME = "void"
_COLUMNS = 4
_MIN_WRITTEN = 0.02
"""Changes of less than two points are coloured but not written."""


class Panel(NamedTuple):
    """One head's confusions after one codec, at its point nearest to the common rate, and their change."""

    counts: Counts
    bpp: float
    change: Floats


def common_rate(ladders: Mapping[str, Sequence[float]]) -> float:
    """The rate at which codecs are compared: the lowest of all points' rates that every codec has a point within a
    fifth of.

    Where there is none, the one whose farthest codec is nearest, by ratio. ladders: bits per pixel by codec.

    >>> common_rate({"a": [0.1, 0.2, 0.4], "b": [0.21, 0.4]}), common_rate({"a": [0.1], "b": [0.4], "c": [0.2]})
    (0.2, 0.2)
    """

    def farthest(rate: float) -> float:
        return max(min(_ratio(bpp, rate) for bpp in ladder) for ladder in ladders.values())

    candidates = sorted(rate for ladder in ladders.values() for rate in ladder)
    return next((rate for rate in candidates if farthest(rate) <= NEAR), None) or min(candidates, key=farthest)


def _ratio(rate: float, other: float) -> float:
    return max(rate / other, other / rate)


def shares(counted: npt.NDArray[np.int64]) -> Floats:
    """A confusion matrix (C, C + 1) over its row sums; NaN in the row of a class without a pixel."""
    pixels = counted.sum(1, keepdims=True).astype(np.float64)
    return np.divide(counted, pixels, out=np.full(counted.shape, np.nan), where=pixels > 0)


def panels(counts: Sequence[Counts], bpp_of: Mapping[tuple[str, str], float]) -> tuple[float, list[Panel]]:
    """The common rate, and the panel of each head and codec there. Heads that did not read the originals have none.

    bpp_of: bits per pixel by codec and point.
    """
    ladders: dict[str, list[float]] = {}
    for matrix in counts:
        if not matrix.original and (bpp := bpp_of.get((matrix.codec, matrix.point), math.nan)) > 0:
            ladders.setdefault(matrix.codec, []).append(bpp)
    if not ladders:
        return math.nan, []
    rate = common_rate(ladders)
    shown: list[Panel] = []
    for reader in dict.fromkeys((matrix.head, matrix.route) for matrix in counts):
        of_reader = [matrix for matrix in counts if (matrix.head, matrix.route) == reader]
        original = next((matrix for matrix in of_reader if matrix.original), None)
        if original is None:
            continue
        for codec in ladders:
            of_codec = [m for m in of_reader if m.codec == codec and bpp_of.get((codec, m.point), math.nan) > 0]
            by_rate = {bpp_of[codec, matrix.point]: matrix for matrix in of_codec}
            if by_rate:
                bpp = min(by_rate, key=lambda own: _ratio(own, rate))
                shown.append(Panel(by_rate[bpp], bpp, shares(by_rate[bpp].counted) - shares(original.counted)))
    return rate, shown


def draw(rate: float, shown: Sequence[Panel], title: str, path: Path) -> None:
    """Write the figure as .png and .pdf: a block a head and route, a panel a codec."""
    readers = list(dict.fromkeys((p.counts.head, p.counts.route) for p in shown))
    blocks = [[p for p in shown if (p.counts.head, p.counts.route) == reader] for reader in readers]
    across = min(max(2, *(len(block) for block in blocks)), _COLUMNS)
    rows = [-(-len(block) // across) for block in blocks]
    limit = max((float(np.nanmax(np.abs(p.change), initial=0)) for p in shown), default=0) or 1.0
    side = 1.1 + 0.2 * max(min(len(p.counts.classes), MAX_CLASSES) for p in shown)
    plt = pyplot()
    with plt.rc_context({**SETTINGS, "font.size": 7, "axes.spines.top": True, "axes.spines.right": True}):
        size = (across * side + 1, sum(rows) * (side + 0.25) + 0.4 * len(blocks) + 1.3)
        figure = plt.figure(figsize=size, layout="constrained")
        parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=rows)[:, 0]
        for part, block, (head, route) in zip(parts, blocks, readers, strict=True):
            part.suptitle(readable(f"{head}, {domain_of(route)}"), fontsize=9)
            axes = part.subplots(-(-len(block) // across), across, squeeze=False).ravel()
            for place, axis in enumerate(axes):
                axis.set_visible(place < len(block))
                if place < len(block):
                    image = _heat(axis, block[place], rate, limit, named=place % across == 0)
            bar = part.colorbar(image, ax=axes.tolist(), shrink=0.8, pad=0.01)
            bar.set_label("change in percent of the true class' pixels")
        figure.suptitle(
            f"{readable(title)}\n"
            f"confusion minus that on the uncompressed images, at the points nearest to {rate:.3g} bpp\n"
            "rows: true class; columns: predicted class\n"
            "below 0 on the diagonal: recall lost; above 0 beside it: where those pixels went",
            fontsize=9,
        )
        save_both(figure, path)


def _heat(axis: Any, shown: Panel, rate: float, limit: float, *, named: bool) -> Any:
    """Draw one panel; returns its image. named: write the true classes at its left."""
    from matplotlib.patches import Rectangle

    counts = shown.counts
    weights = counts.counted.sum(1)
    kept = sorted(np.argsort(-weights, kind="stable")[:MAX_CLASSES].tolist())
    change = 100 * shown.change[np.ix_(kept, [*kept, len(counts.classes)])]
    image = axis.imshow(change, cmap="RdBu_r", vmin=-100 * limit, vmax=100 * limit, aspect="auto")
    axis.set_facecolor("#DDDDDD")  # where a class has no pixel
    for place in range(len(kept)):
        axis.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor="#888888", linewidth=0.5))
    for row, column in np.argwhere(np.abs(np.nan_to_num(change)) >= 100 * _MIN_WRITTEN):
        value = change[row, column]
        colour = "white" if abs(value) > 60 * limit else "black"
        axis.text(column, row, f"{value:+.0f}", ha="center", va="center", fontsize=4.5, color=colour)
    names = [readable(counts.classes[k]) for k in kept]
    axis.set_xticks(range(len(kept) + 1), [*names, VOID_NAME], rotation=90, fontsize=6)
    axis.set_yticks(range(len(kept)), names if named else [], fontsize=6)
    axis.tick_params(length=0)
    far = "" if _ratio(shown.bpp, rate) <= NEAR else f", {shown.bpp / rate:.2g} times the rate"
    left_out = f", {len(kept)} of {len(counts.classes)} classes" if len(kept) < len(counts.classes) else ""
    title = f"{readable(f'{counts.codec} {counts.point}')}\n{shown.bpp:.3f} bpp{far}{left_out}"
    axis.set_title(title, fontsize=7)
    return image


def change_table(rate: float, shown: Iterable[Panel]) -> pd.DataFrame:
    """The figure's numbers, a line a true and a predicted class ("found"): the share of the true class' pixels, and its
    change from the originals, both 0 to 1.
    """
    lines = [
        {
            **_source(panel.counts, panel.bpp),
            "common_bpp": rate,
            "true": true,
            "found": name,
            "share": share,
            "change": change,
        }
        for panel in shown
        for true, row, changes in zip(panel.counts.classes, shares(panel.counts.counted), panel.change, strict=True)
        for name, share, change in zip((*panel.counts.classes, VOID_NAME), row, changes, strict=True)
    ]
    return pd.DataFrame(lines)


def count_table(counts: Iterable[Counts], bpp_of: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Every confusion matrix of a run: a line a head, route, codec, point and true class, a column a predicted class,
    in pixels.
    """
    lines = (
        {
            **_source(matrix, bpp_of.get((matrix.codec, matrix.point), math.nan)),
            "true": true,
            **dict(zip((*matrix.classes, VOID_NAME), row.tolist(), strict=True)),
        }
        for matrix in counts
        for true, row in zip(matrix.classes, matrix.counted, strict=True)
    )
    return pd.DataFrame(lines).convert_dtypes()  # whole numbers stay whole where heads know different classes


def _source(counts: Counts, bpp: float) -> dict[str, Any]:
    """The columns that say where a matrix comes from."""
    return {"head": counts.head, "route": counts.route, "codec": counts.codec, "point": counts.point, "bpp": bpp}


def _named(panel: Panel, naming: Naming) -> Panel:
    """A panel with its codec and head as people read them."""
    counts = panel.counts
    shown = replace(counts, codec=naming.label(counts.codec), head=naming.label(counts.head))
    return panel._replace(counts=shown)


def confusion_change(
    scores: pd.DataFrame, counts: Sequence[Counts], folder: Path, names: Mapping[str, str] | None = None
) -> None:
    """Write ``confusion.csv``, and where a codec can be compared with the originals ``confusion_change`` as .csv, .png
    and .pdf. scores: the columns of ``ScoreRow``. names: those that codecs and heads were given, by label; the CSV
    files keep the labels.
    """
    bpp_of = {(str(codec), str(point)): float(bpp) for (codec, point), bpp in rates(scores).items()}
    write_csv(folder / "confusion.csv", count_table(counts, bpp_of))
    rate, shown = panels(counts, bpp_of)
    if shown:
        write_csv(folder / "confusion_change.csv", change_table(rate, shown))
        naming = Naming((label for matrix in counts for label in (matrix.codec, matrix.head)), names)
        named = [_named(panel, naming) for panel in shown]
        draw(rate, named, where(scores), folder / "confusion_change")
