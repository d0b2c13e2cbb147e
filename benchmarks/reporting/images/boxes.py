"""A sheet of images with the boxes that a head finds: one row a scene, one column a codec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import Scene, Tile
from benchmarks.reporting.figures.rate_curves import COLOURS, TEXT, pyplot, readable, save
from downstream.api import Detections, Masks
from downstream.ops.masks import unpack

_BRIGHT = ("#FFD60A", "#FF453A", "#32D7FF", "#30D158", "#FF5FD2", *COLOURS)
"""Five that show on streets, then those of the curves."""
_TILE = 2.4  # inches
_FEW, _MOST = 8, 24
"""So many classes are named whether they are seen or not; no legend names more."""


def draw(scenes: Sequence[Scene], classes: Sequence[str], score: float, path: Path) -> None:
    """Write scenes as one picture of a kind matplotlib writes. score: boxes below it are left out; masks are drawn
    where there are some.
    """
    from matplotlib.lines import Line2D

    rows = [scene.tiles for scene in scenes]
    height, width = rows[0][0].image.shape[:2]
    size = (_TILE * len(rows[0]), (_TILE * height / width + 0.22) * len(rows) + 0.45)
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout=close_layout())
        for line, row in zip(axes, rows, strict=True):
            for axis, one in zip(line, row, strict=True):
                _show(axis, one, score)
        for axis, one in zip(axes[0], rows[0], strict=True):
            axis.set_title(readable(one.column), fontsize=9)
        marks = [
            Line2D([], [], color=_colour(i), label=readable(classes[i])) for i in _named(rows, len(classes), score)
        ]
        ncols = min(max(len(marks), 1), 2 * len(rows[0]))
        figure.legend(
            handles=marks,
            loc="outside lower center",
            ncols=ncols,
            frameon=False,
            title=f"boxes of score {score:g} and above",
        )
        save_sheet(figure, path)


def _named(rows: Sequence[Sequence[Tile]], classes: int, score: float) -> list[int]:
    """The classes that the legend names: all of a few, of many those that are seen."""
    if classes <= _FEW:
        return list(range(classes))
    predictions = (one.prediction for row in rows for one in row)
    seen = {
        int(label)
        for found in predictions
        if isinstance(found, Detections)
        for label in found.labels[found.scores >= score]
    }
    return sorted(seen)[:_MOST]


def close_layout() -> Any:
    """A layout whose pictures stand close."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.05, wspace=0, hspace=0)


def save_sheet(figure: Any, path: Path) -> None:
    """Write a figure in the format its name says, whole or not at all, and close it."""
    try:
        save(figure, path, dpi=160)
    finally:
        pyplot().close(figure)


def show_image(axis: Any, one: Tile) -> None:
    """A tile's picture, and below it its point, bytes and rate."""
    axis.imshow(one.image, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    bpp = 8 * one.size_bytes / (one.image.shape[0] * one.image.shape[1])
    axis.set_xlabel(
        f"{readable(one.point)}   {one.size_bytes} bytes, {bpp:.3f} bpp" if one.size_bytes else " ",
        fontsize=7,
        labelpad=2,
    )


def _show(axis: Any, one: Tile, score: float) -> None:
    from matplotlib.patches import Rectangle

    show_image(axis, one)
    found = one.prediction
    assert isinstance(found, Detections)
    sure = found.scores >= score
    if found.masks is not None:
        _shade(axis, found.masks.kept(sure), found.labels[sure])
    for (left, top, right, bottom), label in zip(found.boxes_xyxy[sure], found.labels[sure], strict=True):
        axis.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=0.9, edgecolor=_colour(int(label)))
        )


def _shade(axis: Any, masks: Masks, labels: np.ndarray[Any, Any]) -> None:
    from matplotlib.colors import to_rgb

    layer = np.zeros((*masks.image_hw, 4))
    for drawn, label in zip(unpack(masks), labels, strict=True):
        layer[drawn] = (*to_rgb(_colour(int(label))), 0.45)
    axis.imshow(layer, interpolation="nearest")


def _colour(label: int) -> str:
    return _BRIGHT[label % len(_BRIGHT)]
