"""Published figures of others, in their own table and laid over figures; no number of ours is compared with them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.api import METRICS, MetricFacts
from benchmarks.reporting.figures.rate_curves import Overlay
from benchmarks.reporting.paper.latex import escape, floating, number, tabular
from benchmarks.reporting.paper.published_references import PublishedCurve, Reference
from benchmarks.stats.metric_facts import facts_of, facts_of_metrics

WARNING = (
    "Published by others on other data, not measured here; they compare with no row of ours and are in no difference."
)

_BRACKETS = " In brackets: the score's own rate, where its figure has another than the row."
_ONLY_PUBLISHED = {"clip_iqa": MetricFacts(percent=False, title="CLIP-IQA", digits=3)}
"""The facts of scores that no metric here has."""


def overlays(references: Sequence[Reference], metric: str) -> list[Overlay]:
    """Curves of a metric, as figures draw them; those of another definition of the rate have no place on the axis."""
    all_curves = [(reference, curve) for reference in references for curve in reference.curves]
    return [
        Overlay(
            reference.title if len(reference.curves) == 1 else f"{curve.codec}, {reference.title}",
            tuple(zip(curve.bpp_of(metric), values, strict=True)),
            metric,
            number,
        )
        for number, (reference, curve) in enumerate(all_curves)
        if reference.of_own_rate and (values := curve.scores.get(metric))
    ]


def definitions(references: Sequence[Reference], metrics: Sequence[str]) -> str:
    """What the rates of the curves count that figures of these metrics draw, for a caption; empty without any."""
    drawn = [r for r in references if any(overlays([r], metric) for metric in metrics)]
    texts = dict.fromkeys(f"{reference.title}: {reference.bits}" for reference in drawn)
    return f"Bits of their rates: {'; '.join(texts)}." if texts else ""


def published_table(references: Sequence[Reference]) -> str:
    """All figures of the references asked for, each with its source."""
    bodies, notes = [], []
    for reference in references:
        head = ["", "bpp", *(escape(_title(m)) for m in reference.metrics)]
        blocks = [(escape(curve.codec), _lines(curve, reference.metrics)) for curve in reference.curves]
        bodies.append(tabular("l" + "r" * (len(head) - 1), head, blocks))
        notes.append(
            f"{escape(reference.title)}: {escape(reference.source)}. Data: {escape(reference.data)}. Head: "
            f"{escape(reference.head)}. Rate: {escape(reference.rate)}, bits: {escape(reference.bits)}."
            + (_BRACKETS if any(curve.rates for curve in reference.curves) else "")
        )
    return floating(bodies, rf"\textbf{{{WARNING}}}", "tab:published", notes, kind="table")


def _title(metric: str) -> str:
    facts = _facts(metric)
    title = metric.upper() if facts.title == metric else facts.title
    return title + (" (%)" if facts.percent else f" ({facts.unit})" if facts.unit not in ("", "1") else "")


def _facts(metric: str) -> MetricFacts:
    """The facts of a published score: those of the metric here that has it, else those of ``_ONLY_PUBLISHED``."""
    return facts_of({**_ONLY_PUBLISHED, **facts_of_metrics(METRICS.build(name) for name in METRICS.names())}, metric)


def _lines(curve: PublishedCurve, metrics: Sequence[str]) -> list[list[str]]:
    """A curve's points: scores that are shares in percent, others as their source has them."""
    columns = [curve.points or ("",) * len(curve.bpp), [number(bpp, 4) for bpp in curve.bpp]]
    for metric in metrics:
        values = [_facts(metric).factor * v for v in curve.scores.get(metric, ())]
        digits = max((len(f"{v:g}".partition(".")[2]) for v in values), default=0)
        rates = zip(curve.bpp_of(metric), curve.bpp, strict=True)
        behind = ["" if own == of_row else f" ({number(own, 4)})" for own, of_row in rates]
        cells = [number(v, digits) + rate for v, rate in zip(values, behind, strict=False)]
        columns.append(cells or ["--"] * len(curve.bpp))
    return [[escape(point), *numbers] for point, *numbers in zip(*columns, strict=True)]
