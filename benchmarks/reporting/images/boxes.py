"""A contact sheet of images with the boxes that a head predicts: one row a scene, one column a codec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import Scene, Tile
from benchmarks.reporting.figures.codec_styles import COLOURS
from benchmarks.reporting.figures.figure_files import TEXT, pyplot, readable
from benchmarks.reporting.images.sheet_layout import close_layout, save_sheet, show_image
from downstream.api import Detections, Masks
from downstream.ops.masks import unpack

_BRIGHT = ("#FFD60A", "#FF453A", "#32D7FF", "#30D158", "#FF5FD2", *COLOURS)
"""Five colours that stand out on streets, then those of the curves."""
_TILE = 2.4  # inches
_MAX_ALL_LISTED, _MAX_LISTED = 8, 24
"""Up to 8 classes are all listed in the legend; a legend never lists more than 24."""


def draw(scenes: Sequence[Scene], classes: Sequence[str], score: float, path: Path) -> None:
    """Write scenes as one sheet, in a format that matplotlib writes.

    score: boxes of a lower score are left out. Masks are drawn where the predictions have some.
    """
    from matplotlib.lines import Line2D

    rows = [scene.tiles for scene in scenes]
    height, width = rows[0][0].image.shape[:2]
    size = (_TILE * len(rows[0]), (_TILE * height / width + 0.22) * len(rows) + 0.45)
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout=close_layout())
        for line, row in zip(axes, rows, strict=True):
            for axis, tile in zip(line, row, strict=True):
                _draw_tile(axis, tile, score)
        for axis, tile in zip(axes[0], rows[0], strict=True):
            axis.set_title(readable(tile.column), fontsize=9)
        labels = _listed(rows, len(classes), score)
        marks = [Line2D([], [], color=_colour(label), label=readable(classes[label])) for label in labels]
        figure.legend(
            handles=marks,
            loc="outside lower center",
            ncols=min(max(len(marks), 1), 2 * len(rows[0])),
            frameon=False,
            title=f"boxes of score {score:g} and above",
        )
        save_sheet(figure, path)


def _listed(rows: Sequence[Sequence[Tile]], classes: int, score: float) -> list[int]:
    """The classes that the legend lists: all of a few; of many, those that are predicted anywhere."""
    if classes <= _MAX_ALL_LISTED:
        return list(range(classes))
    predicted: set[int] = set()
    for tile in (tile for row in rows for tile in row):
        if isinstance(tile.prediction, Detections):
            predicted.update(tile.prediction.labels[tile.prediction.scores >= score].tolist())
    return sorted(predicted)[:_MAX_LISTED]


def _draw_tile(axis: Any, tile: Tile, score: float) -> None:
    from matplotlib.patches import Rectangle

    show_image(axis, tile)
    detections = tile.prediction
    assert isinstance(detections, Detections)
    kept = detections.scores >= score
    if detections.masks is not None:
        _shade(axis, detections.masks.kept(kept), detections.labels[kept])
    for (left, top, right, bottom), label in zip(detections.boxes_xyxy[kept], detections.labels[kept], strict=True):
        box = Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=0.9, edgecolor=_colour(label))
        axis.add_patch(box)


def _shade(axis: Any, masks: Masks, labels: npt.NDArray[np.int64]) -> None:
    """Colour the pixels of each mask over the image."""
    from matplotlib.colors import to_rgb

    layer = np.zeros((*masks.image_hw, 4))
    for mask, label in zip(unpack(masks), labels, strict=True):
        layer[mask] = (*to_rgb(_colour(label)), 0.45)
    axis.imshow(layer, interpolation="nearest")


def _colour(label: int) -> str:
    return _BRIGHT[int(label) % len(_BRIGHT)]
