"""What w and F cost with and without w, as stacked bars: a panel a quality, a bar for each thing known of w."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reporting.figures.codec_styles import COLOURS
from benchmarks.reporting.figures.figure_files import SETTINGS, pyplot, readable, save_both
from benchmarks.studies.entropy import DETAIL, FEATURE, FILE, GIVEN, OWN, SEMANTIC
from benchmarks.studies.entropy_rows import COST, SAVED, Row

_ACROSS = 3
_HEIGHT, _BAR = 2.4, 0.62
"""Height of a panel and width of a bar with its gap, in inches."""
_W_COLOUR, _LINE_COLOUR = "#000000", "#444444"
_LETTERS = 10
"""Letters of a bar's title on a line."""


def entropy_bars(rows: Sequence[Row], weights: str, dataset: str, path: Path) -> None:
    """Draw the costs of layers in bits a picture, with a line at F given w; writes .png and .pdf.

    Where F is coded without w, its bar has the 95 % interval of its difference from F given w, paired over pictures.

    rows: of ``benchmarks.studies.entropy_rows``. weights, dataset: their names for the title. path: without an ending.
    Panels have scales of their own, from 0: bits grow tenfold from the first quality to the last.
    """
    costs = [row for row in rows if row.measure == COST and row.layer != FILE]
    qualities = list(dict.fromkeys(row.quality for row in costs))
    colours = _colours([row.layer for row in costs])
    across = min(_ACROSS, len(qualities))
    lines = -(-len(qualities) // across)
    bars = len({row.given for row in costs})
    plt = pyplot()
    with plt.rc_context({**SETTINGS, "font.size": 8}):
        size = (max(across * (bars * _BAR + 0.7), 5.0), lines * _HEIGHT + 0.9)
        figure, grid = plt.subplots(lines, across, figsize=size, squeeze=False, layout="constrained")
        axes = list(grid.flat)
        for axis, quality in zip(axes, qualities, strict=False):
            _panel(axis, [row for row in rows if row.quality == quality], colours)
            axis.set_title(f"quality {quality:g}", fontsize=8)
        for place, axis in enumerate(axes):
            axis.set_visible(place < len(qualities))
        for line in grid:
            line[0].set_ylabel("bits a picture")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 7), frameon=False)
        with_lines = "" if math.isnan(costs[0].low) else "; whiskers: 95 % intervals of F less F given w"
        title = f"{weights}, {costs[0].images} images of {dataset}{with_lines}"
        figure.suptitle(readable(title), fontsize=9)
        save_both(figure, path)


def _colours(layers: Sequence[str]) -> dict[str, str]:
    """The colour of each layer, from the lowest part of a bar to the highest: the slices of F, then E, then w."""
    slices = [layer for layer in dict.fromkeys(layers) if layer not in (FEATURE, DETAIL, SEMANTIC)]
    drawn = [*slices, *(layer for layer in (DETAIL, SEMANTIC) if layer in layers)]
    free = [colour for colour in COLOURS if colour != _W_COLOUR]
    colours = {layer: free[index % len(free)] for index, layer in enumerate(drawn)}
    return {**colours, SEMANTIC: _W_COLOUR}


def _panel(axis: Any, rows: Sequence[Row], colours: dict[str, str]) -> None:
    """The bars of one quality: F at the bottom, so that it can be compared, w on top."""
    given = [name for name in GIVEN if any(row.given == name for row in rows)]
    bits = {(row.given, row.layer): row.bits for row in rows if row.measure == COST}
    saved = {row.given: row for row in rows if row.measure == SAVED and row.layer == FEATURE}
    tops = dict.fromkeys(given, 0.0)
    for layer, colour in colours.items():
        heights = [bits.get((name, layer), 0.0) for name in given]
        label = layer if layer in (SEMANTIC, DETAIL) else f"F, {layer}"
        axis.bar(range(len(given)), heights, 0.7, bottom=list(tops.values()), color=colour, label=readable(label))
        tops = {name: tops[name] + height for name, height in zip(given, heights, strict=True)}
    axis.axhline(bits[OWN, FEATURE], color=_LINE_COLOUR, linewidth=0.8, linestyle=":")
    for place, name in enumerate(given):
        if name in saved:
            difference = saved[name]
            ends = [[difference.bits - difference.low], [difference.high - difference.bits]]
            axis.errorbar([place], [bits[name, FEATURE]], ends, color=_LINE_COLOUR, linewidth=0.8, capsize=2)
    axis.set_xticks(range(len(given)), [_broken(GIVEN[name]) for name in given], fontsize=6)
    axis.set_ylim(0, None)


def _broken(title: str) -> str:
    """A bar's title on several lines."""
    return "\n".join(textwrap.wrap(title, _LETTERS))
