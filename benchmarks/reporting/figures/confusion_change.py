"""What a codec does to a head's confusions, at one rate for all codecs: a figure, and the numbers behind it.

    share(c, t, f)  = pixels of true class t found as f after codec c / labelled pixels of true class t       over the whole data set
    change(c, t, f) = share(c, t, f) - share(original, t, f)

Both are against the labels, so on the diagonal stands what recall the codec costs (below 0) and beside it, in the same
row, where those pixels went (above 0); a row sums to 0. A confusion of the prediction with the prediction on the
original would count what the codec sets right as it counts what it spoils; where there are no labels, predictions on
the originals stand in for them and the two are one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.api import Counts
from benchmarks.reporting.figures.class_curves import MOST
from benchmarks.reporting.figures.rate_curves import SETTINGS, pyplot, readable, save_both
from benchmarks.runs.csv_cells import write_csv

Floats = npt.NDArray[np.float64]
NEAR = 1.2
"""Two rates no farther apart than this, by ratio, are near enough to be compared; each is said."""
VOID_NAME = "void"
_COLUMNS = 4
_SAID = 0.02
"""Changes of less than two points are coloured but not written."""


class Panel(NamedTuple):
    """One head's confusions after one codec at its point nearest to the rate that all are compared at."""

    counts: Counts
    bpp: float
    change: Floats


def common_rate(ladders: Mapping[str, Sequence[float]]) -> float:
    """The rate at which codecs are compared: the lowest of all points' rates that every codec has a point within a
    fifth of.

    Where there is none, the one from which the farthest codec is least far, by ratio. ladders: bits per pixel by codec.

    >>> common_rate({"a": [0.1, 0.2, 0.4], "b": [0.21, 0.4]}), common_rate({"a": [0.1], "b": [0.4], "c": [0.2]})
    (0.2, 0.2)
    """

    def farthest(rate: float) -> float:
        return max(min(_ratio(one, rate) for one in ladder) for ladder in ladders.values())

    candidates = sorted(rate for ladder in ladders.values() for rate in ladder)
    return next((rate for rate in candidates if farthest(rate) <= NEAR), None) or min(candidates, key=farthest)


def _ratio(one: float, other: float) -> float:
    return max(one / other, other / one)


def shares(counted: npt.NDArray[np.int64]) -> Floats:
    """A confusion matrix (C, C + 1) over its row sums; NaN in the row of a class without a pixel."""
    pixels = counted.sum(1, keepdims=True).astype(np.float64)
    return np.divide(counted, pixels, out=np.full(counted.shape, np.nan), where=pixels > 0)


def panels(counts: Sequence[Counts], rates: Mapping[tuple[str, str], float]) -> tuple[float, list[Panel]]:
    """The rate, and each head's and codec's panel there. Heads that did not read the originals have none. rates: bpp by
    codec and point.
    """
    ladders: dict[str, list[float]] = {}
    for one in counts:
        if not one.original and (bpp := rates.get((one.codec, one.point), math.nan)) > 0:
            ladders.setdefault(one.codec, []).append(bpp)
    if not ladders:
        return math.nan, []
    rate, found = common_rate(ladders), []
    for reader in dict.fromkeys((one.head, one.route) for one in counts):
        mine = [one for one in counts if (one.head, one.route) == reader]
        original = next((one for one in mine if one.original), None)
        for codec in ladders if original is not None else ():
            points = {
                rates[codec, one.point]: one
                for one in mine
                if one.codec == codec and rates.get((codec, one.point), math.nan) > 0
            }
            if points and original is not None:
                bpp = min(points, key=lambda other: _ratio(other, rate))
                found.append(Panel(points[bpp], bpp, shares(points[bpp].counted) - shares(original.counted)))
    return rate, found


