"""New weights that start as a transform code meet their rates at once, and their prices are what bits bring there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_dead_channels import batches
from tiny_profile import TINY, noise_photo

from hsc.codec import HscCodec
from hsc.errors import UsageError
from hsc.networks.model import HscModel
from hsc.networks.profiles import profile_to_json
from hsc.training.first_prices import log_prices, set_prices
from hsc.training.initialisation import set_patches, set_statistics_of
from hsc.training.linear_start import set_components
from hsc.training.recipe import Recipe
from hsc.training.state import Run, start

PROFILE = replace(TINY, encoder=replace(TINY.encoder, patch=True), generator=replace(TINY.generator, form="residual"))
RATES = (0.01, 0.03, 0.06)


def new_model() -> HscModel:
    """A model whose F holds principal components of patches, and whose generator makes images of them alone."""
    torch.manual_seed(1)
    model = HscModel(PROFILE)
    images = torch.cat([batch.images for batch in batches()])
    assert model.gie.patch is not None
    set_patches(model.gie.patch, model.generator.patches, images)
    for rgb in model.generator.rgbs.values():
        torch.nn.init.zeros_(rgb.weight)
    set_statistics_of([model], [images])
    return model


def rates_and_errors(model: HscModel) -> tuple[list[float], list[float]]:
    """Bits of F per pixel and mean squared error at each quality."""
    rates, errors = [], []
    for quality in range(1, len(RATES) + 1):
        with torch.no_grad():
            coded = [model.eval()(batch.images, torch.full((4,), 32 * quality)) for batch in batches()]
        rates.append(sum(float(c.features.bits.sum(1).mean()) for c in coded) / len(coded) / (64 * 96))
        errors.append(
            sum(float((c.image - b.images).square().mean()) for c, b in zip(coded, batches(), strict=True)) / len(coded)
        )
    return rates, errors


def test_components_meet_the_rates_and_lose_less_at_higher_ones() -> None:
    model = new_model()
    set_components(model, batches(), RATES)
    rates, errors = rates_and_errors(model)
    assert all(target / 2 < rate < 2.5 * target for rate, target in zip(rates, RATES, strict=True))
    assert errors[0] > 1.3 * errors[1] > 1.3 * 1.1 * errors[2]
    gains = model.fcn.quality.log_gain
    torch.testing.assert_close(gains, -model.fcn.quality.log_inverse)
    assert bool((gains.diff(dim=0) > 0).all())


def test_what_starts_so_is_a_codec() -> None:
    model = new_model()
    set_components(model, batches(), RATES)
    codec, photo = HscCodec(model.freeze()), noise_photo(50, 70, 3)
    data = codec.encode(photo, 3.0)
    assert codec.decode(data).shape == photo.shape
    assert len(codec.encode(photo, 1.0)) < len(data)


def test_prices_are_slopes() -> None:
    rates, fallback = torch.tensor([0.1, 0.2, 0.4, 0.8]), torch.tensor([9.0, 8.0, 7.0, 6.0])
    losses = torch.tensor([2.0, 1.6, 1.4, 1.3])  # slopes of 4, 1 and 1/4: prices fall with the square of the rate
    assert log_prices(losses, rates, fallback).exp().tolist() == pytest.approx([8.0, 2.0, 0.5, 0.125], rel=1e-4)
    # a slope between two rates that hardly differ hardly counts, and one with a loss that rises not at all
    closer = torch.tensor([0.099, 0.1, 0.2, 0.4, 0.8])
    prices = log_prices(torch.tensor([2.3, 2.0, 1.6, 1.4, 1.3]), closer, fallback).exp()
    assert prices[1:].tolist() == pytest.approx([8.0, 2.0, 0.5, 0.125], rel=0.02)
    rising = log_prices(torch.tensor([2.0, 1.6, 1.7, 1.66]), rates, fallback).exp()
    assert rising.tolist() == pytest.approx([4 * 40**0.25, 4 / 40**0.25, 4 / 40**0.75, 4 / 40**1.25], rel=1e-4)
    assert torch.equal(log_prices(torch.tensor([1.0, 1.6, 1.7, 1.8]), rates, fallback), fallback)
    one = log_prices(torch.tensor([1.0, 0.5]), torch.tensor([0.1, 0.2]), torch.zeros(2)).exp()
    assert one.tolist() == pytest.approx([5, 5])


def test_measured_prices_are_those_of_the_model(tmp_path: Path) -> None:
    recipe = Recipe("tiny", profile_to_json(PROFILE), steps=(0, 1, 0), rates=RATES, linear=True, teacher=0.0)
    state = start(recipe, Run(tmp_path, None))
    first = state.prices.log_prices.clone()
    state.model.load_state_dict(new_model().state_dict())
    set_components(state.model, batches(), RATES)
    set_prices(recipe, state, batches(), [])
    assert not torch.equal(state.prices.log_prices, first)
    assert bool((state.prices.log_prices.diff() < 0).all())  # the first bits bring most


def test_groups_that_a_recipe_does_not_set_apart_are_those_of_older_checkpoints(tmp_path: Path) -> None:
    plain = Recipe("tiny", profile_to_json(PROFILE), steps=(0, 1, 0), rates=RATES, generator_rate=4.0)
    groups = start(plain, Run(tmp_path, None)).optimizer.param_groups
    assert [group["factor"] for group in groups] == [1, 4, 5, 1]  # networks, generator, gains, and where objects are
    recipe = replace(plain, linear_rate=0.25, prior_rate=1.5)
    state = start(recipe, Run(tmp_path, None))
    factors = {id(p): group["factor"] for group in state.optimizer.param_groups for p in group["params"]}
    model = state.model
    assert set(factors) == {id(p) for p in [*model.parameters(), *state.where.parameters()]}
    assert model.generator.patches is not None
    assert model.fcn.analysis.direct is not None
    assert factors[id(model.generator.patches.weight)] == 1  # 4 times a quarter
    assert factors[id(model.fcn.analysis.direct.weight)] == 0.25
    assert {factors[id(p)] for p in model.fcn.nets.parameters()} == {1.5}
    assert factors[id(model.fcn.quality.log_gain)] == 5
    assert factors[id(model.fcn.analysis.enter.weight)] == 1


def test_a_recipe_without_patches_has_no_components() -> None:
    with pytest.raises(UsageError):
        Recipe("tiny", profile_to_json(TINY), linear=True)
    with pytest.raises(UsageError):
        Recipe("tiny", profile_to_json(PROFILE), prior_rate=-1.0)
    with pytest.raises(UsageError):
        Recipe("tiny", profile_to_json(PROFILE), enlarged=0.5)
