"""The generator compared with a reference implementation, with itself, and with cases worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hsc.errors import UsageError
from hsc.networks.config import GeneratorConfig
from hsc.networks.modulation import blur, modulated_conv, modulated_conv_per_sample, upsample
from hsc.networks.noise import seeded_noise
from hsc.networks.profiles import SMALL, profile_from_json, profile_to_json
from hsc.networks.stylegan2 import StyleGAN2
from hsc.networks.tiling import synthesis_reach

TINY = GeneratorConfig(resolution=64, w_dim=16, z_dim=16, mapping_layers=2, channel_base=512, channel_max=24)


def make(config: GeneratorConfig = TINY, seed: int = 0) -> StyleGAN2:
    """A generator whose biases and noise strengths are not at their initial zero."""
    torch.manual_seed(seed)
    generator = StyleGAN2(config).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return generator


def styles(config: GeneratorConfig = TINY, batch: int = 2) -> Tensor:
    return torch.randn(batch, config.n_styles, config.w_dim, generator=torch.Generator().manual_seed(1))


def starting_at(layer: int, whole: StyleGAN2) -> StyleGAN2:
    """The upper part of a generator, with the same weights."""
    c = whole.config
    upper = StyleGAN2(
        GeneratorConfig(
            resolution=c.resolution,
            w_dim=c.w_dim,
            z_dim=c.z_dim,
            mapping_layers=0,
            channel_base=c.channel_base,
            channel_max=c.channel_max,
            start="feature",
            layer=layer,
        )
    )
    state = whole.state_dict()
    upper.load_state_dict({key: state[key] for key in upper.state_dict()})
    return upper.eval().requires_grad_(False)


@pytest.mark.parametrize(("kernel", "up"), [(1, False), (3, False), (3, True)])
@pytest.mark.parametrize("demodulate", [False, True])
def test_scaling_activations_equals_own_weights_a_sample(kernel: int, up: bool, demodulate: bool) -> None:
    torch.manual_seed(0)
    x, weight, style = torch.randn(3, 8, 7, 5), torch.randn(6, 8, kernel, kernel), torch.randn(3, 8)
    fast = modulated_conv(x, weight, style, up=up, demodulate=demodulate)
    slow = modulated_conv_per_sample(x, weight, style, up=up, demodulate=demodulate)
    assert fast.shape == (3, 6, 14, 10) if up else (3, 6, 7, 5)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)


def test_demodulated_output_has_unit_variance() -> None:
    torch.manual_seed(0)
    y = modulated_conv(torch.randn(2, 64, 40, 40), torch.randn(32, 64, 3, 3), 3 * torch.rand(2, 64) + 1)
    assert y[..., 1:-1, 1:-1].std(dim=(2, 3)).mean() == pytest.approx(1, abs=0.02)


def test_blur_of_an_impulse_is_the_kernel() -> None:
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 3, 3] = 1
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    expected = torch.zeros(6, 6)
    expected[1:5, 1:5] = line[:, None] * line / 16
    torch.testing.assert_close(blur(x, 4.0)[0, 0], expected)


def test_upsampling_by_hand() -> None:
    row = upsample(torch.tensor([4.0, 8.0, 0.0])[None, None, None].expand(1, 1, 3, 3))[0, 0, 2]
    # samples sit a quarter left and right of the old ones; outside is zero
    assert row.tolist() == [3.0, 5.0, 7.0, 6.0, 2.0, 0.0]


def test_upsampling_convolution_keeps_a_constant() -> None:
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1.0
    y = modulated_conv(torch.ones(1, 1, 6, 6), weight, torch.ones(1, 1), up=True, demodulate=False)
    torch.testing.assert_close(y[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize("resolution", [64, 128, 256, 512, 1024])
def test_image_and_pyramid_shapes(resolution: int) -> None:
    config = GeneratorConfig(
        resolution=resolution, w_dim=8, z_dim=8, mapping_layers=1, channel_base=2048, channel_max=4
    )
    generator = make(config)
    assert config.n_styles == 2 * int(np.log2(resolution)) - 2
    with torch.no_grad():
        assert generator(generator.map(torch.randn(1, 8))).shape == (1, 3, resolution, resolution)


def test_inputs_of_layers_are_as_the_config_says() -> None:
    generator, w = make(), styles()
    for layer in TINY.layers:
        side = TINY.input_side(layer)
        assert generator.run_below(w, layer).feature.shape == (2, TINY.width(side), side, side)


@pytest.mark.parametrize("layer", [0, 1, 4, 5, 6, 8])
@pytest.mark.parametrize("noise", ["off", "stored", 3])
def test_feeding_back_a_layers_own_input_changes_nothing(layer: int, noise: str | int) -> None:
    generator, w = make(), styles()
    own = generator.run_below(w, layer, noise=noise).feature  # type: ignore[arg-type]
    image = generator(w, noise=noise)  # type: ignore[arg-type]
    torch.testing.assert_close(generator(w, own, layer, noise=noise), image, atol=1e-5, rtol=0)  # type: ignore[arg-type]


def test_rgb_below_f_comes_from_the_styles_and_all_else_from_f() -> None:
    generator, w = make(), styles()
    feature = generator.run_below(w, 5).feature
    other = w.clone()
    other[:, 0] += 1  # a style below F
    assert not torch.allclose(generator(other, feature, 5), generator(w, feature, 5), atol=1e-3)
    for layer in range(3):
        generator.rgbs[str(layer)].weight.zero_()
    torch.testing.assert_close(generator(other, feature, 5), generator(w, feature, 5))


@pytest.mark.parametrize("layer", [4, 5])
def test_starting_at_f_equals_the_whole_network_given_the_same_f(layer: int) -> None:
    whole, w = make(), styles()
    upper = starting_at(layer, whole)
    for noise in ("off", 11):
        feature, rgb = whole.run_below(w, layer, noise=noise)  # type: ignore[arg-type]
        feature = feature + torch.randn_like(feature)
        expected = whole(w, feature, layer, noise=noise)  # type: ignore[arg-type]
        torch.testing.assert_close(upper(w[:, layer:], feature, rgb=rgb, noise=noise), expected, atol=1e-5, rtol=1e-5)


def test_starting_at_f_builds_on_no_rgb_unless_given() -> None:
    whole, w = make(), styles()
    upper, feature = starting_at(5, whole), whole.run_below(w, 5).feature
    for layer in range(3):
        whole.rgbs[str(layer)].weight.zero_()
        whole.rgbs[str(layer)].bias.zero_()
    torch.testing.assert_close(upper(w[:, 5:], feature), whole(w, feature, 5), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(13, 11), (15, 16), (9, 14)])
def test_f_of_any_size_equals_the_whole_network_away_from_the_cut(height: int, width: int) -> None:
    whole, w = make(), styles()
    upper = starting_at(5, whole)
    feature, rgb = whole.run_below(w, 5, noise=5)
    assert rgb is not None
    image = whole(w, feature, 5, noise=5)
    part = upper(w[:, 5:], feature[..., :height, :width], rgb=rgb[..., :height, :width], noise=5)
    assert part.shape == (2, 3, 4 * height, 4 * width)
    rows, columns = 4 * (height - 4), 4 * (width - 4)  # convolutions see at most four samples of F across the cut
    torch.testing.assert_close(part[..., :rows, :columns], image[..., :rows, :columns], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 3), (24, 17)])
def test_f_of_any_size_gives_an_image_of_that_size(height: int, width: int) -> None:
    upper = starting_at(5, make())
    feature = torch.randn(1, TINY.width(16), height, width)
    assert upper(styles(upper.config, 1), feature).shape == (1, 3, 4 * height, 4 * width)


def test_a_batch_is_its_samples() -> None:
    generator, w = make(), styles(batch=3)
    torch.testing.assert_close(
        generator(w), torch.cat([generator(w[i : i + 1]) for i in range(3)]), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("noise", ["off", "stored", 0, 42])
def test_images_are_a_function_of_the_inputs(noise: str | int) -> None:
    generator, w = make(), styles()
    first = generator(w, noise=noise)  # type: ignore[arg-type]
    torch.manual_seed(99)
    assert torch.equal(first, generator(w, noise=noise))  # type: ignore[arg-type]


def test_noise_modes_differ() -> None:
    generator, w = make(), styles()
    images = [generator(w, noise=noise) for noise in ("off", "stored", 0, 1)]
    assert all(not torch.allclose(a, b, atol=1e-3) for i, a in enumerate(images) for b in images[:i])


def test_seeded_noise_is_about_normal_and_pinned() -> None:
    field = seeded_noise(1, 3, 256, 256)
    assert field.mean() == pytest.approx(0, abs=0.01)
    assert field.std() == pytest.approx(1, abs=0.01)
    assert abs(np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(field.ravel(), seeded_noise(1, 4, 256, 256).ravel())[0, 1]) < 0.01
    assert seeded_noise(1, 3, 1, 3).tolist() == PINNED
    with pytest.raises(UsageError, match="seed"):
        seeded_noise(-1, 0, 1, 1)


PINNED = [[0.3632137179374695, -1.2424007654190063, 0.4276476204395294]]


def test_truncation_moves_towards_the_mean() -> None:
    generator, z = make(), torch.randn(2, 16)
    assert generator.mapping is not None
    generator.mapping.w_mean.copy_(generator.mapping.estimate_mean(200))
    mean = generator.mapping.w_mean.expand(2, TINY.n_styles, -1)
    torch.testing.assert_close(generator.map(z, 0.0), mean)
    torch.testing.assert_close(generator.map(z, 0.5), (mean + generator.map(z)) / 2)


def test_clamp_limits_activations() -> None:
    config = GeneratorConfig(**{**vars(TINY), "clamp": 0.1})
    assert make(config).run_below(styles(), 5).feature.abs().max() == pytest.approx(0.1)


def test_half_precision_stays_close() -> None:
    generator, w = make(), styles()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = generator(w)
    assert rough.dtype == torch.float32
    exact = generator(w)
    assert (rough - exact).square().mean().sqrt() < 0.03 * exact.std()


def test_gradients_reach_styles_and_f() -> None:
    upper = starting_at(5, make())
    w, feature = styles(upper.config, 1).requires_grad_(), torch.randn(1, TINY.width(16), 3, 5, requires_grad=True)
    upper(w, feature, noise=1).square().mean().backward()
    assert w.grad is not None
    assert feature.grad is not None
    assert (w.grad.abs().sum(2) > 0).all()
    assert (feature.grad.abs().sum(1) > 0).all()


def test_what_does_not_fit_is_refused() -> None:
    whole, w = make(), styles()
    upper = starting_at(5, whole)
    feature = torch.randn(2, TINY.width(16), 16, 16)
    cases = [
        (lambda: whole(w[:, 1:]), "W\\+ came"),
        (lambda: whole(w, feature[:, 1:], 5), "F came"),
        (lambda: whole(w, feature[..., 1:], 5), "start='feature'"),
        (lambda: whole(w, feature, 99), "layer came"),
        (lambda: whole(w, feature, 5, rgb=torch.zeros(2, 3, 16, 16)), "rgb="),
        (lambda: whole(w, noise="fresh"), "noise came"),  # type: ignore[arg-type]
        (lambda: upper(w[:, 5:]), "starts at F"),
        (lambda: upper(w[:, 5:], feature, 3), "starts at layer 5"),
        (lambda: upper(w[:, 5:], feature, noise="stored"), "give a seed"),
        (lambda: upper(w[:, 5:], feature, rgb=torch.zeros(2, 3, 8, 8)), "rgb came"),
        (lambda: upper.run_below(w[:, 5:]), "starts at F"),
        (lambda: upper.map(torch.zeros(1, 16)), "mapping"),
        (lambda: GeneratorConfig(resolution=100), "power of two"),
        (lambda: GeneratorConfig(layer=17), "layer came"),
        (lambda: GeneratorConfig(channel_base=512), "channel_base"),
    ]
    for call, words in cases:
        with pytest.raises(UsageError, match=words):
            call()


@pytest.mark.slow
def test_real_width_at_1024() -> None:
    generator = make(GeneratorConfig())
    feature = generator.run_below(styles(GeneratorConfig(), 1)).feature
    assert feature.shape == (1, 512, 16, 16)
    image = generator(styles(GeneratorConfig(), 1), feature)
    assert image.shape == (1, 3, 1024, 1024)
    assert image.isfinite().all()


def test_smooth_doubling_turns_an_even_map_into_an_even_image_and_sees_no_further_than_it_says() -> None:
    torch.manual_seed(0)
    rough = StyleGAN2(SMALL.generator).eval().requires_grad_(False)
    smooth = StyleGAN2(replace(SMALL.generator, smooth=True)).eval().requires_grad_(False)
    smooth.load_state_dict(rough.state_dict())
    for generator in (rough, smooth):
        assert generator.patches is not None
        generator.patches.weight.zero_()
        generator.patches.bias.zero_()
    w, even = torch.randn(1, 9, 64), torch.randn(1, 192, 1, 1).expand(-1, -1, 11, 11)
    spread = {g: float(g(w, even)[..., 80:96, 80:96].std((2, 3)).max()) for g in (rough, smooth)}
    assert spread[smooth] < 1e-4
    assert spread[rough] > 1e-2
    reach, feature = synthesis_reach(smooth.config), torch.randn(1, 192, 1, 23)
    other = feature.clone()
    other[..., 11 + reach :] += 1
    assert not bool((smooth(w, other) != smooth(w, feature)).any(1).any(1)[0][: 16 * 11].any())
    assert profile_from_json(profile_to_json(replace(SMALL, generator=smooth.config))).generator.smooth
    assert "smooth" not in profile_to_json(SMALL)  # as older weights have it
    with pytest.raises(UsageError):
        GeneratorConfig(smooth=True)


def test_the_residual_form_takes_any_size_follows_its_style_and_sees_no_further_than_it_says() -> None:
    torch.manual_seed(0)
    generator = StyleGAN2(SMALL.generator).eval().requires_grad_(False)
    assert list(generator.rgbs) == ["6"]
    w, feature = torch.randn(1, 9, 64), torch.randn(1, 192, 3, 23)
    image = generator(w, feature)
    assert image.shape == (1, 3, 48, 368)
    assert not torch.equal(image, generator(w + 1, feature))
    reach = synthesis_reach(SMALL.generator)
    other = feature.clone()
    other[..., 11 + reach :] += 1
    changed = (generator(w, other) != image).any(1).any(1)[0]
    assert not bool(changed[: 16 * 11].any())
    assert bool(changed[16 * (11 + reach) :].all())
    for parameter in generator.rgbs.parameters():
        parameter.zero_()
    flat = generator(w, torch.zeros_like(feature))
    torch.testing.assert_close(
        generator(w, 2 * feature) - flat, 2 * (generator(w, feature) - flat), atol=1e-4, rtol=1e-4
    )
    with pytest.raises(UsageError, match="takes no noise"):
        generator(w, feature, noise=3)
    with pytest.raises(UsageError, match="makes RGB once"):
        generator(w, feature, rgb=torch.zeros(1, 3, 1, 11))
    with pytest.raises(UsageError, match="form came as"):
        GeneratorConfig(form="residual")