def draw(rate: float, found: Sequence[Panel], title: str, path: Path) -> None:
    """Write the figure as .png and .pdf: a block a head and route, a panel a codec."""
    readers = list(dict.fromkeys((one.counts.head, one.counts.route) for one in found))
    blocks = [[one for one in found if (one.counts.head, one.counts.route) == reader] for reader in readers]
    across = min(max(2, *(len(block) for block in blocks)), _COLUMNS)
    lines = [-(-len(block) // across) for block in blocks]
    limit = max((float(np.nanmax(np.abs(one.change), initial=0)) for one in found), default=0) or 1.0
    side = 1.1 + 0.2 * max(min(len(one.counts.classes), MOST) for one in found)
    plt = pyplot()
    with plt.rc_context({**SETTINGS, "font.size": 7, "axes.spines.top": True, "axes.spines.right": True}):
        figure = plt.figure(
            figsize=(across * side + 1, sum(lines) * (side + 0.25) + 0.4 * len(blocks) + 1.3), layout="constrained"
        )
        parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=lines)[:, 0]
        for part, block, (head, route) in zip(parts, blocks, readers, strict=True):
            part.suptitle(readable(f"{head}, {route} route"), fontsize=9)
            axes = part.subplots(-(-len(block) // across), across, squeeze=False).ravel()
            for place, axis in enumerate(axes):
                axis.set_visible(place < len(block))
                if place < len(block):
                    image = _heat(axis, block[place], rate, limit, named=place % across == 0)
            bar = part.colorbar(image, ax=axes.tolist(), shrink=0.8, pad=0.01)
            bar.set_label("points of the true class' pixels")
        figure.suptitle(
            f"{readable(title)}\nconfusion less that on the uncompressed images, at the points nearest to {rate:.3g} "
            f"bpp\n"
            "rows: true class; columns: found as\nbelow 0 on the diagonal: recall lost, above 0 beside it: where "
            "those pixels went",
            fontsize=9,
        )
        save_both(figure, path)


def _heat(axis: Any, one: Panel, rate: float, limit: float, *, named: bool) -> Any:
    from matplotlib.patches import Rectangle

    classes = one.counts.classes
    weights = one.counts.counted.sum(1)
    kept = sorted(np.argsort(-weights, kind="stable")[:MOST].tolist())
    change = 100 * one.change[np.ix_(kept, [*kept, len(classes)])]
    image = axis.imshow(change, cmap="RdBu_r", vmin=-100 * limit, vmax=100 * limit, aspect="auto")
    axis.set_facecolor("#DDDDDD")  # where a class has no pixel
    for place in range(len(kept)):
        axis.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor="#888888", linewidth=0.5))
    for row, column in np.argwhere(np.abs(np.nan_to_num(change)) >= 100 * _SAID):
        value = change[row, column]
        bright = abs(value) > 60 * limit
        axis.text(
            column, row, f"{value:+.0f}", ha="center", va="center", fontsize=4.5, color="white" if bright else "black"
        )
    names = [readable(classes[k]) for k in kept]
    axis.set_xticks(range(len(kept) + 1), [*names, VOID_NAME], rotation=90, fontsize=6)
    axis.set_yticks(range(len(kept)), names if named else [], fontsize=6)
    axis.tick_params(length=0)
    off = "" if _ratio(one.bpp, rate) <= NEAR else f", {one.bpp / rate:.2g} times the rate"
    left = f", {len(kept)} of {len(classes)} classes" if len(kept) < len(classes) else ""
    axis.set_title(f"{readable(f'{one.counts.codec} {one.counts.point}')}\n{one.bpp:.3f} bpp{off}{left}", fontsize=7)
    return image


def change_table(rate: float, found: Iterable[Panel]) -> pd.DataFrame:
    """The figure's numbers, one a line: true class, found class, its share of the true class' pixels, and the change
    against the original.
    """
    lines = [
        {
            **_where(one.counts, one.bpp),
            "common_bpp": rate,
            "true": true,
            "found": name,
            "share": share,
            "change": change,
        }
        for one in found
        for true, row, changes in zip(one.counts.classes, shares(one.counts.counted), one.change, strict=True)
        for name, share, change in zip((*one.counts.classes, VOID_NAME), row, changes, strict=True)
    ]
    return pd.DataFrame(lines)


def count_table(counts: Iterable[Counts], rates: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Every confusion matrix of a run: a line a head, route, codec, point and true class, a column for what its pixels
    were found as.
    """
    lines = (
        {
            **_where(one, rates.get((one.codec, one.point), math.nan)),
            "true": true,
            **dict(zip((*one.classes, VOID_NAME), row.tolist(), strict=True)),
        }
        for one in counts
        for true, row in zip(one.classes, one.counted, strict=True)
    )
    return pd.DataFrame(lines).convert_dtypes()  # whole numbers stay so where heads know different classes


def _where(one: Counts, bpp: float) -> dict[str, Any]:
    return {"head": one.head, "route": one.route, "codec": one.codec, "point": one.point, "bpp": bpp}


def confusion_change(rows: pd.DataFrame, counts: Sequence[Counts], folder: Path) -> None:
    """Write ``confusion.csv``, and where a codec can be held against the original ``confusion_change`` as .csv, .png
    and .pdf.
    """
    bpp = rows[(rows["metric"] == "bpp") & (rows["head"] == "") & (rows["part"] == "")]
    rates = {(str(r.codec), str(r.point)): float(r.value) for r in bpp.itertuples()}
    write_csv(folder / "confusion.csv", count_table(counts, rates))
    rate, found = panels(counts, rates)
    if found:
        last = rows.iloc[-1]
        write_csv(folder / "confusion_change.csv", change_table(rate, found))
        draw(
            rate,
            found,
            f"{last['task']} on {last['dataset']} ({last['split']}, {last['images']} images)",
            folder / "confusion_change",
        )
