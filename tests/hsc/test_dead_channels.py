"""Channels of y that are never used get what decoding loses; the others, and what they decode to, stay as they were."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny_profile import TINY, lively, noise_photo
from torch import Tensor

from hsc.codec import HscCodec
from hsc.networks.model import HscModel
from hsc.training.components import step_for
from hsc.training.dead_channels import revive
from hsc.training.shards import Batch

RATES = (0.02, 0.05, 0.1)
TOP = len(RATES) * 32
SILENT = [1, 3, 4]  # as many as patches of one colour each have numbers


def batches() -> list[Batch]:
    photos = [torch.from_numpy(noise_photo(64, 96, seed)).permute(2, 0, 1) / 127.5 - 1 for seed in range(8)]
    return [Batch(part, part[:, :1], part[:, 0].long(), part[:, :0], part) for part in torch.stack(photos).split(4)]


def with_silent_channels() -> HscModel:
    """A model with patches of pictures in F, of which some channels of y come out as 0."""
    encoder, generator = replace(TINY.encoder, patch=True), replace(TINY.generator, form="residual")
    model = lively(replace(TINY, encoder=encoder, generator=generator)).thaw()
    with torch.no_grad():
        model.fcn.quality.log_gain[:, SILENT] = math.log(1e-3)
    return model


def coded(model: HscModel, quality: int = TOP) -> tuple[Tensor, Tensor, float]:
    """Share of symbols that are not 0 by channel, mean bits of F per pixel, and mean squared error."""
    used, bits, errors = [], [], []
    with torch.no_grad():
        for batch in batches():
            found = model.eval()(batch.images, torch.full((4,), quality))
            used.append((found.features.symbols != 0).double().mean((0, 2, 3)))
            bits.append(found.features.bits.sum(1).mean() / (64 * 96))
            errors.append(float((found.image - batch.images).square().mean()))
    return torch.stack(used).mean(0), torch.stack(bits).mean(), sum(errors) / len(errors)


def test_silent_channels_take_the_bits_that_are_left_and_restore_what_is_lost() -> None:
    model = with_silent_channels()
    used, bits, error = coded(model)
    assert used[SILENT].tolist() == [0, 0, 0]
    assert float(used[[0, 2, 5]].min()) > 0.05
    assert revive(model, batches(), (*RATES[:-1], float(bits) + 0.05)) == 3
    revived, more_bits, less = coded(model)
    assert float(revived[SILENT].min()) > 0.05
    assert float(bits) + 0.02 < float(more_bits) < float(bits) + 0.09
    assert less < 0.8 * error


def test_at_low_qualities_nothing_changes() -> None:
    model = with_silent_channels()
    before = coded(model, quality=8)
    revive(model, batches(), RATES)
    after = coded(model, quality=8)
    assert after[0][[0, 2, 5]].tolist() == before[0][[0, 2, 5]].tolist()


def test_the_revived_model_is_a_codec() -> None:
    model = with_silent_channels()
    revive(model, batches(), RATES)
    codec, photo = HscCodec(model.freeze()), noise_photo(50, 70, 3)
    assert codec.decode(codec.encode(photo, 3.0)).shape == photo.shape


def test_a_model_in_full_use_or_without_patches_stays_as_it_is() -> None:
    for model in (lively(TINY).thaw(), with_silent_channels()):
        with torch.no_grad():
            model.fcn.quality.log_gain.fill_(3.0)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        assert revive(model, batches(), RATES) == 0
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        assert model.training


def test_the_step_gives_gaussians_their_bits() -> None:
    deviations = torch.tensor([8.0, 4.0, 2.0, 0.1])
    step = step_for(deviations, 12.0, 64.0)
    taken = (deviations / step * math.sqrt(2 * math.pi * math.e)).log2().clamp(min=0).sum()
    assert float(taken) == pytest.approx(12.0, abs=1e-6)
    assert step_for(deviations, 1e9, 64.0) == pytest.approx(8.0 / 64)  # no finer than that
