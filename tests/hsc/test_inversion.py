"""The inversion encoder in two profiles: shapes, sizes, determinism."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from hsc.errors import UsageError
from hsc.networks.config import EncoderConfig, Profile
from hsc.networks.inversion import GIE
from hsc.networks.profiles import PAPER, PROFILES, SMALL
from hsc.networks.stylegan2 import StyleGAN2

NARROW = EncoderConfig(
    n_styles=4, w_dim=8, feature_channels=12, input_size=64, stem_width=4, widths=(4, 6, 8, 10), depths=(1, 2, 1, 1)
)


def make(config: EncoderConfig) -> GIE:
    torch.manual_seed(0)
    return GIE(config).eval().requires_grad_(False)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("height", "width"), [(64, 64), (256, 384), (97, 65), (17, 200), (1, 1)])
def test_small_takes_any_size_and_the_generator_gives_it_back(height: int, width: int) -> None:
    encoder = make(SMALL.encoder)
    w_plus, feature = encoder(torch.rand(2, 3, height, width) * 2 - 1)
    rows, columns = -(-height // 16), -(-width // 16)
    assert w_plus.shape == (2, 9, 64)
    assert feature.shape == (2, 192, rows, columns)
    with torch.no_grad():
        image = StyleGAN2(SMALL.generator)(w_plus, feature)
    assert image.shape == (2, 3, 16 * rows, 16 * columns)  # to be cut to height x width


@pytest.mark.parametrize(
    "changes", [{"feature_stride": 1, "stem_stride": 1}, {"feature_block": 2, "feature_stride": 1}]
)
def test_f_at_a_stride_of_eight(changes: dict[str, int]) -> None:
    config = replace(SMALL.encoder, **changes)  # type: ignore[arg-type]
    assert config.stride == 8
    assert make(config)(torch.zeros(1, 3, 40, 41)).feature.shape == (1, 192, 5, 6)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 37), (20, 20)])
def test_images_are_reduced_to_the_input_size(norm: str, height: int, width: int) -> None:
    w_plus, feature = make(replace(NARROW, norm=norm))(torch.zeros(1, 3, height, width))
    assert w_plus.shape == (1, 4, 8)
    assert feature.shape == (1, 12, 4, 4)


def test_the_same_image_gives_the_same_codes() -> None:
    x = torch.rand(2, 3, 48, 80)
    first, second = make(SMALL.encoder)(x), make(SMALL.encoder)(x)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    alone = make(SMALL.encoder)(x[1:])
    torch.testing.assert_close(first.w_plus[1:], alone.w_plus, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.feature[1:], alone.feature, atol=1e-5, rtol=1e-5)


def test_styles_are_offsets_from_the_mean() -> None:
    encoder, x = make(NARROW), torch.rand(1, 3, 64, 64)
    before, mean = encoder(x).w_plus, torch.randn(8)
    encoder.set_mean(mean)
    torch.testing.assert_close(encoder(x).w_plus, before + mean)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gradients_reach_every_parameter(norm: str) -> None:
    torch.manual_seed(0)
    encoder = GIE(replace(NARROW, norm=norm))
    optimizer = torch.optim.SGD(encoder.parameters(), 1e-2)
    for _ in range(2):  # after one step no last convolution is zero any more
        optimizer.zero_grad()
        w_plus, feature = encoder(torch.rand(2, 3, 64, 64))
        (w_plus.square().mean() + (feature - 1).square().mean()).backward()
        optimizer.step()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_profiles_are_the_sizes_they_say() -> None:
    with torch.device("meta"):
        sizes = {p.name: (parameters(StyleGAN2(p.generator)), parameters(GIE(p.encoder))) for p in PROFILES.values()}
        mapping, heads = StyleGAN2(PAPER.generator).mapping, GIE(PAPER.encoder).styles
    assert sizes == {
        "paper": (30_370_060, 113_920_704),
        "small": (1_705_242, 1_692_792),
        "detailed": (1_889_562, 1_692_792),
    }
    assert mapping is not None
    assert (parameters(mapping), parameters(heads)) == (2_101_248, 79_635_456)
    assert 2 * sum(sizes["small"]) < 12e6  # bytes as float16


@pytest.mark.parametrize(("resolution", "size", "styles"), [(512, 128, 16), (256, 128, 14)])
def test_cars_and_churches_are_profiles_too(resolution: int, size: int, styles: int) -> None:
    generator = replace(PAPER.generator, resolution=resolution, layer=3)
    profile = Profile("domain", generator, replace(PAPER.encoder, n_styles=styles, input_size=size))
    assert profile.generator.n_styles == styles
    assert profile.generator.input_side(3) == 8


def test_networks_that_do_not_fit_are_refused() -> None:
    cases = [
        (lambda: Profile("x", PAPER.generator, SMALL.encoder), "the generator takes"),
        (
            lambda: Profile("x", SMALL.generator, replace(SMALL.encoder, feature_stride=2)),
            "stride 32, the generator's 16",
        ),
        (lambda: Profile("x", PAPER.generator, replace(PAPER.encoder, input_size=128)), "side 8, the generator's 16"),
        (lambda: replace(NARROW, feature_block=5), "feature_block"),
        (lambda: replace(NARROW, widths=(1, 2, 3)), "widths"),  # type: ignore[arg-type]
        (lambda: replace(NARROW, norm="layer"), "norm"),  # type: ignore[arg-type]
        (lambda: make(NARROW)(torch.zeros(1, 1, 8, 8)), "images came"),
    ]
    for call, words in cases:
        with pytest.raises(UsageError, match=words):
            call()


@pytest.mark.slow
def test_the_paper_profile_runs() -> None:
    encoder, generator = make(PAPER.encoder), StyleGAN2(PAPER.generator).eval().requires_grad_(False)
    w_plus, feature = encoder(torch.rand(1, 3, 1024, 1024) * 2 - 1)
    assert w_plus.shape == (1, 18, 512)
    assert feature.shape == (1, 512, 16, 16)
    assert generator(w_plus, feature).shape == (1, 3, 1024, 1024)
