"""Networks without some of their parts: what is then coded, what it depends on, and that files hold the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_profile import TINY, lively, whole_profile

from hsc.codec import HscCodec
from hsc.errors import UsageError
from hsc.networks.ablation_config import AblationConfig
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.model import HscModel
from hsc.networks.profiles import PROFILES, TRIED, profile_from_json, profile_to_json

pytestmark = pytest.mark.usefixtures("one_thread")

NO_SEMANTICS, UNCONDITIONAL, APART = (AblationConfig(**{name: False}) for name in ("semantics", "condition", "shared"))
QUALITY = torch.tensor([96, 96, 160])


def model_of(ablation: AblationConfig | None) -> HscModel:
    return lively(replace(whole_profile(), ablation=ablation))


def latents(model: HscModel) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(2)
    encoder = model.profile.encoder
    return (
        torch.randn(3, encoder.n_styles, encoder.w_dim, generator=random),
        torch.randn(3, encoder.feature_channels, 8, 8, generator=random),
    )


@torch.no_grad()
def test_without_semantics_w_costs_nothing_and_is_the_same_for_all_images() -> None:
    model = model_of(NO_SEMANTICS)
    semantics, features = model.compress(*latents(model), torch.tensor([96, 96, 96]))
    assert not semantics.symbols.any()
    assert float(semantics.bits.max()) < 0.01
    assert torch.equal(semantics.w_hat[0], semantics.w_hat[1])
    assert bool((features.bits.sum(1) > 10).all())
    whole = model_of(None)
    semantics, _ = whole.compress(*latents(whole), torch.tensor([96, 96, 96]))
    assert bool((semantics.bits > 5).all())
    assert not torch.equal(semantics.w_hat[0], semantics.w_hat[1])


@torch.no_grad()
@pytest.mark.parametrize(("ablation", "depends"), [(UNCONDITIONAL, False), (AblationConfig(), True), (None, True)])
def test_without_condition_f_does_not_depend_on_w(ablation: AblationConfig | None, depends: bool) -> None:
    model = model_of(ablation)
    w_plus, feature = latents(model)
    _, given = model.compress(w_plus, feature, QUALITY)
    semantics, other = model.compress(-3 * w_plus, feature, QUALITY)
    assert torch.equal(given.bits, other.bits) is not depends
    assert torch.equal(given.symbols, other.symbols) is not depends
    assert torch.equal(given.feature, other.feature) is not depends
    assert float(semantics.bits.min()) > 5  # the generator still gets w


@torch.no_grad()
@pytest.mark.parametrize("ablation", [APART, None])
def test_without_sharing_a_slice_is_predicted_from_w_alone(ablation: AblationConfig | None) -> None:
    model = model_of(ablation)
    gains = model.fcn.quality.gains(QUALITY)
    semantics = model.scn(latents(model)[0], QUALITY)
    start = model.fcn.start(model.scn.activations(semantics.integers, QUALITY), QUALITY, (4, 4))
    parameters = []
    for value in (0.0, 64.0):
        context = start._replace(activations=torch.zeros_like(start.activations))
        context = model.fcn.learn(context, 0, torch.full((3, 2, 16), value, dtype=torch.float64), gains)
        parameters.append(torch.cat([t.expand(3, 4, 16) for t in model.fcn.predict(1, context, gains)]))
    assert torch.equal(*parameters) is (ablation is APART)


@pytest.mark.parametrize("ablation", [NO_SEMANTICS, UNCONDITIONAL, APART])
def test_files_hold_what_the_networks_code(ablation: AblationConfig) -> None:
    model = model_of(ablation)
    codec = HscCodec(model)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = codec.encode(image, 3.0)
    slices = codec.info(data).slices
    pixels = (torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1).float()
    with torch.no_grad():
        given = model(pixels, torch.tensor([96]))
    assert slices["semantic"] == pytest.approx(float(given.semantics.bits), rel=0.02, abs=0.1)
    assert [slices["slice1"], slices["slice2"]] == pytest.approx(given.features.bits[0].tolist(), rel=0.02)
    decoded = ((given.image[0].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.abs(codec.decode(data).astype(float) - decoded).max() <= 1


def test_profiles_keep_their_json_and_an_ablation_is_read_back() -> None:
    for profile in (PROFILES | TRIED).values():
        assert '"ablation"' not in profile_to_json(profile)
        assert profile_from_json(profile_to_json(profile)) == profile
    for ablation in (NO_SEMANTICS, UNCONDITIONAL, APART):
        profile = replace(whole_profile(), ablation=ablation)
        assert profile_from_json(profile_to_json(profile)) == profile
    with pytest.raises(UsageError, match="without a coarse map"):
        replace(TINY, coarse_map=CoarseMapConfig(symbols=8), ablation=APART)
