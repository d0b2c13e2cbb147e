"""Rate-accuracy figures at the width of one column and of two, and the LaTeX that puts them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.reporting.figures.codec_styles import Style
from benchmarks.reporting.figures.figure_files import save
from benchmarks.reporting.figures.rate_curves import DOUBLE, SINGLE, Overlay, figure
from benchmarks.reporting.paper.group import Group, View
from benchmarks.reporting.paper.latex import escape, floating, slug
from benchmarks.reporting.paper.published import WARNING, overlays
from benchmarks.reporting.paper.published_references import Reference


def draw(group: Group, folder: Path, styles: Mapping[str, Style], references: Sequence[Reference]) -> str:
    """Write a group's figures as PDF into ``folder``: all heads over two columns, each head in one; returns their
    LaTeX.
    """
    over = [overlay for metric in group.metrics for overlay in overlays(references, metric)]
    wide = group.file("curves", ".pdf")
    results = replace(group.run.results, scores=group.scores)
    across = min(len(group.views), 3)
    with figure(results, group.metrics, width=DOUBLE, across=across, styles=styles, overlays=over) as plotted:
        save(plotted, folder / wide)
    text = [_include(wide, r"\textwidth", _caption(group, "", over), group.label("fig", "curves"), "figure*")]
    for view in group.views:
        name = group.file(f"curves-{_short(view, group.views)}", ".pdf")
        of_view = group.scores[(group.scores["head"] == "") | group.scores.index.isin(view.rows_of(group.scores).index)]
        of_head = replace(results, scores=of_view)
        with figure(of_head, [view.metric], width=SINGLE, across=1, styles=styles, overlays=over) as plotted:
            save(plotted, folder / name)
        label = group.label("fig", f"curves-{_short(view, group.views)}")
        text.append(_include(name, r"\columnwidth", _caption(group, f", {view.title}", over), label, "figure"))
    return "\n".join(text)


def _short(view: View, views: Sequence[View]) -> str:
    """A head's name for a file: its own, with the route and the score where it has several, numbered where two are
    alike.
    """
    routes = {v.head: {o.route for o in views if o.head == v.head} for v in views}
    parts = [(v.head, v.route if len(routes[v.head]) > 1 else "", v.metric if v.named else "") for v in views]
    plain = [slug("-".join(filter(None, part))) for part in parts]
    place = views.index(view)
    return plain[place] if plain.count(plain[place]) == 1 else f"{plain[place]}-{place + 1}"


def _include(file: str, width: str, caption: str, label: str, kind: str) -> str:
    return floating([rf"\includegraphics[width={width}]{{{file}}}"], caption, label, kind=kind)


def _caption(group: Group, which: str, over: Sequence[Overlay]) -> str:
    bands = group.sure(r"Bands: 95\,\% intervals.")
    return (
        rf"{group.title} against rate on {group.where}, heads {escape(group.regime)}{which}. {bands} Dashed: the "
        rf"originals. Dotted: the fit that stands in for a curve that dips."
        + (rf" \textbf{{Grey and hollow: {WARNING[0].lower() + WARNING[1:]}}}" if over else "")
    )
