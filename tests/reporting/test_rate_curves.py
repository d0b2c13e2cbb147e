"""Figures of rate against score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.reporting.figures.rate_curves import drawn, figure
from benchmarks.runs.rows import read_rows

RUN = Path(__file__).parents[2] / "results" / "reference" / "segmentation" / "rows.csv"


def test_panels_that_share_a_scale_show_the_whole_of_every_curve() -> None:
    rows = read_rows(RUN)
    heads = list(dict.fromkeys(drawn(rows, ["miou"])["head"]))
    assert len(heads) == 4
    for factors in ((1.0, 1.5, 1.0, 1.0), (1.5, 1.0, 1.0, 1.0)):
        scaled = rows.copy()
        for head, factor in zip(heads, factors, strict=True):
            scaled.loc[scaled["head"] == head, ["value", "low", "high"]] *= factor
        with figure(scaled, ["miou"], width=8) as made:
            made.canvas.draw()
            for axis in made.axes:
                low, high = axis.get_ylim()
                highest = max(np.nanmax(one.get_ydata()) for one in axis.lines)
                assert low == 0
                assert high > highest
            assert len({axis.get_xlim() for axis in made.axes}) == 1
