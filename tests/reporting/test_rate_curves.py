"""Figures of rate against score."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.api import MetricFacts
from benchmarks.reporting.figures.codec_styles import styles_of
from benchmarks.reporting.figures.figure_files import pyplot
from benchmarks.reporting.figures.rate_curves import drawn, figure, panel
from benchmarks.runs.run_folder import load

RUN = Path(__file__).parents[2] / "results" / "reference" / "segmentation"


def test_panels_that_share_a_scale_show_the_whole_of_every_curve() -> None:
    results = load(RUN).results
    heads = list(dict.fromkeys(drawn(results.scores, ["miou"])["head"]))
    assert len(heads) == 4
    for factors in ((1.0, 1.5, 1.0, 1.0), (1.5, 1.0, 1.0, 1.0)):
        scaled = results.scores.copy()
        for head, factor in zip(heads, factors, strict=True):
            scaled.loc[scaled["head"] == head, ["value", "low", "high"]] *= factor
        with figure(dataclasses.replace(results, scores=scaled), ["miou"], width=8) as plotted:
            plotted.canvas.draw()
            for axis in plotted.axes:
                low, high = axis.get_ylim()
                values = [value for curve in axis.lines for value in np.atleast_1d(curve.get_ydata())]
                assert 0 <= low <= np.nanmin(values)
                assert high > np.nanmax(values)
            assert len({axis.get_xlim() for axis in plotted.axes}) == 1
            lowest = min(np.nanmin(curve.get_ydata()) for axis in plotted.axes for curve in axis.lines)
            assert plotted.axes[0].get_ylim()[0] > 0.5 * lowest  # the axis begins near the data, not at 0


def test_a_codec_of_one_point_shows_its_interval_and_a_rate_to_read() -> None:
    scored = pd.DataFrame([("vvc", "qp=47", 0.4, 0.3, 0.6)], columns=["codec", "point", "value", "low", "high"])
    rate = pd.Series({("vvc", "qp=47"): 0.0176})
    plot = pyplot().figure()
    axis = plot.subplots()
    panel(axis, scored, MetricFacts(title="AP"), rate, styles_of(["vvc"]))
    (interval,) = axis.collections
    assert interval.get_segments()[0].ravel().tolist() == pytest.approx([0.0176, 30, 0.0176, 60])
    low, high = axis.get_xlim()
    assert low < 0.0176 < high
    assert 2 <= sum(low <= mark <= high for mark in axis.get_xticks()) <= 4
    pyplot().close(plot)
