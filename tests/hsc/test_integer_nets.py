"""Integer networks: the same integers everywhere, and the same path in training and coding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from hsc.entropy_coding.cdf_tables import build_gaussian_tables, gaussian_scales
from hsc.entropy_coding.integer_nets import IntegerConv2d, IntegerSequence, requantise, scale_levels
from hsc.entropy_coding.rate_proxy import gaussian_bits
from hsc.errors import DataError, UsageError


@pytest.fixture
def net() -> IntegerSequence:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return IntegerSequence([20, 24, 24, 8]).eval()


def integers(*shape: int, seed: int = 0, highest: int = 4095) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(-highest, highest + 1, shape))


def plain(net: IntegerSequence, x: Tensor) -> np.ndarray:
    """The network in numpy's int64, loop by loop, from the exported tensors."""
    tensors = {name: t.numpy().astype(np.int64) for name, t in net.integer_tensors().items()}
    value, count = x.numpy(), len(tensors) // 3
    for i in range(count):
        weight, bias, shift = tensors[f"{i}.weight"], tensors[f"{i}.bias"], int(tensors[f"{i}.shift"][0])
        margin = weight.shape[2] // 2
        padded = np.pad(value, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
        sums = np.zeros((x.shape[0], weight.shape[0], *x.shape[2:]), dtype=np.int64) + bias[:, None, None]
        for dy, dx in itertools.product(range(weight.shape[2]), repeat=2):
            sums += np.einsum(
                "oc,bchw->bohw", weight[:, :, dy, dx], padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]]
            )
        value = np.clip(sums >> shift, 0 if i + 1 < count else -2048, 4095 if i + 1 < count else 2047)
    return value


def test_equals_plain_integer_arithmetic(net):
    x = integers(2, 20, 9, 7)
    y = net(x)
    assert np.array_equal(y.detach().numpy(), plain(net, x))
    assert len(np.unique(y.detach().numpy())) > 100


@pytest.mark.usefixtures("kept_threads")
@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # of torch, when its mkldnn flag is set at all
def test_threads_batch_memory_format_backend_and_autocast_change_nothing(net):
    x = integers(8, 20, 24, 16)
    expected = net(x).detach()
    for count, channels_last, mkldnn, cast in itertools.product((1, 2), (False, True), (False, True), (False, True)):
        torch.set_num_threads(count)
        given = x.double().to(memory_format=torch.channels_last) if channels_last else x.double()
        with (
            torch.backends.mkldnn.flags(enabled=mkldnn),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=cast),
            torch.no_grad(),
        ):
            assert torch.equal(net(given), expected)
            assert torch.equal(torch.cat([net(given[i : i + 1]) for i in range(8)]), expected)


@pytest.mark.gpu
def test_a_gpu_gives_the_same(net):
    x = integers(8, 20, 24, 16)
    assert torch.equal(net.cuda()(x.cuda()).cpu(), net.cpu()(x))


def test_bands_of_rows_change_nothing(net, monkeypatch):
    x = integers(1, 20, 33, 16)
    expected = net(x)
    monkeypatch.setattr("hsc.entropy_coding.integer_nets._BAND", 20 * 9 * 16 * 5)
    assert torch.equal(net(x), expected)


def test_training_path_is_the_coding_path(net):
    x = integers(2, 20, 8, 8, highest=300).double().requires_grad_()
    trained = net.train()(x)
    assert trained.requires_grad
    net.eval().freeze()
    assert torch.equal(net(x.detach()), trained.detach())
    net.half()
    assert torch.equal(net(x.detach()), trained.detach())


def test_gradient_flows_to_weights_and_inputs(net):
    symbols = torch.randn(2, 20, 8, 8, requires_grad=True)
    rounded = symbols + (symbols.round() - symbols).detach()
    mean, scale = net.train()(requantise(rounded, 64)).chunk(2, 1)
    level = scale_levels(scale, 40)
    gaussian_bits(torch.randn(2, 4, 8, 8), mean, level).mean().backward()
    for tensor in (symbols, *net.parameters()):
        assert tensor.grad is not None
        assert float(tensor.grad.abs().sum()) > 0
        assert bool(torch.isfinite(tensor.grad).all())


