"""The rate-accuracy figure of a group, as wide as one column of the page or as both, and the LaTeX that puts it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.reporting.figures.codec_styles import Style
from benchmarks.reporting.figures.figure_files import readable, save
from benchmarks.reporting.figures.rate_curves import DOUBLE, SINGLE, Overlay, axis_label, figure
from benchmarks.reporting.paper.group import Group
from benchmarks.reporting.paper.latex import escape, floating
from benchmarks.reporting.paper.published import WARNING, definitions, overlays
from benchmarks.reporting.paper.published_references import Reference

_ACROSS = 3
"""Panels side by side over both columns of the page."""
_WIDTHS = {"one": (SINGLE, r"\columnwidth", "figure"), "two": (DOUBLE, r"\textwidth", "figure*")}
"""Inches, the length in LaTeX, and the environment, by the columns that a figure spans."""


def draw(group: Group, folder: Path, styles: Mapping[str, Style], references: Sequence[Reference]) -> str:
    """Write a group's figure as PDF into ``folder``, a panel a head and score, each once; returns its LaTeX.

    styles: by the names under which codecs are shown.
    """
    over = [overlay for metric in group.metrics for overlay in overlays(references, metric)]
    file, label = group.file("curves", ".pdf"), group.label("fig", "curves")
    inches, length, kind = _WIDTHS[group.options.columns]
    across = min(len(group.views), _ACROSS) if group.options.columns == "two" else 1
    results = replace(group.run.results, scores=group.scores)
    with figure(results, group.metrics, width=inches, across=across, styles=styles, overlays=over) as plotted:
        _limit(plotted.axes, group)
        save(plotted, folder / file)
    return floating(
        [rf"\includegraphics[width={length}]{{{file}}}"], _caption(group, references, over), label, kind=kind
    )


def _limit(axes: Sequence[Any], group: Group) -> None:
    """Give the axes of scores the ends that were asked for. Panels of several scores carry the name of theirs."""
    ranges = {metric: group.options.y_range(metric) for metric in group.metrics}
    if len(ranges) == 1:
        by_label = dict.fromkeys((axis.get_ylabel() for axis in axes), next(iter(ranges.values())))
    else:
        by_label = {readable(axis_label(group.facts_of(metric))): ends for metric, ends in ranges.items()}
    for axis in axes:
        if ends := by_label.get(axis.get_ylabel()):
            axis.set_ylim(*ends)
            for drawn_line in axis.lines:  # markers may stand over the edge of an axis that shows all of them
                drawn_line.set_clip_on(True)


def _hides_points(group: Group) -> bool:
    """Whether a point lies beyond the ends of an axis that were asked for."""
    whole = group.scores[(group.scores["part"] == "") & (group.scores["ladder"] == "")]
    for metric in group.metrics:
        if ends := group.options.y_range(metric):
            values = group.facts_of(metric).factor * whole.loc[whole["metric"] == metric, "value"]
            if ((values < ends[0]) | (values > ends[1])).any():
                return True
    return False


def _caption(group: Group, references: Sequence[Reference], over: Sequence[Overlay]) -> str:
    bands = group.sure(r"Bands: 95\,\% intervals.")
    clipped = " Points lie beyond the axis of scores." if _hides_points(group) else ""
    return (
        rf"{group.title} against rate on {group.where}, heads {escape(group.regime)}. {bands} Dashed: the originals. "
        rf"Dotted: what stands in for a curve that dips.{clipped}"
        + (rf" \textbf{{Grey and hollow: {WARNING[0].lower() + WARNING[1:]}}} " if over else "")
        + escape(definitions(references, group.metrics))
    )
