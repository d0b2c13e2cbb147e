"""Probability tables: exact sums, near the distribution, refused when damaged."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy.stats import norm

from hsc.entropy_coding.cdf_tables import (
    TOTAL,
    CdfTables,
    build_counted_tables,
    build_gaussian_tables,
    build_pmf_tables,
    gaussian_scales,
    quantise_pmf,
)
from hsc.errors import DataError, UsageError

SCALES = gaussian_scales()
GAUSSIANS = build_gaussian_tables(SCALES)


@pytest.mark.parametrize(
    "pmf", [[1.0, 0.0], [0.5, 0.5], [1e-30, 1.0, 1e-30], [1 / 3] * 3, list(range(1, 700)), [0.0] * 15000 + [1.0]]
)
def test_quantised_frequencies_sum_and_hold_no_zero(pmf):
    frequencies = quantise_pmf(np.array(pmf)).astype(int)
    assert frequencies.sum() == TOTAL
    assert frequencies.min() >= 1


@pytest.mark.parametrize("pmf", [[1.0], [0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_what_is_no_pmf_is_refused(pmf):
    with pytest.raises(UsageError, match="cannot make a table"):
        quantise_pmf(np.array(pmf))


@pytest.mark.parametrize("level", [0, 5, 13, 20, 30, 39])
@pytest.mark.parametrize("mean", [-8, -3, 0, 7])
def test_gaussian_rows_cost_little_more_than_the_gaussian(level, mean):
    rows, whole = GAUSSIANS.locate(np.array([level]), np.array([mean]))
    assert whole[0] == 0
    frequencies = GAUSSIANS.row(int(rows[0])).astype(float) / TOTAL
    values = GAUSSIANS.lowest[rows[0]] + np.arange(len(frequencies) - 1)
    true = norm.cdf(values + 0.5, mean / 16, SCALES[level]) - norm.cdf(values - 0.5, mean / 16, SCALES[level])
    entropy = -(true * np.log2(np.maximum(true, 1e-300))).sum()
    cost = -(true * np.log2(frequencies[:-1])).sum()
    assert cost <= 1.002 * entropy + 0.001
    assert frequencies[-1] < 2**-11


def test_means_split_into_whole_and_phase():
    means = np.arange(-100, 101)
    rows, whole = GAUSSIANS.locate(np.full(201, 3), means)
    phase = rows - 3 * 16 - 8
    assert (whole * 16 + phase == means).all()
    assert phase.min() == -8
    assert phase.max() == 7


def test_counted_tables_follow_the_counts():
    symbols = np.random.default_rng(0).poisson(3, (5000, 4)) - 2
    tables = build_counted_tables(symbols)
    assert tables.rows == tables.groups == 4
    share = tables.row(2)[1] / TOTAL
    assert share == pytest.approx((symbols[:, 2] == tables.lowest[2] + 1).mean(), abs=0.01)


def test_arrays_survive_a_weights_file():
    again = CdfTables.from_arrays(load(save(GAUSSIANS.to_arrays())))
    assert (again.frequencies == GAUSSIANS.frequencies).all()
    assert again.phases == 16


def test_damaged_arrays_are_refused():
    arrays = build_pmf_tables([np.array([0.3, 0.7]), np.array([0.9])], [0, 5]).to_arrays()
    for name, change in [
        ("frequencies", lambda a: a + 1),
        ("widths", lambda a: a + 1),
        ("widths", lambda a: a[:1]),
        ("phases", lambda a: a * 3),
    ]:
        with pytest.raises(DataError):
            CdfTables.from_arrays(arrays | {name: change(arrays[name])})
    with pytest.raises(DataError, match="lack the table arrays lowest"):
        CdfTables.from_arrays({k: v for k, v in arrays.items() if k != "lowest"})


def test_indexes_and_means_must_be_integers_within_the_tables():
    for index in (np.array([40]), np.array([-1]), np.array([1.0])):
        with pytest.raises(UsageError, match="table indexes"):
            GAUSSIANS.locate(index)
    for mean in (np.array([0.5]), np.array([1, 2]), np.array([1 << 60])):
        with pytest.raises(UsageError, match="means came"):
            GAUSSIANS.locate(np.array([1]), mean)