def test_gradient_is_near_that_of_the_float_network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = IntegerConv2d(6, 5, 3, relu=False)
    x = integers(1, 6, 5, 5, highest=500).double().requires_grad_()
    direction = torch.randn(1, 5, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got = torch.autograd.grad((layer(x) * direction).sum(), x)[0]
    true = torch.autograd.grad((torch.nn.functional.conv2d(x, layer.weight.double(), padding=1) * direction).sum(), x)[
        0
    ]
    assert torch.nn.functional.cosine_similarity(got.flatten(), true.flatten(), dim=0) > 0.999
    assert float(got.norm()) == pytest.approx(float(true.norm()), rel=0.02)


def test_a_network_learns_the_scale_of_its_symbols():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = IntegerSequence([1, 16, 2], kernel=1)
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        losses = []
        for _ in range(150):
            context = torch.randint(0, 2, (64, 1, 2, 2))
            values = torch.where(
                context > 0, 2.0 + 4 * torch.randn(64, 1, 2, 2), -1 + 0.3 * torch.randn(64, 1, 2, 2)
            ).round()
            mean, scale = net(requantise(context, 256)).chunk(2, 1)
            bits = gaussian_bits(values, mean, scale_levels(scale, 40)).mean()
            adam.zero_grad()
            bits.backward()
            adam.step()
            losses.append(float(bits.detach()))
    assert np.mean(losses[-20:]) < 2.7  # the entropy is (4.05 + 0.9) / 2, about 2.5 bits


def test_export_and_loading_keep_every_integer(net):
    x = integers(1, 20, 6, 6)
    other = IntegerSequence([20, 24, 24, 8]).eval()
    other.load_integers(load(save(net.integer_tensors())))
    assert torch.equal(other(x), net(x))
    other.thaw()
    assert torch.equal(other(x), net(x))
    other.freeze()
    other.load_state_dict(IntegerSequence([20, 24, 24, 8]).state_dict())
    assert not torch.equal(other(x), net(x))


def test_foreign_integers_are_refused(net):
    tensors = net.integer_tensors()
    wrong = [
        {k: v for k, v in tensors.items() if k != "1.bias"},
        tensors | {"3.weight": tensors["0.weight"]},
        tensors | {"0.weight": tensors["0.weight"].float()},
        tensors | {"0.weight": tensors["1.weight"]},
        tensors | {"0.shift": tensors["0.shift"] + 1},
        tensors | {"0.weight": torch.full_like(tensors["0.weight"], -128)},
    ]
    for foreign in wrong:
        with pytest.raises(DataError):
            net.load_integers(foreign)


@pytest.mark.parametrize(
    "x", [torch.full((1, 20, 2, 2), 0.5), torch.full((1, 20, 2, 2), 5000), torch.full((1, 20, 2, 2), torch.nan)]
)
def test_numbers_that_would_not_be_exact_are_refused(net, x):
    with pytest.raises(UsageError, match="not integers from"):
        net(x)


def test_requantise_floors_and_clips():
    x = torch.tensor([-5, -1, 0, 1, 5, 10**6, -(10**6)])
    assert requantise(x, 3, 2).tolist() == [-4, -1, 0, 0, 3, 2047, -2048]


def test_macs_are_those_of_the_layers():
    assert IntegerSequence([20, 24, 8], kernel=[3, 1]).macs(16, 24) == (20 * 24 * 9 + 24 * 8) * 16 * 24


def test_bits_agree_with_the_tables():
    scales = gaussian_scales()
    tables = build_gaussian_tables(scales)
    random = np.random.default_rng(0)
    level, mean = random.integers(0, 40, 20_000), random.integers(-60, 60, 20_000)
    values = np.rint(random.normal(mean / 16, scales[level])).astype(np.int64)
    rows, whole = tables.locate(level, mean)
    entries, escaped = tables.entries(values - whole, rows)
    assert escaped.mean() < 1e-3
    inside = ~escaped
    estimate = gaussian_bits(*(torch.from_numpy(a[inside]) for a in (values, mean, level)))
    assert float(estimate.sum()) == pytest.approx(tables.entry_bits(entries[inside], rows[inside]), rel=0.004)
