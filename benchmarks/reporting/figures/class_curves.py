"""Rate against the score of each class, small multiples: a block a head and route, a panel a class, all codecs in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.reporting.figures.rate_curves import (
    SETTINGS,
    Style,
    panel,
    pyplot,
    rates,
    readable,
    save_both,
    styles_of,
)
from benchmarks.stats.metric_facts import TITLES

MOST = 24
"""More classes than so many are not drawn: those that weigh most are."""
LEAST = 5.0
"""No panel's scale ends below so many percent, so that a class that is hardly found does not look lively."""
_COLUMNS = 4
_PANEL = (2.9, 2.15)
"""Width and height in inches."""


def class_curves(rows: pd.DataFrame, metric: str, weights: Mapping[str, float], path: Path) -> bool:
    """Draw the rows of ``metric`` that are of one class; writes ``path`` as .png and .pdf, or nothing (False) where
    there are none.

    weights: how much of the data set is of a class; where there are many, those that weigh most are drawn. Each panel
    has its own scale from 0; a class without a score at any point is left out.
    """
    scored = rows[
        (rows["metric"] == metric)
        & (rows["part"] != "")
        & (rows["anchor"] == "")
        & (rows["head"] != "")
        & rows["value"].notna()
    ]
    blocks = [(head, route, group) for (head, route), group in scored.groupby(["head", "route"], sort=False)]
    if not blocks:
        return False
    chosen = [drawn(list(dict.fromkeys(group["part"])), weights) for _, _, group in blocks]
    lines = [-(-len(classes) // _COLUMNS) for classes in chosen]
    plt = pyplot()
    rate, codecs = rates(rows), styles_of(scored["codec"])
    with plt.rc_context({**SETTINGS, "font.size": 8}):
        figure = plt.figure(
            figsize=(_COLUMNS * _PANEL[0], sum(lines) * _PANEL[1] + 0.35 * len(blocks) + 1), layout="constrained"
        )
        parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=lines)[:, 0]
        for part, (head, route, group), classes in zip(parts, blocks, chosen, strict=True):
            known = group["part"].nunique()
            left = f", {len(classes)} of {known} classes, those with the most pixels" if len(classes) < known else ""
            part.suptitle(readable(f"{head}, {route} route{left}"), fontsize=9)
            _block(part, group, classes, rate, codecs)
        said: dict[str, Any] = {}
        for axis in figure.axes:
            said |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        figure.legend(said.values(), said.keys(), loc="outside lower center", ncols=min(len(said), 5), frameon=False)
        last = rows.iloc[-1]
        name, bands = (
            TITLES.get(metric, metric),
            "; bands: 95 % of the resamples of the images" if scored["low"].notna().any() else "",
        )
        where = readable(f"{last['task']} on {last['dataset']} ({last['split']}, {last['images']} images)")
        figure.suptitle(f"{name} of each class in percent, {where}{bands}")
        save_both(figure, path)
    return True


def drawn(classes: Sequence[str], weights: Mapping[str, float]) -> list[str]:
    """At most ``MOST`` of the classes, in their own order."""
    kept = sorted(classes, key=lambda name: -weights.get(name, 0.0))[:MOST]
    return [name for name in classes if name in kept]


def _block(
    part: Any, found: pd.DataFrame, classes: Sequence[str], rate: pd.Series, codecs: Mapping[str, Style]
) -> None:
    lines = -(-len(classes) // _COLUMNS)
    axes = part.subplots(lines, _COLUMNS, squeeze=False, sharex=True).ravel()
    for axis, name in zip(axes, classes, strict=False):
        panel(axis, found[found["part"] == name], rate, codecs, fits=False)
        axis.set_ylim(0, max(axis.get_ylim()[1], LEAST))
        axis.set_title(readable(name), fontsize=8)
    for place, axis in enumerate(axes):
        below = place + _COLUMNS >= len(classes)
        axis.set_xlabel("bit per pixel" if below else "")
        axis.tick_params(labelbottom=below)
        axis.set_visible(place < len(classes))
