"""Figures of rate against score."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.reporting.figures.rate_curves import drawn, figure
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
