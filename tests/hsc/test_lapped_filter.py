"""The filter across the borders of patches: the identity at first, borders alone, any size, and tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_profile import lively

from hsc.errors import UsageError
from hsc.networks.config import GeneratorConfig
from hsc.networks.lapped_filter import LappedFilter
from hsc.networks.profiles import COARSE, SMALL, profile_from_json, profile_to_json
from hsc.networks.stylegan2 import StyleGAN2
from hsc.networks.tiling import synthesis_reach, synthesise


def test_before_training_nothing_is_filtered_and_old_weights_fit() -> None:
    image = torch.rand(2, 3, 48, 64)
    torch.testing.assert_close(LappedFilter(16)(image), image)
    with_filter, without = (
        StyleGAN2(config).eval() for config in (replace(SMALL.generator, lapped=True), SMALL.generator)
    )
    assert set(with_filter.state_dict()) - set(without.state_dict()) == {"lap.down", "lap.across"}
    with_filter.load_state_dict(with_filter.state_dict() | without.state_dict())
    w, feature = torch.randn(1, 9, 64), torch.randn(1, 192, 3, 5)
    torch.testing.assert_close(with_filter(w, feature), without(w, feature))


def test_it_mixes_the_halves_of_two_neighbours_at_borders_alone() -> None:
    lap = LappedFilter(4)
    with torch.no_grad():
        lap.across.copy_(torch.tensor([[1, 0, 0, 0], [0, 0.75, 0.25, 0], [0, 0.25, 0.75, 0], [0, 0, 0, 1.0]]))
    image = torch.tensor([0.0] * 4 + [8.0] * 4 + [16.0] * 4).expand(1, 1, 8, 12)
    filtered = lap(image)
    assert filtered[0, 0].unique(dim=0).tolist() == [[0, 0, 0, 2, 6, 8, 8, 10, 14, 16, 16, 16]]
    assert torch.equal(lap(image[..., :4]), image[..., :4])  # one patch has no border
    lap.down.data, lap.across.data = lap.across.data.clone(), lap.down.data.clone()
    torch.testing.assert_close(lap(image.transpose(2, 3))[..., :12, :].transpose(2, 3), filtered.detach())


def test_it_computes_in_32_bits_where_the_networks_do_not() -> None:
    image = torch.rand(1, 3, 32, 32)
    lap = LappedFilter(16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(lap(image), image)


def test_tiles_see_across_the_borders() -> None:
    model = lively(COARSE)
    with torch.no_grad():
        for matrix in (model.generator.lap.down, model.generator.lap.across):
            matrix.copy_(torch.eye(16) * 0.6 + 0.025)
    feature = torch.randn(1, 192, 20, 3, generator=torch.Generator().manual_seed(1))
    w_hat = torch.randn(1, 9, 64, generator=torch.Generator().manual_seed(2))
    whole = synthesise(model, w_hat, feature, (320, 48)).astype(int)
    assert np.abs(whole - synthesise(model, w_hat, feature, (320, 48), tile=8)).max() <= 1
    assert synthesis_reach(replace(SMALL.generator, lapped=True)) == synthesis_reach(SMALL.generator)


def test_it_is_part_of_a_profile_and_of_patches_alone() -> None:
    assert profile_from_json(profile_to_json(COARSE)) == COARSE
    assert "lapped" not in profile_to_json(replace(COARSE, generator=SMALL.generator))  # as older weights have it
    with pytest.raises(UsageError):
        GeneratorConfig(lapped=True)


def test_a_pattern_goes_through_the_filter_and_back() -> None:
    lap = LappedFilter(8)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for matrix in (lap.down, lap.across):
            matrix.add_(torch.randn(8, 8, generator=random) * 0.1)
        pattern = torch.randn(3, 8, 8, generator=random)
        filtered = lap(lap.undone(pattern).repeat(1, 3, 3)[None])[0]
    torch.testing.assert_close(filtered[:, 8:16, 8:16], pattern, atol=1e-5, rtol=1e-5)
