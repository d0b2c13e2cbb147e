"""The semantic compression network (SCN): W+ to a few symbols and back; the first layer of a file.

    W+ (B, n, d) ──g_a──> y (B, C, s, s) ──* gain──> v ──> Q(v - mean) ──> symbols ──> v_hat
    v_hat ──* inverse──> g_s ──> w_hat (B, n, d)
    v_hat, in 1/16 ──> context of F, integers
    mean and level of each channel, by quality: a table, no network

With a coarse map (``hsc.networks.coarse_map``) the symbols of W+ are followed by those of the map, in the same layer.

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

from hsc.entropy_coding.gains import GAIN_SHIFT, GAIN_UNIT, PriorTable
from hsc.entropy_coding.integer_nets import UNIT, requantise
from hsc.entropy_coding.quantisation import MEAN_STEPS, quantise
from hsc.errors import UsageError
from hsc.networks.coarse_map import CONTEXT_EXTRA_SHIFT, CoarseMap, Prediction
from hsc.networks.config import SEMANTIC_MAP, SemanticConfig
from hsc.networks.normalisation import Standard
from hsc.networks.residual_unit import ResidualUnit, keep_variance

CONTEXT_SHIFT = GAIN_SHIFT - (UNIT // MEAN_STEPS).bit_length() + 1
"""Shift from integers in 1/16 times the inverse gain in 1/4096 to activations in 1/64."""


class Semantics(NamedTuple):
    """W+ as it comes out of coding.

    w_hat: (B, n_styles, w_dim) float32. integers: v_hat in 1/16, and symbols: both (B, C, s, s) float64, C including
    the N coefficients of a coarse map. bits: (B,) float32. coefficients: decoded, (B, N) float32, N of 0 without a map.
    """

    w_hat: Tensor
    integers: Tensor
    symbols: Tensor
    bits: Tensor
    coefficients: Tensor


class SCN(nn.Module):
    """The semantic compression network of a ``SemanticConfig`` for W+ of n_styles x w_dim, randomly initialised.

    coarse: the coarse map that is coded with it, or None. coded: whether W+ is coded (``AblationConfig.semantics``).
    """

    def __init__(
        self, config: SemanticConfig, n_styles: int, w_dim: int, coarse: CoarseMap | None = None, *, coded: bool = True
    ) -> None:
        super().__init__()
        self.config, self.n_styles, self.w_dim, self.coded = config, n_styles, w_dim, coded
        values = n_styles * w_dim
        self.standard = Standard(values)
        if config.kind == "map":
            self.analysis, self.synthesis = _map_networks(values // SEMANTIC_MAP**2, config.width, config.channels)
        else:
            self.analysis = nn.Sequential(*_perceptron(values, config.width, config.channels))
            self.synthesis = nn.Sequential(*_perceptron(config.channels, config.width, values))
        self.quality = PriorTable(config.channels)
        self.coarse = coarse

    @property
    def silent(self) -> bool:
        """Whether no semantics are coded; see ``CoarseMapConfig.silent`` and ``AblationConfig.semantics``."""
        return not self.coded or (self.coarse is not None and self.coarse.config.silent)

    def forward(self, w_plus: Tensor, quality: Tensor, feature: Tensor | None = None) -> Semantics:
        """Code W+ with the gradients that training needs: (B, n_styles, w_dim), quality (B,) int64 in 1/32.

        feature: standardised F, (B, C, h, w), which a coarse map needs. In ``eval`` mode the symbols are those of a
        file, and the bits are theirs.
        """
        values = self.scaled(w_plus, quality, feature)
        mean, level = self.prior(quality)
        coded = quantise(values, mean, level, noise=self.training and not self.silent)
        return Semantics(
            self.restore(coded.integers, quality),
            coded.integers,
            coded.symbols,
            coded.bits.flatten(1).sum(1),
            self.coefficients(coded.integers, quality),
        )

    def scaled(self, w_plus: Tensor, quality: Tensor, feature: Tensor | None = None) -> Tensor:
        """The values to be rounded: y times its gain, (B, C, s, s) float64. feature: as in ``forward``.

        Raises:
            UsageError: a coarse map is coded, and F is missing.
        """
        if self.silent:
            return self.prior(quality)[0].detach() / MEAN_STEPS
        y: Tensor = self.analysis(self._as_map(w_plus)).double()
        if self.coarse is not None:
            if feature is None:
                raise UsageError("the coarse map of w is read from F, which is missing: give feature=, standardised")
            y = torch.cat([y, self.coarse.analyse(feature).double()], 1)
        return y * (self._rows(quality)[:, 0] / GAIN_UNIT)[:, :, None, None]

    def prior(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Mean in 1/16 and level of every symbol: (B,) -> (B, C, s, s) float64 integers each."""
        side, rows = self.config.side, self._rows(quality)
        mean, level = (t[:, :, None, None].expand(-1, -1, side, side) for t in (rows[:, 3], rows[:, 4]))
        return mean, torch.zeros_like(level) if self.silent else level

    def restore(self, integers: Tensor, quality: Tensor) -> Tensor:
        """w_hat of decoded integers in 1/16: (B, C, s, s) -> (B, n_styles, w_dim) float32."""
        y_hat, channels = self._dequantised(integers, quality), self.config.channels
        values: Tensor = self.synthesis(y_hat[:, :channels]).flatten(1)
        if self.coarse is not None:
            values = values + self.coarse.styles(y_hat[:, channels:].flatten(1))
        return self.standard.inverse(values).reshape(-1, self.n_styles, self.w_dim)  # in the order of W+

    def coefficients(self, integers: Tensor, quality: Tensor) -> Tensor:
        """The coarse map's coefficients of decoded integers in 1/16: (B, C, s, s) -> (B, N) float32."""
        return self._dequantised(integers, quality)[:, self.config.channels :].flatten(1)

    def prediction(self, coefficients: Tensor, size: torch.Size | tuple[int, int]) -> Prediction | None:
        """F as the coarse map predicts it from its coefficients, (B, N); None without a map. size: h and w of F."""
        return None if self.coarse is None or self.silent else self.coarse.predict(coefficients, size)

    def activations(self, integers: Tensor, quality: Tensor) -> Tensor:
        """Decoded integers in 1/64 at the scale of y, for integer networks; those of a coarse map in 1/16.

        (B, C, s, s) -> (B, C * s * s, 1, 1) float64 integers.
        """
        inverse, channels = self._rows(quality)[:, 1, :, None, None], self.config.channels
        vector = requantise(integers[:, :channels], inverse[:, :channels], CONTEXT_SHIFT)
        if self.coarse is not None:
            shift = CONTEXT_SHIFT + CONTEXT_EXTRA_SHIFT
            vector = torch.cat([vector, requantise(integers[:, channels:], inverse[:, channels:], shift)], 1)
        return vector.flatten(1)[:, :, None, None]

    def _rows(self, quality: Tensor) -> Tensor:
        """The rows of the quality table of all symbols' channels, (B, kinds, C)."""
        rows = self.quality.rows(quality)
        return rows if self.coarse is None else torch.cat([rows, self.coarse.quality.rows(quality)], 2)

    def _dequantised(self, integers: Tensor, quality: Tensor) -> Tensor:
        """y_hat of decoded integers in 1/16: (B, C, s, s) float32."""
        factor = self._rows(quality)[:, 1] / (GAIN_UNIT * MEAN_STEPS)
        return (integers * factor[:, :, None, None]).float()

    def _as_map(self, w_plus: Tensor) -> Tensor:
        values: Tensor = self.standard(w_plus.flatten(1))  # (B, n * d)
        if self.config.kind == "mlp":
            return values[:, :, None, None]
        return values.reshape(len(values), -1, SEMANTIC_MAP, SEMANTIC_MAP)  # (B, 9, 32, 32)


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
