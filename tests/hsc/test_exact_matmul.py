"""Integer products in float32 equal those in int64, for all weights and inputs."""

import pytest
import torch

from hsc.entropy_coding.exact_matmul import ExactLayer, ExactWeights, _onednn_may_shorten, largest_of


def whole(*shape, highest, seed):
    return torch.randint(-highest, highest + 1, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("highest", [3, 300, 4096])
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (16, 48), (40, 700), (8, 5000)])
@pytest.mark.parametrize("largest_weight", [1, 20, 127])
def test_sums_are_those_of_int64(outputs, inputs, largest_weight, highest):
    weight, x = whole(outputs, inputs, highest=largest_weight, seed=1), whole(2, inputs, 33, highest=highest, seed=2)
    shared, bias = whole(2, 7, 1, highest=highest, seed=3), whole(outputs, highest=1 << 20, seed=4)
    of_shared = whole(outputs, 7, highest=largest_weight, seed=5)
    expected = weight @ x + of_shared @ shared + bias[:, None]
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(ExactWeights(weight.double()).times(x.to(dtype), highest).long(), weight @ x)
        layer = ExactLayer([weight.double(), of_shared.double()], bias.double())
        assert torch.equal(layer.sums([x.to(dtype), shared.to(dtype)], highest).long(), expected)


def test_the_largest_sum_there_can_be_is_exact():
    weight, x = torch.full((1, 4096), 1.0, dtype=torch.float64), torch.full((1, 4096, 1), 4096.0)
    weight[0, 0] = 2
    x[0, 1] = 4095  # an odd sum beyond 2**24, which float32 cannot hold
    assert ExactWeights(weight).times(x, largest_of(x)).item() == 4096 * 4096 + 4095


def test_a_bias_counts_towards_what_float32_can_hold():
    weight, x = torch.full((1, 4096), 1.0, dtype=torch.float64), torch.full((1, 4096, 1), 4095.0)
    assert (
        ExactLayer([weight], torch.tensor([8191.0], dtype=torch.float64)).sums([x], 4095).item() == 4095 * 4096 + 8191
    )


def test_both_ways_are_taken():
    weights = ExactWeights(whole(4, 600, highest=127, seed=1).double())
    assert weights.times(whole(1, 600, 5, highest=100, seed=2).float(), 100).dtype is torch.float32
    assert weights.times(whole(1, 600, 5, highest=4096, seed=2).float(), 4096).dtype is torch.float64


def test_the_largest_is_a_size():
    assert [largest_of(torch.tensor(values)) for values in ([3.0, -7.0], [5.0, 1.0], [])] == [7, 5, 0]


@pytest.fixture
def precision():
    before = torch.get_float32_matmul_precision()
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


def test_settings_that_shorten_float32_are_not_trusted(precision, monkeypatch):
    weights, x = ExactWeights(torch.ones(2, 3, dtype=torch.float64)), torch.ones(1, 3, 4)
    assert weights.times(x, 1).dtype is torch.float32
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")
    _onednn_may_shorten.cache_clear()
    assert weights.times(x, 1).dtype is torch.float64
    monkeypatch.delenv("ONEDNN_DEFAULT_FPMATH_MODE")
    _onednn_may_shorten.cache_clear()
    precision("medium")
    assert weights.times(x, 1).dtype is torch.float64
    precision("highest")
    assert weights.times(x, 1).dtype is torch.float32


def test_no_positions_give_none():
    assert ExactWeights(torch.ones(2, 3, dtype=torch.float64)).times(torch.zeros(1, 3, 0), 0).shape == (1, 2, 0)
