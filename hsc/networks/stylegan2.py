"""StyleGAN2: a mapping network, and a synthesis network that can take a feature map F at one of its layers.

    z ──normalise──> mapping ──> w ──repeat──> W+ (one style a layer)

    start="const"     const 4x4 ──> layer 0 ──> ... ──> layer n ──> ... ──> layer last      styles 0, 1, 2 ...
                                      │ RGB               ^            │ RGB         │ RGB
                                      └──up──> + ─────────│──up──────> + ───...────> + ──> image
                                                          F replaces the input of layer n
    start="feature"                                  F ──> layer n ──> ... ──> layer last   styles n, n + 1, ...
                                                            RGB: zero below F, or as given

F determines everything above its layer; the RGB images of the layers below n still come from W+, as in the paper's
generator. From F on the network is convolutional, so a generator that starts there takes F of any height and width.

The form "residual" (``ResidualLayer``) has the same structure with other layers. It makes RGB once, at the end, and
adds it to an image that is linear in F: each sample of F is a patch, and the layers add what patches cannot show. A
filter may smooth the borders of patches (``hsc.networks.lapped_filter``). Where the config has detail, E
(``hsc.networks.detail``) is a second map of such patches; they are added unchanged, and the layers read E beside F.

Decoding is deterministic: noise is off, the stored maps, or drawn from a seed, and never fresh.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (config F, skip architecture); F at
a layer: Yao et al. 2022, "Feature-Style Encoder for Style-Based GAN Inversion", section 3.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import UsageError
from hsc.networks.config import GeneratorConfig
from hsc.networks.lapped_filter import LappedFilter
from hsc.networks.modulation import EqualizedLinear, leaky, modulated_conv, upsample
from hsc.networks.noise import seeded_noise

Noise: TypeAlias = Literal["off", "stored"] | int
"""No noise, the checkpoint's stored maps (nominal size only), or a seed for maps of any size."""

_MAPPING_RATE = 0.01


class Partial(NamedTuple):
    """The state before a layer: its input, (B, C, h, w), and the RGB image so far (None before the first)."""

    feature: Tensor
    rgb: Tensor | None


