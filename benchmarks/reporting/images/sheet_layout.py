"""The layout that contact sheets share: tiles close together, each with its operating point and bytes below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.api import Tile
from benchmarks.reporting.figures.figure_files import pyplot, readable, save


def close_layout() -> Any:
    """A layout that puts tiles close together."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.05, wspace=0, hspace=0)


def save_sheet(figure: Any, path: Path) -> None:
    """Write a figure in the format that its name ends in, whole or not at all, and close it."""
    try:
        save(figure, path, dpi=160)
    finally:
        pyplot().close(figure)


def show_image(axis: Any, tile: Tile) -> None:
    """A tile's image, and below it its point, bytes and rate."""
    axis.imshow(tile.image, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    bpp = 8 * tile.size_bytes / (tile.image.shape[0] * tile.image.shape[1])
    text = f"{readable(tile.point)}   {tile.size_bytes} bytes, {bpp:.3f} bpp" if tile.size_bytes else " "
    axis.set_xlabel(text, fontsize=7, labelpad=2)
