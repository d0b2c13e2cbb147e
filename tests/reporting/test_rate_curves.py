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
                highest = max(np.nanmax(curve.get_ydata()) for curve in axis.lines)
                assert low == 0
                assert high > highest
            assert len({axis.get_xlim() for axis in plotted.axes}) == 1
