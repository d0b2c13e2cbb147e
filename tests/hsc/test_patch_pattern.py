"""The pattern that all decoded images share is taken out of the decoder, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_profile import TINY, lively

from hsc.training.patch_pattern import _pattern, remove_pattern
from hsc.training.shards import Batch


@pytest.mark.parametrize("lapped", [False, True])
def test_errors_have_no_pattern_after_it_and_symbols_stay(lapped: bool) -> None:
    generator = replace(TINY.generator, form="residual", lapped=lapped)
    model = lively(replace(TINY, generator=generator))
    images = torch.rand(6, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 0.1
    quality = torch.tensor([32, 64, 96, 32, 64, 96])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = _pattern(model, images, quality)
    batches = [Batch(part, part[:, :1], part[:, 0].long(), part[:, :0], part) for part in images.split(2)]
    remove_pattern(model, batches, 3)
    assert float(first.std()) > 1e-2
    assert float(_pattern(model, images, quality).std()) < 0.05 * float(first.std())
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["generator.patches.bias"]


def test_a_generator_without_patches_stays_as_it_is() -> None:
    model = lively(TINY)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    remove_pattern(model, [], 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
