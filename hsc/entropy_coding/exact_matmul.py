"""Exact integer matrix products, in float32 where no sum can be rounded and in float64 elsewhere.

Integers up to 2**24 are exact in float32. A sum of products is therefore exact, in any order and with any number of
threads, if no partial sum can be larger: for inputs up to m, if m times the largest sum of absolute weights of a row is
at most 2**24. This follows from the given weights and inputs. Where it does not hold for all columns, it may hold for
halves of them; the rest is computed in float64. All ways give the same integers, and float32 takes half the time.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import torch
from torch import Tensor

_EXACT = float(1 << 24)
_MIN_COLUMNS_TO_HALVE = 256  # below this, halving costs more than it saves


class ExactWeights:
    """A matrix of integers, (outputs, inputs) float64, prepared for products; it must not change afterwards."""

    def __init__(self, weight: Tensor) -> None:
        self.double, self.single = weight, weight.float()
        self.reach = float(weight.abs().sum(1).max())

    def times(self, x: Tensor, largest: float) -> Tensor:
        """The product with (B, inputs, L) integers, float32 or float64 -> (B, outputs, L), either type, no gradient.

        largest: bound of the inputs' absolute values.
        """
        if not _float32_is_float32(x):
            return self.double @ x.double()
        if self.reach * largest <= _EXACT:
            return self.single @ x.float()
        if x.shape[1] < _MIN_COLUMNS_TO_HALVE:
            return self.double @ x.double()
        first, second = self._halves
        middle = first.single.shape[1]
        return first.times(x[:, :middle], largest).double() + second.times(x[:, middle:], largest)

    @functools.cached_property
    def _halves(self) -> tuple[ExactWeights, ExactWeights]:
        first, second = (ExactWeights(half.contiguous()) for half in self.double.chunk(2, 1))
        return first, second


class ExactLayer:
    """A layer's weights by parts of its inputs, (outputs, inputs_i) float64 each, and its bias (outputs,)."""

    def __init__(self, weights: Sequence[Tensor], bias: Tensor) -> None:
        self.weights = [ExactWeights(weight.contiguous()) for weight in weights]
        self.bias = bias[:, None]
        self._single = self.bias.float()
        self._reach, self._bias_reach = sum(weight.reach for weight in self.weights), float(bias.abs().max())

    def sums(self, parts: Sequence[Tensor], largest: float) -> Tensor:
        """The sum of the bias and all products, a new tensor (B, outputs, L).

        parts: (B, inputs_i, L), or (B, inputs_i, 1) where all positions share it. largest: as in ``ExactWeights``.
        """
        total: Tensor
        # parts that all positions share come first: their products are small
        pairs = sorted(zip(self.weights, parts, strict=True), key=lambda pair: pair[1].shape[2])
        if self._reach * largest + self._bias_reach <= _EXACT and _float32_is_float32(parts[0]):
            total = self._single
            for weight, part in pairs:
                total = torch.baddbmm(total, weight.single.expand(len(part), -1, -1), part.float())
            return total
        total = self.bias
        for weight, part in pairs:
            total = total + weight.times(part, largest)
        return total


def largest_of(x: Tensor) -> float:
    """The largest absolute value of a tensor, 0 of an empty one."""
    if x.numel() == 0:
        return 0.0
    low, high = torch.aminmax(x)
    return max(-float(low), float(high))


@functools.cache
def _onednn_may_shorten() -> bool:
    """Whether the environment allows oneDNN to compute float32 products in shorter numbers; it reads this once."""
    return any(
        os.environ.get(name, "STRICT") != "STRICT"
        for name in ("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE")
    )


def _float32_is_float32(x: Tensor) -> bool:
    """Whether products are really computed in float32: some devices and settings use shorter numbers."""
    if x.device.type != "cpu" or _onednn_may_shorten():
        return False
    matmul = getattr(torch.backends.mkldnn, "matmul", None)  # newer versions of torch have a separate setting
    precision = getattr(matmul, "fp32_precision", None)
    return precision in ("none", "ieee") if precision else torch.get_float32_matmul_precision() == "highest"
