"""Quantisation: rounding in training and coding, and the Gaussians with which all symbols are coded.

    v, mean ──> v - mean/16 ──round──> symbols ──> 16 symbols + mean = integers      v_hat = integers / 16
                                     └──> bits under N(0, scale[level])

Decoded values are known exactly as ``integers``: later layers read those, never a float computed from them. Values are
rounded around the mean instead of to whole numbers, so a symbol of 0, the cheapest, stands for the prediction itself.
In training the following networks get the rounded value with a straight-through gradient (Minnen and Singh 2020,
"Channel-wise Autoregressive Entropy Models", section 3.3). The rate is that of the symbol too; only its gradient is
that of uniform noise in place of rounding. A rate computed from noise alone overstates the cost of zeros at the
smallest scale by 0.15 bits each: with 96 of them on 16x16 pixels that is 0.057 bits per pixel, nearly three times the
intended rate of quality 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hsc.entropy_coding.cdf_tables import CdfTables, build_gaussian_tables, gaussian_scales
from hsc.entropy_coding.rate_proxy import gaussian_bits

MEAN_STEPS = 16
"""Fixed-point steps of a mean per unit."""

MAX_SYMBOL = 1 << 15


@dataclass(frozen=True)
class Scales:
    """Standard deviations in equal ratios, for the tables and for the rate in training."""

    levels: int = 40
    smallest: float = 0.11
    largest: float = 32.0

    @property
    def step(self) -> float:
        """Logarithm of the ratio of neighbouring levels."""
        return math.log(self.largest / self.smallest) / (self.levels - 1)

    def tables(self) -> CdfTables:
        """Tables around 0, for export only; a loaded model uses the tables of its weights file."""
        return build_gaussian_tables(gaussian_scales(self.levels, self.smallest, self.largest), phases=1)

    def bits(self, residuals: Tensor, level: Tensor) -> Tensor:
        """Bits of each value under a Gaussian around 0, differentiable: float32 in the shape of ``residuals``."""
        zero = torch.zeros((), device=residuals.device)
        return gaussian_bits(
            residuals.float(), zero, level, smallest=self.smallest, largest=self.largest, levels=self.levels, phases=1
        )


SCALES = Scales()


class Quantised(NamedTuple):
    """Rounded values, all of one shape.

    symbols: float64 whole numbers with gradient. integers: the decoded values in 1/16, of the same kind. bits: float32.
    """

    symbols: Tensor
    integers: Tensor
    bits: Tensor


def quantise(values: Tensor, mean: Tensor, level: Tensor, *, noise: bool) -> Quantised:
    """Round values around their means.

    values: in steps of the quantiser, any float type. mean: integers in 1/16. level: integers, 0 to 39. noise: give
    values and means the gradient of the rate under uniform noise, as in training; the rate itself and the levels'
    gradient remain those of the symbol.
    """
    residuals = values.double() - mean / MEAN_STEPS
    symbols = residuals + (residuals.detach().round().clamp(-MAX_SYMBOL, MAX_SYMBOL) - residuals.detach())
    integers = symbols * MEAN_STEPS + mean
    if not noise:
        return Quantised(symbols, integers, SCALES.bits(symbols, level))
    noisy = SCALES.bits(residuals + (torch.rand_like(residuals) - 0.5), level.detach())
    return Quantised(symbols, integers, SCALES.bits(symbols.detach(), level) + (noisy - noisy.detach()))
