"""What others have published, in a table of its own and laid over figures; it never meets a number of ours."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reporting.figures.rate_curves import Overlay
from benchmarks.reporting.paper.latex import escape, floating, number, tabular
from benchmarks.reporting.paper.published_references import PublishedCurve, Reference
from benchmarks.stats.metric_facts import TITLES, scale_of

WARNING = (
    "Published by others on other data, not measured here; they compare with no row of ours and are in no difference."
)


def overlays(references: Sequence[Reference], metric: str) -> list[Overlay]:
    """Curves of a metric, as figures draw them."""
    return [
        Overlay(
            reference.title if len(reference.curves) == 1 else f"{curve.codec}, {reference.title}",
            tuple(zip(curve.bpp, values, strict=True)),
        )
        for reference in references
        for curve in reference.curves
        if (values := curve.scores.get(metric))
    ]


def published_table(references: Sequence[Reference]) -> str:
    """All figures of the references asked for, each with its source."""
    bodies, notes = [], []
    for reference in references:
        head = ["", "bpp", *(escape(_title(m)) for m in reference.metrics)]
        blocks = [(escape(curve.codec), _lines(curve, reference.metrics)) for curve in reference.curves]
        bodies.append(tabular("l" + "r" * (len(head) - 1), head, blocks))
        notes.append(
            f"{escape(reference.title)}: {escape(reference.source)}. Data: {escape(reference.data)}. Head: "
            f"{escape(reference.head)}."
        )
    return floating(bodies, rf"\textbf{{{WARNING}}}", "tab:published", notes, kind="table")


def _title(metric: str) -> str:
    return TITLES.get(metric, metric.upper()) + (" (%)" if scale_of(metric).percent else "")


def _lines(curve: PublishedCurve, metrics: Sequence[str]) -> list[list[str]]:
    """A curve's points: scores that are shares in percent, others as their source has them."""
    columns = [curve.points or ("",) * len(curve.bpp), [number(bpp, 4) for bpp in curve.bpp]]
    for metric in metrics:
        values = [v * (100 if scale_of(metric).percent else 1) for v in curve.scores.get(metric, ())]
        digits = max((len(f"{v:g}".partition(".")[2]) for v in values), default=0)
        columns.append([number(v, digits) for v in values] or ["--"] * len(curve.bpp))
    return [[escape(point), *numbers] for point, *numbers in zip(*columns, strict=True)]
