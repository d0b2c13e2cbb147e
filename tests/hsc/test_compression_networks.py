"""SCN, FCN and their parts: orders of passes, gains, gradients, and one path for training and coding."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from tiny_profile import TINY, lively, whole_profile

from hsc.entropy_coding import checkerboard
from hsc.entropy_coding.gains import GAIN_UNIT, PriorTable, QualityTable
from hsc.entropy_coding.layered_stream import Layer
from hsc.entropy_coding.quantisation import SCALES, quantise
from hsc.errors import DataError, UsageError
from hsc.networks.config import Profile
from hsc.networks.fcn import FCN
from hsc.networks.model import HscModel
from hsc.networks.profiles import PROFILES, SMALL
from hsc.networks.scn import SCN

EVERY_ANCHOR = torch.tensor([0, 40, 72, 100, 140, 170, 200, 255])


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 2), (5, 7), (6, 6)])
def test_passes_visit_every_position_once(passes: int, size: tuple[int, int]) -> None:
    x = torch.arange(1.0, 1 + 2 * size[0] * size[1]).reshape(1, 2, *size)
    rebuilt = torch.zeros_like(x)
    for places in checkerboard.ORDERS[passes]:
        picked = checkerboard.gather(x, places)
        assert picked.shape == (1, 2, checkerboard.count(places, *size))
        rebuilt += checkerboard.spread(picked, places, *size)
    assert torch.equal(rebuilt, x)


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_neighbours_are_always_decoded_ones(passes: int) -> None:
    known = torch.zeros(1, 1, 8, 8)
    for number, places in enumerate(checkerboard.ORDERS[passes]):
        offsets = checkerboard.known_neighbours(passes, number)
        assert len(offsets) == {1: (0,), 2: (0, 12), 3: (0, 4, 12)}[passes][number]
        if offsets:
            seen = checkerboard.gather(known, places, offsets).reshape(len(offsets), -1)
            assert bool(seen.any(dim=0).all())
            inner = checkerboard.spread(checkerboard.gather(known, places, offsets), places, 8, 8)[0, :, 2:6, 2:6].sum(
                0
            )
            on = checkerboard.spread(torch.ones(1, 1, checkerboard.count(places, 8, 8)), places, 8, 8)[0, 0, 2:6, 2:6]
            assert torch.equal(inner, on * len(offsets))
        known += checkerboard.spread(torch.ones(1, 1, checkerboard.count(places, 8, 8)), places, 8, 8)


def test_a_neighbourhood_is_the_one_around_the_position() -> None:
    x = torch.randn(2, 3, 5, 6)
    places = ((0, 1), (1, 0))
    gathered = checkerboard.gather(x, places, checkerboard.SQUARE).reshape(2, 9, 3, -1)
    padded = torch.nn.functional.pad(x, (1,) * 4)
    positions = [(i, j) for r, c in places for i in range(r, 5, 2) for j in range(c, 6, 2)]
    for n, (i, j) in enumerate(positions):
        assert torch.equal(gathered[:, :, :, n], padded[:, :, i : i + 3, j : j + 3].flatten(2).transpose(1, 2))


def test_gains_follow_the_quality_and_survive_export() -> None:
    table = PriorTable(5)
    with torch.no_grad():
        for parameter in table.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 0.2)
    every = torch.arange(256)
    live = table.rows(every)
    assert torch.equal(live, live.round())
    table.freeze()
    assert torch.equal(table.rows(every), live)
    middle = (table.gains(torch.tensor([48])).gain / GAIN_UNIT).log()
    assert torch.allclose(middle, (table.log_gain[1] + table.log_gain[2]).double() / 2, atol=1e-3)
    other = PriorTable(5)
    other.load_integers(table.integer_tensors())
    assert torch.equal(other.rows(every), live)
    other.thaw()
    again, before = other.rows(every[:-31]).detach(), live[:-31].detach()
    assert float(((again - before).abs() / (before.abs() + 20)).max()) < 0.2  # training goes on from about there


def test_gains_and_priors_continue_in_a_straight_line_above_the_trained_qualities() -> None:
    table = PriorTable(2)
    with torch.no_grad():
        for parameter in table.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    before = [curve.clone() for curve in table.curves()]
    table.continue_above(6)
    for curve, old in zip(table.curves(), before, strict=True):
        assert torch.equal(curve[:7], old[:7])
        slope = old[6] - old[5]
        torch.testing.assert_close(curve[7:], torch.stack([old[6] + slope, old[6] + 2 * slope]))
    again = [curve.clone() for curve in table.curves()]
    table.continue_above(8)  # nothing lies above the last
    assert all(torch.equal(curve, old) for curve, old in zip(table.curves(), again, strict=True))


def test_foreign_quality_tables_are_refused() -> None:
    table = QualityTable(3)
    with pytest.raises(UsageError, match="not fixed"):
        table.integer_tensors()
    table.freeze()
    good = table.integer_tensors()["table"]
    zero = good.clone()
    zero[5, 0, 1] = 0
    for wrong in ({}, {"table": good.float()}, {"table": good[:100]}, {"table": zero}):
        with pytest.raises(DataError, match="quality table"):
            QualityTable(3).load_integers(wrong)
    for quality in (torch.tensor([256]), torch.tensor([-1]), torch.tensor([1.0]), torch.tensor(3)):
        with pytest.raises(UsageError, match="qualities came"):
            table.rows(quality)


def test_rounding_is_around_the_mean() -> None:
    values, mean = torch.tensor([0.3, -1.2, 7.0]), torch.tensor([8.0, -16.0, 0.0])
    coded = quantise(values, mean, torch.tensor([20.0, 20.0, 20.0]), noise=False)
    assert coded.symbols.tolist() == [0, 0, 7]
    assert coded.integers.tolist() == [8, -16, 112]
    assert float(SCALES.bits(torch.zeros(1), torch.tensor([0.0]))) < 1e-3


def test_in_training_the_rate_is_the_symbols_and_only_its_gradient_is_of_noise() -> None:
    torch.manual_seed(0)
    values = torch.full((4000,), 0.3, dtype=torch.float64, requires_grad=True)
    level = torch.full((4000,), 3.0, dtype=torch.float64, requires_grad=True)
    coded = quantise(values, torch.zeros(4000, dtype=torch.float64), level, noise=True)
    assert torch.equal(coded.bits, quantise(values, torch.zeros(4000, dtype=torch.float64), level, noise=False).bits)
    coded.bits.sum().backward()
    assert values.grad is not None
    assert values.grad.mean() > 1  # rounding hides that 0.3 is near costing a symbol of 1; noise tells
    noise = torch.linspace(-0.5, 0.5, 10_001, dtype=torch.float64)
    assert float(SCALES.bits(noise, torch.zeros_like(noise)).mean()) == pytest.approx(
        0.15, abs=0.01
    )  # which a zero does not cost
    plain = level.detach().clone().requires_grad_()
    quantise(values.detach(), torch.zeros(4000, dtype=torch.float64), plain, noise=False).bits.sum().backward()
    torch.testing.assert_close(level.grad, plain.grad)


def test_y_starts_as_features_first_channels_behind_an_open_gate() -> None:
    torch.manual_seed(0)
    analysis = HscModel(TINY).fcn.analysis
    feature, w_hat = torch.randn(1, 12, 4, 6), torch.randn(1, 9, 8)
    with torch.no_grad():
        open_y = analysis(feature, w_hat)
        analysis.gate.bias.fill_(-50)
        assert analysis(feature, w_hat).abs().max() < 1e-6
        for parameter in analysis.leave.parameters():
            parameter.zero_()
        analysis.gate.bias.zero_()
        torch.testing.assert_close(analysis(feature, w_hat), feature[:, :6])
    assert (open_y - feature[:, :6]).abs().mean() < 0.3


def train_twice(model: HscModel) -> HscModel:
    """Two steps: after one, no residual branch of the encoder starts at zero any more."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    side = model.profile.encoder.input_size or 32
    images = torch.rand(len(EVERY_ANCHOR), 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1
    for _ in range(2):
        optimizer.zero_grad()
        made = model(images, EVERY_ANCHOR)
        rate = made.semantics.bits.mean() + made.features.bits.sum(1).mean()
        distortion = (made.image - images).square().mean() if side == 32 else made.image.square().mean()
        latent = (made.semantics.w_hat - made.w_plus).square().mean() + (
            made.features.feature - made.feature
        ).square().mean()
        (rate * 1e-3 + distortion + latent).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("profile", [TINY, whole_profile()], ids=lambda p: p.name)
def test_training_moves_every_parameter(profile: Profile) -> None:
    torch.manual_seed(0)
    model = lively(profile).thaw()
    with torch.no_grad():
        for parameter in model.parameters():  # integer networks so small may start with a whole layer below zero
            parameter.add_(torch.randn_like(parameter) * 0.02)
    silent = [
        n
        for n, p in train_twice(model).named_parameters()
        if p.grad is None or not bool(p.grad.isfinite().all()) or not p.grad.any()
    ]
    unused = ("noise_strength",)  # noise is off
    assert [n for n in silent if not n.endswith(unused)] == []


def test_what_is_trained_is_what_is_coded() -> None:
    """In eval, before and after freezing, the integer side says the same."""
    model = train_twice(lively(TINY).thaw()).eval()
    fixed = copy.deepcopy(model).freeze()
    images, quality = torch.rand(2, 3, 48, 64) * 2 - 1, torch.tensor([60, 150])
    with torch.no_grad():
        latents = fixed.gie(images)
        before, after = (m.compress(latents.w_plus, latents.feature, quality) for m in (model, fixed))
    assert torch.equal(before[0].symbols, after[0].symbols)
    assert (before[1].symbols != after[1].symbols).float().mean() < 0.02  # g_a's floats were rounded to 16 bits
    assert model.train()(images, quality).features.bits.shape == (2, 6)
    with pytest.raises(UsageError, match="not frozen"):
        _ = model.fingerprint


def test_half_precision_around_it_leaves_the_integers_alone() -> None:
    """As in training under autocast: floats are bfloat16, entropy parameters of the same symbols stay the same."""
    model = lively(TINY)
    images = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.no_grad():
        exact = model(images, torch.tensor([60, 150]))
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(images, torch.tensor([60, 150]))
            quality = torch.tensor([60, 150])
            gains = model.fcn.quality.gains(quality)
            inside = model.fcn.predict(
                0, model.fcn.start(model.scn.activations(exact.semantics.integers, quality), quality, (3, 4)), gains
            )
        outside = model.fcn.predict(
            0, model.fcn.start(model.scn.activations(exact.semantics.integers, quality), quality, (3, 4)), gains
        )
    assert all(torch.equal(a, b) for a, b in zip(inside, outside, strict=True))
    assert rough.semantics.w_hat.dtype == rough.features.feature.dtype == torch.float32
    model.thaw()
    with torch.autocast("cpu", torch.bfloat16):
        made = model(images, quality)
    (made.features.bits.sum() + made.image.float().square().mean()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_keep_is_what_a_cut_file_gives() -> None:
    model = lively(TINY)
    images, quality = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1, torch.tensor([150])
    with torch.no_grad():
        made = model(images, quality, keep=2)
    assert made.features.bits[0, 2:].tolist() == [0, 0, 0, 0]
    assert bool((made.features.bits[0, :2] > 0).all())
    entropy = model.entropy
    from hsc.entropy_coding.container import Header

    header = Header((48, 64), 150, 7)
    known: list[Layer] = []
    for symbols in (made.semantics.symbols[0], *(model.fcn.pick(made.features.symbols, i)[0] for i in range(2))):
        known.append(Layer(symbols.numpy().astype(np.int32), entropy.parameters(len(known), known, header)))
    completed = entropy.integers(entropy.complete(known, header), header)
    assert torch.equal(completed.feature, made.features.integers)
    with pytest.raises(UsageError, match="complete"):
        entropy.integers(known, header)


def test_integer_networks_stay_within_their_budget() -> None:
    with torch.device("meta"):
        small = HscModel(SMALL)
    assert small.fcn.macs(256 // 16, 384 // 16) < 0.3e9


def _coders(profile: Profile) -> tuple[torch.nn.Module, torch.nn.Module]:
    encoder, semantic = profile.encoder, profile.semantic
    words = encoder.n_styles * encoder.w_dim
    return SCN(semantic, encoder.n_styles, encoder.w_dim), FCN(
        profile.feature, encoder.feature_channels, words, semantic.symbols
    )


def test_the_shipped_profiles_are_the_sizes_they_say() -> None:
    with torch.device("meta"):
        sizes = {
            p.name: tuple(sum(t.numel() for t in net.parameters()) for net in _coders(p)) for p in PROFILES.values()
        }
    assert sizes == {"paper": (11_038_308, 8_877_856), "small": (299_424, 2_279_952), "detailed": (299_424, 1_568_960)}


def test_scales_say_the_same_to_tables_and_training() -> None:
    tables = SCALES.tables()
    assert (tables.groups, tables.phases) == (40, 1)
    for level in (0, 13, 39):
        row = tables.row(level) / 65536
        value = -int(tables.lowest[level])  # the entry of 0
        bits = float(SCALES.bits(torch.zeros(1), torch.tensor([float(level)])))
        assert bits == pytest.approx(-math.log2(row[value]), abs=0.01)
