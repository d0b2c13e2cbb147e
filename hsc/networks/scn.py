"""The semantic compression network (SCN): W+ to a few symbols and back; the first layer of a file.

    W+ (B, n, d) ──g_a──> y (B, C, s, s) ──* gain──> v ──> Q(v - mean) ──> symbols ──> v_hat
    v_hat ──* inverse──> g_s ──> w_hat (B, n, d)
    v_hat, in 1/16 ──> context of F, integers
    mean and level of each channel, by quality: a table, no network

kind="map" is the paper's: 18x512 numbers as a tensor of 9x32x32, residual g_a and g_s, 192x2x2 symbols. kind="mlp"
takes W+ as a vector, which is enough for 9x64 numbers.

Training uses ``bits`` (B,) as the rate, ``w_hat`` for the distortion against W+ (and, through the generator, for the
image), and ``integers``, which the feature network reads. Before training starts, call ``standard.set`` with the mean
and deviation of W+ (n * d).

Source: Li et al. 2025, "Hierarchical Semantic Compression for Consistent Image Semantic Restoration"; factorised prior:
Balle et al. 2018, "Variational image compression with a scale hyperprior", appendix 6.1, here a Gaussian per channel
and quality, since symbols follow the gain.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding.gains import GAIN_SHIFT, GAIN_UNIT, PriorTable
from hsc.entropy_coding.integer_nets import UNIT, requantise
from hsc.entropy_coding.quantisation import MEAN_STEPS, quantise
from hsc.networks.config import SEMANTIC_MAP, SemanticConfig
from hsc.networks.normalisation import Standard

CONTEXT_SHIFT = GAIN_SHIFT - (UNIT // MEAN_STEPS).bit_length() + 1
"""Shift from integers in 1/16 times the inverse gain in 1/4096 to activations in 1/64."""


class Semantics(NamedTuple):
    """W+ as it comes out of coding.

    w_hat: (B, n_styles, w_dim) float32. integers: v_hat in 1/16, and symbols: both (B, C, s, s) float64. bits: (B,)
    float32.
    """

    w_hat: Tensor
    integers: Tensor
    symbols: Tensor
    bits: Tensor


class SCN(nn.Module):
    """The semantic compression network of a ``SemanticConfig`` for W+ of n_styles x w_dim, randomly initialised."""

    def __init__(self, config: SemanticConfig, n_styles: int, w_dim: int) -> None:
        super().__init__()
        self.config, self.n_styles, self.w_dim = config, n_styles, w_dim
        values = n_styles * w_dim
        self.standard = Standard(values)
        if config.kind == "map":
            self.analysis, self.synthesis = _map_networks(values // SEMANTIC_MAP**2, config.width, config.channels)
        else:
            self.analysis = nn.Sequential(*_perceptron(values, config.width, config.channels))
            self.synthesis = nn.Sequential(*_perceptron(config.channels, config.width, values))
        self.quality = PriorTable(config.channels)

    def forward(self, w_plus: Tensor, quality: Tensor) -> Semantics:
        """Code W+ with the gradients that training needs: (B, n_styles, w_dim), quality (B,) int64 in 1/32.

        In ``eval`` mode the symbols are those of a file, and the bits are theirs.
        """
        values = self.scaled(w_plus, quality)
        mean, level = self.prior(quality)
        coded = quantise(values, mean, level, noise=self.training)
        return Semantics(
            self.restore(coded.integers, quality), coded.integers, coded.symbols, coded.bits.flatten(1).sum(1)
        )

    def scaled(self, w_plus: Tensor, quality: Tensor) -> Tensor:
        """The values to be rounded: y times its gain, (B, C, s, s) float64."""
        y: Tensor = self.analysis(self._as_map(w_plus))
        return y.double() * (self.quality.gains(quality).gain / GAIN_UNIT)[:, :, None, None]

    def prior(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Mean in 1/16 and level of every symbol: (B,) -> (B, C, s, s) float64 integers each."""
        side = self.config.side
        mean, level = (t[:, :, None, None].expand(-1, -1, side, side) for t in self.quality.prior(quality))
        return mean, level

    def restore(self, integers: Tensor, quality: Tensor) -> Tensor:
        """w_hat of decoded integers in 1/16: (B, C, s, s) -> (B, n_styles, w_dim) float32."""
        factor = self.quality.gains(quality).inverse / (GAIN_UNIT * MEAN_STEPS)
        y_hat = (integers * factor[:, :, None, None]).float()
        values: Tensor = self.synthesis(y_hat)
        vector: Tensor = self.standard.inverse(values.flatten(1))
        return vector.reshape(-1, self.n_styles, self.w_dim)  # maps or one vector, in the order of W+

    def activations(self, integers: Tensor, quality: Tensor) -> Tensor:
        """Decoded integers in 1/64 at the scale of y, for integer networks.

        (B, C, s, s) -> (B, C * s * s, 1, 1) float64 integers.
        """
        inverse = self.quality.gains(quality).inverse[:, :, None, None]
        return requantise(integers, inverse, CONTEXT_SHIFT).flatten(1)[:, :, None, None]

    def _as_map(self, w_plus: Tensor) -> Tensor:
        values: Tensor = self.standard(w_plus.flatten(1))  # (B, n * d)
        if self.config.kind == "mlp":
            return values[:, :, None, None]
        return values.reshape(len(values), -1, SEMANTIC_MAP, SEMANTIC_MAP)  # (B, 9, 32, 32)


def keep_variance(module: nn.Module) -> None:
    """Initialise a module's convolutions so that they keep unit variance: then y and the first symbols have it too."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, layer.weight[0].numel() ** -0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ResidualUnit(nn.Module):
    """x + conv(leaky(conv(leaky(x)))): (B, C, h, w) to the same shape."""

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.second = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        keep_variance(self)
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # starts near the identity, and every weight has a gradient from the start

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(functional.leaky_relu(self.first(functional.leaky_relu(x, 0.2)), 0.2))
        return x + y


def _perceptron(inputs: int, width: int, outputs: int) -> list[nn.Module]:
    """A small residual network on vectors held as (B, V, 1, 1)."""
    enter, leave = nn.Conv2d(inputs, width, 1), nn.Conv2d(width, outputs, 1)
    for layer in (enter, leave):
        keep_variance(layer)
    return [enter, ResidualUnit(width, 1), leave]


def _map_networks(maps: int, width: int, channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The networks from 32x32 to 2x2, in four halvings with a residual unit each, and back."""

    def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
        layer = nn.Conv2d(inputs, outputs, 3, stride, 1)
        keep_variance(layer)
        return layer

    down: list[nn.Module] = []
    up: list[nn.Module] = [conv(channels, width)]
    for stage in range(4):
        down += [conv(width if stage else maps, width, 2), ResidualUnit(width)]
        up += [ResidualUnit(width), conv(width, 4 * width if stage < 3 else 4 * maps), nn.PixelShuffle(2)]
    return nn.Sequential(*down, conv(width, channels)), nn.Sequential(*up)
