"""Rate against the score of each class: a block a head and route, a panel a class, all codecs in each panel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import MetricFacts
from benchmarks.reporting.figures.codec_styles import Style, styles_named
from benchmarks.reporting.figures.figure_files import SETTINGS, pyplot, readable, save_both
from benchmarks.reporting.figures.rate_curves import RATE_AXIS, axis_label, panel, rates, where
from benchmarks.runs.display_names import Naming
from benchmarks.runs.domains import domain_of
from benchmarks.stats.metric_facts import Facts, facts_of

MAX_CLASSES = 24
"""Of more classes, those with the largest weights are drawn."""
MIN_SPAN = 0.05
"""Every panel shows at least this share of the score's range, so that a class that hardly changes looks flat."""
_COLUMNS = 4
_PANEL = (2.9, 2.15)
"""Width and height in inches."""


def class_curves(
    scores: pd.DataFrame,
    metric: str,
    weights: Mapping[str, float],
    path: Path,
    facts: Facts | None = None,
    names: Mapping[str, str] | None = None,
) -> bool:
    """Draw the scores of single classes; writes ``path`` as .png and .pdf, or nothing (False) where there are none.

    scores: the columns of ``ScoreRow``. weights: how much of the data set each class takes. facts: of ``metric``, by
    its name. names: those that codecs and heads were given, by label. Each panel has a scale of its own; a class
    without a score at any point is left out.
    """
    naming = Naming((str(label) for name in ("codec", "head") for label in scores[name].unique()), names)
    styles = styles_named({str(label): naming.label(str(label)) for label in scores["codec"].unique() if label})
    scores = naming.frame(scores)
    of_classes = (scores["metric"] == metric) & (scores["part"] != "") & (scores["head"] != "")
    scored = scores[of_classes & (scores["ladder"] == "") & scores["value"].notna()]
    blocks = [(head, route, group) for (head, route), group in scored.groupby(["head", "route"], sort=False)]
    if not blocks:
        return False
    metric_facts = facts_of(facts or {}, metric)
    classes_of = [drawn(list(dict.fromkeys(group["part"])), weights) for _, _, group in blocks]
    rows = [-(-len(classes) // _COLUMNS) for classes in classes_of]
    plt = pyplot()
    rate = rates(scores)
    with plt.rc_context({**SETTINGS, "font.size": 8}):
        size = (_COLUMNS * _PANEL[0], sum(rows) * _PANEL[1] + 0.35 * len(blocks) + 1)
        figure = plt.figure(figsize=size, layout="constrained")
        parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=rows)[:, 0]
        for part, (head, route, group), classes in zip(parts, blocks, classes_of, strict=True):
            scored_classes = group["part"].nunique()
            left_out = (
                f", {len(classes)} of {scored_classes} classes, those with the most pixels"
                if len(classes) < scored_classes
                else ""
            )
            part.suptitle(readable(f"{head}, {domain_of(route)}{left_out}"), fontsize=9)
            _block(part, group, classes, metric_facts, rate, styles)
        _legend(figure)
        bands = "; bands: 95 % intervals" if scored["low"].notna().any() else ""
        figure.suptitle(readable(f"{axis_label(metric_facts)} of each class, {where(scores)}{bands}"))
        save_both(figure, path)
    return True


def drawn(classes: Sequence[str], weights: Mapping[str, float]) -> list[str]:
    """At most ``MAX_CLASSES`` of the classes, in their own order."""
    kept = sorted(classes, key=lambda name: -weights.get(name, 0.0))[:MAX_CLASSES]
    return [name for name in classes if name in kept]


def _block(
    part: Any,
    scored: pd.DataFrame,
    classes: Sequence[str],
    facts: MetricFacts,
    rate: pd.Series,
    styles: Mapping[str, Style],
) -> None:
    rows = -(-len(classes) // _COLUMNS)
    axes = part.subplots(rows, _COLUMNS, squeeze=False, sharex=True).ravel()
    for axis, name in zip(axes, classes, strict=False):
        panel(axis, scored[scored["part"] == name], facts, rate, styles, fits=False)
        _widen(axis, facts)
        axis.set_title(readable(name), fontsize=8)
    for place, axis in enumerate(axes):
        lowest = place + _COLUMNS >= len(classes)
        axis.set_xlabel(RATE_AXIS if lowest else "")
        axis.tick_params(labelbottom=lowest)
        axis.set_visible(place < len(classes))


def _widen(axis: Any, facts: MetricFacts) -> None:
    """Let the axis of scores span at least ``MIN_SPAN`` of the score's range."""
    lowest, highest = facts.factor * facts.low, facts.factor * facts.high
    low, high = axis.get_ylim()
    missing = MIN_SPAN * (highest - lowest) - (high - low)
    if math.isfinite(missing) and missing > 0:
        low = min(max(low - missing / 2, lowest), highest - MIN_SPAN * (highest - lowest))
        axis.set_ylim(low, max(high, low + MIN_SPAN * (highest - lowest)))


def _legend(figure: Any) -> None:
    """One legend of all panels, below them."""
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    columns = min(len(handles), 5)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False)
