"""Measurement rules 7 and 8, each as a reader of the table meets it; the other tests of these parts go into the corners."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from matplotlib.figure import Figure

from benchmarks.api import METRICS, TASKS, Row, Truth
from benchmarks.bootstrap import RESAMPLES, Bootstrap, interval
from benchmarks.curves import bd_rate
from benchmarks.evaluation import configure, run
from benchmarks.execution import Inline
from benchmarks.labels import limit_coco
from benchmarks.plots import panel, styles_of
from benchmarks.tables import blocks, frame

CURVE = [(0.05, 0.12), (0.1, 0.25), (0.2, 0.38), (0.4, 0.47), (0.8, 0.52), (1.6, 0.55)]
IMAGES = 32
SIZES = (12, 8, 6, 4, 2)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Two codecs that code alike, on a few images."""
    codecs = [*(Blocks(s) for s in SIZES), *(Blocks(s, slow_s=1e-6) for s in SIZES)]
    config = configure("detection", Squares(images=IMAGES), codecs, [FindSquares()], anchors=["blocks"])
    return run(config, cache=tmp_path_factory.mktemp("cache"), executor=Inline()).rows


def test_rule_7_no_difference_where_both_overlaps_are_under_75_percent() -> None:
    span = CURVE[-1][1] - CURVE[0][1]
    assert bd_rate(CURVE, [(r, q + 0.24 * span) for r, q in CURVE], (0, 1)).value is not None
    refused = bd_rate(CURVE, [(r, q + 0.26 * span) for r, q in CURVE], (0, 1))
    assert refused.value is None
    assert "74% of the test codec's and 74% of the anchor's" in refused.reason


def test_rule_7_a_fit_is_labelled_and_a_failed_fit_is_no_number() -> None:
    dip = [*CURVE[:4], (0.8, 0.465), CURVE[5]]
    assert bd_rate(CURVE, dip, (0, 1)).method == "fit"
    assert bd_rate(CURVE, [*CURVE[:3], (0.4, 0.2), *CURVE[4:]], (0, 1)).value is None


def test_rule_7_both_overlaps_stand_beside_every_difference(rows: list[Any]) -> None:
    found = [r for r in rows if r.anchor and r.status == "ok" and r.metric.startswith("bd_")]
    assert all("of test, " in r.reason and "of anchor" in r.reason for r in found)
    assert " {100/100}" in blocks(rows, ("ap",), "github")


def test_rule_8_a_thousand_resamples_of_the_images_with_ap_computed_anew_on_each(rows: list[Any]) -> None:
    assert RESAMPLES == 1000
    data, codec = Squares(images=IMAGES), Blocks(4)
    images = [data.load(i).image for i in range(IMAGES)]
    seen = FindSquares().predict([codec.decode(codec.encode(image)) for image in images])
    metric: Any = METRICS.build(TASKS.build("detection").metrics[0])
    truth = Truth(tuple(data.image_ids()), ("square", "unseen"), coco=limit_coco(data.coco(), range(IMAGES), ("square", "unseen"), {}))
    expected = interval(metric.resample(truth, seen, Bootstrap(IMAGES, 1000, 0).draws)["ap"])
    found = next(r for r in rows if r.codec == "blocks" and r.point == "size=4" and r.metric == "ap" and not r.part)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.low < found.value < found.high


def test_rule_8_codecs_are_compared_on_the_same_resamples(rows: list[Any]) -> None:
    """A codec that codes as the anchor does differs by nothing on any resample; on draws of its own it would differ by the images."""
    numbers = [r for r in rows if r.codec == "blocks(slow_s=1e-06)" and r.anchor == "blocks" and r.metric.startswith("bd_")]
    assert len(numbers) == 2
    for r in numbers:
        assert r.value == pytest.approx(0, abs=1e-9)
        assert np.isnan(r.low) or (r.low, r.high) == pytest.approx((0, 0), abs=1e-9)


def test_rule_8_the_null_floor_stands_under_every_table_of_differences(rows: list[Any]) -> None:
    text = blocks(rows, ("ap",), "github")
    below = text[text.index("Bjontegaard differences") :]
    assert "Null floor, squares: blocks against itself" in below
    table: pd.DataFrame = frame(rows)
    assert set(table[table["part"] == "null ladder"]["codec"]) == {"blocks"}
    assert "null ladder" not in set(table["codec"])


def test_rule_8_intervals_of_a_second_run_come_from_the_cache(tmp_path: Path) -> None:
    """See test_bootstrap.py for the proof that they are read; here that they are the same."""
    config = configure("detection", Squares(), [Blocks(4)], [FindSquares()], anchors=[])
    first, second = (frame(run(config, cache=tmp_path, executor=Inline()).rows) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_rule_7_the_fit_that_stands_in_is_drawn_beside_the_raw_points() -> None:
    like = Row("", "detection", "squares", "test", "c", "", "image", "frozen", "h", "", 0, "ap", "", 0.0, images=4)
    rate = pd.Series({("c", f"p={k}"): r for k, (r, _) in enumerate(CURVE)})
    dotted = []
    for fifth in (0.52, 0.465):
        scores = [*(q for _, q in CURVE[:4]), fifth, CURVE[5][1]]
        axis = Figure().subplots()
        panel(axis, frame([replace(like, point=f"p={k}", value=q) for k, q in enumerate(scores)]), rate, styles_of(["c"]))
        dotted.append([drawn for drawn in axis.lines if drawn.get_linestyle() == ":"])
        assert list(axis.lines[0].get_ydata()) == pytest.approx([100 * q for q in scores])
    assert [len(found) for found in dotted] == [0, 1]
    assert np.all(np.diff(dotted[1][0].get_ydata()) > 0)
