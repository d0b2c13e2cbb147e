"""Draws and intervals, and what a run makes of them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

import benchmarks
from benchmarks.api import ScoreRow
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.runs.results import Results
from benchmarks.runs.rows import frame
from benchmarks.runs.wide_table import wide
from benchmarks.stats.bootstrap import Bootstrap, Draws, interval
from hsc.errors import UsageError


def rows(tmp_path: Path, **options: Any) -> pd.DataFrame:
    options = {
        "heads": [FindSquares()],
        "dataset": Squares(12),
        "cache": tmp_path,
        "executor": Inline(),
        "resamples": 200,
        **options,
    }
    return benchmarks.evaluate("detection", codecs=[Blocks(4), Blocks(8)], **options).scores


def results(tmp_path: Path, columns: tuple[str, ...], resamples: int = 200) -> Results:
    codecs = [Blocks(4), Blocks(8)]
    config = configure("detection", Squares(12), codecs, [FindSquares()], anchors=[], resamples=resamples)
    return replace(run(config, cache=tmp_path, executor=Inline()).results, columns=columns)


def of_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    return table[(table["metric"] == metric) & (table["part"] == "")]


def test_each_draw_is_as_many_images_as_there_are_and_the_same_for_a_seed() -> None:
    draws = Bootstrap(7, 50, 0).draws
    assert draws.shape == (50, 7)
    assert draws.dtype == np.int64
    assert (draws.sum(axis=1) == 7).all()
    assert np.array_equal(draws, Bootstrap(7, 50, 0).draws)
    assert not np.array_equal(draws, Bootstrap(7, 50, 1).draws)
    assert np.abs(Bootstrap(10, 4000, 0).draws.mean(axis=0) - 1).max() < 0.06


def test_a_resampled_rate_is_all_bits_over_all_pixels_of_the_drawn_images() -> None:
    bootstrap = Bootstrap(3, 20, 0)
    sizes, pixels = [100, 250, 40], [64, 640, 6400]
    for draw, rate in zip(bootstrap.draws, bootstrap.rate(sizes, pixels), strict=True):
        drawn = [i for i in range(3) for _ in range(draw[i])]
        assert rate == pytest.approx(8 * sum(sizes[i] for i in drawn) / sum(pixels[i] for i in drawn), rel=1e-12)


def test_the_interval_leaves_out_a_fortieth_at_either_end() -> None:
    samples = np.random.default_rng(0).permutation(1000).astype(float)
    assert interval(samples) == (25.0, 974.0, 0)


def test_a_resample_without_a_value_counts_as_beyond_either_end() -> None:
    samples = np.arange(1000.0)
    samples[[3, 500, 501, 502, 999]] = np.nan
    low, high, refused = interval(samples)
    assert (low, high, refused) == (21.0, 978.0, 5)
    samples[100:121] = np.nan
    assert interval(samples).refused == 26
    assert np.isnan(interval(samples)[:2]).all()
    assert np.isnan(interval(np.zeros(0))[:2]).all()


def test_scores_and_rates_have_intervals_about_them_and_are_what_the_metric_says(tmp_path: Path) -> None:
    table = rows(tmp_path)
    for metric in ("bpp", "ap", "ap50", "ap75"):
        found = of_metric(table, metric)
        found = found[found["codec"] == "blocks"]
        assert len(found) == 2
        assert (found["low"] <= found["value"]).all()
        assert (found["value"] <= found["high"]).all()
        assert (found["low"] < found["high"]).all()
    assert of_metric(table, "psnr")["low"].isna().all()
    sizes = [len(Blocks(4).encode(Squares(12).load(i).image)) for i in range(12)]
    expected = interval(Bootstrap(12, 200, 0).rate(sizes, [56 * 144] * 12))
    bpp = of_metric(table, "bpp").query("point == 'size=4'").iloc[0]
    assert (bpp["low"], bpp["high"]) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_intervals_are_kept_by_score_key_and_read_again(tmp_path: Path) -> None:
    first = rows(tmp_path)
    database = sqlite3.connect(tmp_path / "store.sqlite")
    count = database.execute("SELECT COUNT(*) FROM samples").fetchone()[0]
    assert count == 3  # the original and two points
    with Store(tmp_path / "store.sqlite") as store:
        for key, names in database.execute("SELECT key, names FROM samples").fetchall():
            store.add_samples(key, {name: np.zeros(200) for name in json.loads(names)})
    second = rows(tmp_path)
    assert (of_metric(second, "ap")[["low", "high"]] == 0).all().all()
    assert database.execute("SELECT COUNT(*) FROM samples").fetchone()[0] == count
    other = rows(tmp_path, resamples=300)
    assert of_metric(other, "ap")["high"].max() > 0
    assert database.execute("SELECT COUNT(*) FROM samples").fetchone()[0] == 2 * count
    pd.testing.assert_frame_equal(first.drop(columns=["low", "high"]), second.drop(columns=["low", "high"]))
    database.close()


def test_without_resamples_there_are_no_intervals(tmp_path: Path) -> None:
    table = rows(tmp_path, resamples=0)
    assert table["low"].isna().all()
    assert "ap_low" not in wide(results(tmp_path, ("ap",), resamples=0)).columns
    with pytest.raises(UsageError, match="resamples as -1"):
        rows(tmp_path, resamples=-1)


def test_the_wide_table_has_columns_for_the_ends(tmp_path: Path) -> None:
    table = wide(results(tmp_path, ("ap", "ap_small")))
    assert list(table.columns)[4:12] == ["bpp", "bpp_low", "bpp_high", "size_kb", "ap", "ap_low", "ap_high", "ap_small"]
    assert frame([], ScoreRow).empty


@pytest.mark.parametrize("most", [1, 30, 1 << 22])
def test_draws_do_not_depend_on_the_blocks_they_come_in(most: int) -> None:
    drawn = np.random.default_rng(3).integers(0, 7, (50, 7))
    expected = np.stack([np.bincount(row, minlength=7) for row in drawn])
    blocks = list(Draws(7, 50, 3).blocks(most))
    assert {part.dtype for part in blocks} == {np.dtype(np.int32)}
    assert max(part.size for part in blocks) <= max(7, most)
    assert np.array_equal(np.concatenate(blocks), expected)
    assert np.array_equal(Draws(7, 50, 3).whole(), expected)
    sizes, pixels = np.arange(7) * 1000 + 1, np.arange(7)[::-1] + 30
    assert np.array_equal(Bootstrap(7, 50, 3).rate(sizes, pixels), 8 * (expected @ sizes) / (expected @ pixels))