class Mapping(nn.Module):
    """The mapping network, z to w: normalise to unit mean square, then fully connected layers of learning rate 0.01.

    (B, z_dim) -> (B, w_dim), float32. ``w_mean`` (w_dim,) is the mean of w over z, for truncation.
    """

    w_mean: Tensor

    def __init__(self, z_dim: int, w_dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EqualizedLinear(w_dim if i else z_dim, w_dim, rate=_MAPPING_RATE) for i in range(layers)
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = leaky(layer(x))
        return x

    @torch.no_grad()
    def estimate_mean(self, samples: int = 10_000, seed: int = 0) -> Tensor:
        """The mean of w over ``samples`` normal z drawn from ``seed``, (w_dim,); for checkpoints without a mean."""
        first = self.layers[0]
        assert isinstance(first, EqualizedLinear)
        z = torch.randn(samples, first.weight.shape[1], generator=torch.Generator().manual_seed(seed))
        w: Tensor = self(z.to(first.weight.device))
        return w.mean(0)


class StyledConv(nn.Module):
    """One layer of the form "styled": modulated 3x3 convolution, noise, bias, leaky ReLU.

    (B, I, h, w) and a style (B, w_dim) -> (B, O, h, w), with both sides doubled by ``up``. noise_side: side of the
    stored noise map, None for none.
    """

    noise: Tensor | None

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, *, up: bool, noise_side: int | None, clamp: float | None
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", None if noise_side is None else torch.randn(noise_side, noise_side))
        self.gain, self.up, self.clamp = 1 / math.sqrt(inputs * 9), up, clamp

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        x = modulated_conv(x, self.weight * self.gain, self.affine(w), up=self.up)
        offset = self.bias[:, None, None]
        if noise is not None:
            offset = offset + self.noise_strength * noise  # (O, h, w)
        x = leaky(x + offset.to(x.dtype))
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class ResidualLayer(nn.Module):
    """One layer of the form "residual": a sub-pixel convolution with ``up``, else x + conv(leaky(conv(leaky(x)))).

    (B, I, h, w) and a style (B, w_dim) -> (B, O, h, w), with both sides doubled by ``up``. The style scales the input's
    channels. There is no demodulation, so layers may start with small weights. smooth: average 2x2 samples behind the
    sub-pixel convolution, so that an even input gives an even output and no lattice. Sub-pixel convolution: Shi et al.
    2016; its smoothing: Sugawara, Shiota, Kiya 2018, "Super-Resolution using Convolutional Neural Networks without Any
    Checkerboard Artifacts"; residual unit: He et al. 2016, "Identity Mappings".
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, up: bool, smooth: bool = False) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.up, self.smooth = up, smooth
        self.first = nn.Conv2d(inputs, 4 * outputs if up else inputs, 3, 1, 1)
        if not up:
            self.second = nn.Conv2d(inputs, outputs, 3, 1, 1)
            with torch.no_grad():
                self.second.weight.mul_(0.1)  # starts near the identity

    def forward(self, x: Tensor, w: Tensor, _: Tensor | None = None) -> Tensor:
        scaled = x * self.affine(w).to(x.dtype)[:, :, None, None]
        if self.up:
            doubled = functional.pixel_shuffle(self.first(scaled), 2)
            if not self.smooth:
                return doubled
            return functional.avg_pool2d(functional.pad(doubled, (0, 1, 0, 1), mode="replicate"), 2, 1)
        y: Tensor = x + self.second(functional.leaky_relu(self.first(functional.leaky_relu(scaled, 0.2)), 0.2))
        return y


class ToRgb(nn.Module):
    """A modulated 1x1 convolution to RGB, without demodulation: (B, I, h, w) -> (B, 3, h, w), float32.

    The result is added to the upsampled RGB image of the layers below.
    """

    def __init__(self, inputs: int, w_dim: int, *, clamp: float | None) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain, self.clamp = 1 / math.sqrt(inputs), clamp

    def forward(self, x: Tensor, w: Tensor, below: Tensor | None) -> Tensor:
        y = modulated_conv(x, self.weight, self.affine(w) * self.gain, demodulate=False).float()
        y = y + self.bias[:, None, None]
        if self.clamp is not None:
            y = y.clamp(-self.clamp, self.clamp)
        return y if below is None else y + upsample(below)


class StyleGAN2(nn.Module):
    """The generator of a ``GeneratorConfig``, randomly initialised; ``hsc.weights.stylegan2_keys`` loads weights.

    Parameters are named by the layer's absolute number (``convs.5.weight``) whatever the start, so a generator that
    starts at F loads the upper part of a whole generator's state dict.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        whole = config.start == "const"
        self.mapping = Mapping(config.z_dim, config.w_dim, config.mapping_layers) if config.mapping_layers else None
        if whole:
            self.const = nn.Parameter(torch.randn(config.width(4), 4, 4))
        self.convs = nn.ModuleDict()
        self.rgbs = nn.ModuleDict()
        for n in config.layers:
            inputs, side = config.width(config.input_side(n)), config.output_side(n)
            if config.form == "residual":
                self.convs[str(n)] = ResidualLayer(
                    inputs, config.width(side), config.w_dim, up=n % 2 == 1, smooth=config.smooth
                )
            else:
                self.convs[str(n)] = StyledConv(
                    inputs,
                    config.width(side),
                    config.w_dim,
                    up=n % 2 == 1,
                    noise_side=side if whole else None,
                    clamp=config.clamp,
                )
            if n % 2 == 0 and (config.form == "styled" or n == config.layers[-1]):
                self.rgbs[str(n // 2)] = ToRgb(config.width(side), config.w_dim, clamp=config.clamp)
        self.patches: nn.Conv2d | None = None
        if config.form == "residual":
            self.patches = nn.Conv2d(config.feature_channels, 3 * config.stride**2, 1)
        self.lap = LappedFilter(config.stride) if config.lapped else None
        self.basis: nn.Conv2d | None = None
        if config.detail:
            self.basis = nn.Conv2d(config.detail, 3 * config.stride**2, 1, bias=False).requires_grad_(False)
            self.inject = nn.Conv2d(config.detail, config.feature_channels, 1, bias=False)
            with torch.no_grad():
                nn.init.orthogonal_(self.basis.weight[:, :, 0, 0])
                self.inject.weight.mul_(0.1)

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """W+ with the same style in every layer: normal z (B, z_dim) -> (B, n_styles, w_dim).

        truncation: 1 for none, 0 for the mean style.

        Raises:
            UsageError: this generator has no mapping network.
        """
        if self.mapping is None:
            raise UsageError(
                "this generator has no mapping network; build it with mapping_layers=8, or make W+ with an encoder"
            )
        w: Tensor = self.mapping(z)
        if truncation != 1:
            w = self.mapping.w_mean.lerp(w, truncation)
        return w[:, None].expand(-1, self.config.n_styles, -1)

    def forward(
        self,
        w_plus: Tensor,
        feature: Tensor | None = None,
        layer: int | None = None,
        *,
        detail: Tensor | None = None,
        rgb: Tensor | None = None,
        noise: Noise = "off",
    ) -> Tensor:
        """The image of W+ and F: (B, 3, H, W), float32, about -1 to 1, not clipped.

        w_plus: (B, n_styles, w_dim). feature: F, (B, C, h, w), the input of styled convolution ``layer`` (default: the
        config's); None runs from the constant. detail: E, (B, K, h, w), or None. rgb: only with start="feature", an RGB
        image from the layers below to build on. noise: see ``Noise``.

        Raises:
            UsageError: shapes do not fit, F is missing, or the requested noise does not exist.
        """
        n = self.config.layer if layer is None else layer
        self._check(w_plus, feature, n, rgb)
        if detail is not None and (
            feature is None or detail.shape != (len(feature), self.config.detail, *feature.shape[2:])
        ):
            raise UsageError(
                f"E came with shape {tuple(detail.shape)}, expected {self.config.detail} channels beside F"
            )
        last = self.config.layers.stop
        if self.config.start == "feature":
            assert feature is not None
            entered = feature if detail is None else feature + self.inject(detail)
            rgb = self._run(Partial(entered, rgb), w_plus, range(n, last), noise).rgb
        elif feature is None:
            rgb = self._run(self._constant(w_plus), w_plus, range(last), noise).rgb
        else:
            below = self._run(self._constant(w_plus), w_plus, range(n), noise)
            rgb = self._run(Partial(feature, below.rgb), w_plus, range(n, last), noise).rgb
        assert rgb is not None
        if self.patches is None:
            return rgb
        patches = self.patches(feature)
        if detail is not None and self.basis is not None:
            patches = patches + self.basis(detail)
        linear = functional.pixel_shuffle(patches, self.config.stride).float()
        return rgb + (linear if self.lap is None else self.lap(linear))

    def run_below(self, w_plus: Tensor, layer: int | None = None, *, noise: Noise = "off") -> Partial:
        """The state before styled convolution ``layer`` (default: the config's) from W+ alone: G_n and the RGB so far.

        Editing a decoded image moves F by the change of G_n: F + G_n(w + d) - G_n(w).

        Raises:
            UsageError: shapes do not fit, or the generator starts at F and has no layers below.
        """
        n = self.config.layer if layer is None else layer
        self._check(w_plus, None, n, None)
        return self._run(self._constant(w_plus), w_plus, range(n), noise)

    def _constant(self, w_plus: Tensor) -> Partial:
        return Partial(self.const.expand(w_plus.shape[0], -1, -1, -1), None)

    def _run(self, state: Partial, w_plus: Tensor, layers: range, noise: Noise) -> Partial:
        """Apply some of the styled convolutions and the RGB layers that follow them."""
        x, rgb = state
        for n in layers:
            i = n - self.config.first_layer
            conv = self.convs[str(n)]
            assert isinstance(conv, StyledConv | ResidualLayer)
            height, width = x.shape[2] * (1 + n % 2), x.shape[3] * (1 + n % 2)
            x = conv(x, w_plus[:, i], self._noise(conv, noise, n, (height, width)))
            if n % 2 == 0 and str(n // 2) in self.rgbs:
                rgb = self.rgbs[str(n // 2)](x, w_plus[:, i + 1], rgb)
        return Partial(x, rgb)

    def _noise(
        self, conv: StyledConv | ResidualLayer, noise: Noise, layer: int, size: tuple[int, int]
    ) -> Tensor | None:
        if noise == "off":
            return None
        if isinstance(conv, ResidualLayer):
            raise UsageError("a generator of the form 'residual' takes no noise; leave it off")
        if isinstance(noise, int):
            return torch.from_numpy(seeded_noise(noise, layer, *size)).to(conv.bias.device)
        if noise != "stored":
            raise UsageError(f"noise came as {noise!r}, expected 'off', 'stored' or a seed")
        if conv.noise is None:
            raise UsageError(
                "a generator that starts at F has no stored noise, since its maps have one size only; give a seed"
            )
        return conv.noise

    def _check(self, w_plus: Tensor, feature: Tensor | None, layer: int, rgb: Tensor | None) -> None:
        """Refuse inputs that do not fit; a layer would fail on them with a worse message."""
        c = self.config
        c.check_layer(layer)
        if w_plus.ndim != 3 or w_plus.shape[1:] != (c.n_styles, c.w_dim):
            raise UsageError(f"W+ came with shape {tuple(w_plus.shape)}, expected (B, {c.n_styles}, {c.w_dim})")
        if c.start == "feature":
            if feature is None:
                raise UsageError(
                    "this generator starts at F and has no layers below: give feature=, or build one with start='const'"
                )
            if layer != c.layer:
                raise UsageError(f"layer came as {layer}, but this generator starts at layer {c.layer}; leave it out")
            if rgb is not None and c.form == "residual":
                raise UsageError("a generator of the form 'residual' makes RGB once, at the end; leave rgb= out")
        elif rgb is not None:
            raise UsageError("rgb= is for a generator that starts at F; this one makes the RGB below from W+")
        if feature is None:
            return
        channels, side = c.width(c.input_side(layer)), c.input_side(layer)
        if feature.ndim != 4 or feature.shape[:2] != (w_plus.shape[0], channels):
            raise UsageError(
                f"F came with shape {tuple(feature.shape)}, expected ({w_plus.shape[0]}, {channels}, h, w)"
            )
        height, width = feature.shape[2:]
        if c.start == "const" and (height, width) != (side, side):
            raise UsageError(
                f"F came as {height}x{width}, expected {side}x{side} beside the RGB from W+; for any size build "
                f"start='feature'"
            )
        below = (height, width) if layer % 2 else (height // 2, width // 2)
        if rgb is not None and tuple(rgb.shape) != (w_plus.shape[0], 3, *below):
            raise UsageError(f"rgb came with shape {tuple(rgb.shape)}, expected {(w_plus.shape[0], 3, *below)}")
