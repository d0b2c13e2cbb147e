"""Figures as files: the same figure gives the same bytes, whatever the last digits of its layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.layout_engine import LayoutEngine

from benchmarks.reporting.figures.figure_files import pyplot, save_both

PIXELS = 160
"""Pixels an inch of the PNG files."""


class HalfPixel(LayoutEngine):
    """A layout whose panel ends half-way between two pixels, but for a rest such as a solver leaves."""

    _adjust_compatible = _colorbar_gridspec = False

    def __init__(self, rest: float) -> None:
        super().__init__()
        self.rest = rest

    def execute(self, fig: Any) -> None:
        for axis in fig.axes:
            width, height = axis.figure.bbox.size * PIXELS / fig.dpi
            axis.set_position([(40.5 + self.rest) / width, (30.5 + self.rest) / height, 200 / width, 150 / height])


def drawn(folder: Path, rest: float, subfigures: bool) -> tuple[bytes, bytes]:
    """The PNG and the PDF of a curve whose panel is laid out with such a rest."""
    plt = pyplot()
    figure = plt.figure(figsize=(3, 2), layout=HalfPixel(rest))
    part = figure.subfigures(2, 1)[1] if subfigures else figure
    part.subplots().plot([0.1, 1, 7], [3, 1, 2], marker="o")
    save_both(figure, folder / "curve")
    return (folder / "curve.png").read_bytes(), (folder / "curve.pdf").read_bytes()


@pytest.mark.parametrize("subfigures", [False, True])
def test_the_last_digits_of_a_layout_change_no_pixel(tmp_path: Path, subfigures: bool) -> None:
    below, above = (drawn(tmp_path, rest, subfigures) for rest in (-1e-9, 1e-9))
    assert below == above


def test_a_pixel_of_the_layout_changes_the_figure(tmp_path: Path) -> None:
    here, there = (drawn(tmp_path, rest, False) for rest in (0.0, 1.0))
    assert here[0] != there[0]
    assert here[1] != there[1]
