"""What each codec loses and makes up against its rate: a row of panels a head, a panel a kind of error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.api import MetricFacts
from benchmarks.reporting.figures.codec_styles import styles_named
from benchmarks.reporting.figures.figure_files import SETTINGS, pyplot, readable, save_both
from benchmarks.reporting.figures.rate_curves import panel, rates, where
from benchmarks.runs.display_names import Naming
from benchmarks.runs.domains import domain_of

OF_BOXES: Mapping[str, MetricFacts] = {
    "lost": MetricFacts(title="objects lost [%]", higher_is_better=False),
    "gained": MetricFacts(title="objects gained [%]"),
    "hallucinated": MetricFacts(
        title="hallucinated, an image", higher_is_better=False, high=math.inf, percent=False, digits=2
    ),
    "new_false": MetricFacts(
        title="all new false ones, an image", higher_is_better=False, high=math.inf, percent=False, digits=2
    ),
}
OF_PIXELS: Mapping[str, MetricFacts] = {
    "lost": MetricFacts(title="pixels lost [%]", higher_is_better=False),
    "gained": MetricFacts(title="pixels gained [%]"),
    "new_false": MetricFacts(title="pixels newly of a wrong class [%]", higher_is_better=False),
}
"""The kinds that are drawn, with their titles."""
_PANEL = (2.6, 2.1)  # inches


def error_rates(errors: pd.DataFrame, scores: pd.DataFrame, path: Path, names: Mapping[str, str] | None = None) -> bool:
    """Draw the errors; writes ``path`` as .png and .pdf, or nothing (False) where none was decomposed.

    errors: the columns of ``ErrorRow``. scores: of the same run, for its rates. names: those that codecs and heads were
    given, by label.
    """
    labels = {str(label) for table in (errors, scores) for name in ("codec", "head") for label in table[name].unique()}
    naming = Naming(labels, names)
    styles = styles_named({str(label): naming.label(str(label)) for label in scores["codec"].unique() if label})
    rate = rates(naming.frame(scores))
    whole = naming.frame(errors[(errors["by"] == "all") & (errors["other"] == "") & (errors["point"] != "")])
    blocks = [(head, route, group) for (head, route), group in whole.groupby(["head", "route"], sort=False)]
    if not blocks:
        return False
    shown = [OF_BOXES if (group["kind"] == "hallucinated").any() else OF_PIXELS for _, _, group in blocks]
    across = max(map(len, shown))
    plt = pyplot()
    with plt.rc_context({**SETTINGS, "font.size": 8}):
        size = (across * _PANEL[0], len(blocks) * (_PANEL[1] + 0.25) + 0.7)
        figure = plt.figure(figsize=size, layout="constrained")
        rows = figure.subfigures(len(blocks), 1, squeeze=False)[:, 0]
        for row, (head, route, group), kinds in zip(rows, blocks, shown, strict=True):
            row.suptitle(readable(f"{head}, {domain_of(route)}"), fontsize=9)
            for axis, (kind, facts) in zip(row.subplots(1, across, squeeze=False)[0], kinds.items(), strict=False):
                panel(axis, group[group["kind"] == kind], facts, rate, styles, fits=False)
                axis.set_title(facts.title, fontsize=8)
                axis.set_ylim(bottom=0)
        legend = dict(zip(*reversed(rows[0].axes[0].get_legend_handles_labels()), strict=True))
        figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=6, frameon=False)
        bands = ", 95 % intervals" if whole["low"].notna().any() else ""
        figure.suptitle(readable(f"What is lost and what is made up, {where(scores)}{bands}"))
        save_both(figure, path)
    return True
