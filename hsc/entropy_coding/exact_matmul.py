"""Sums of integer products without any error, in float32 where nothing can be rounded.

Integers up to 2**24 are exact in float32, so a sum of products is too, in any order and with any number of threads, if
no part of it can be
larger: for inputs up to m where m times the largest sum of weights of a row is at most 2**24. That is a matter of the
weights and of the inputs at hand, not of luck. Where it does not hold for all columns it may for halves of them; what
is left is done in float64. All ways give the same integers, and float32 takes half the time.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import torch
from torch import Tensor

_EXACT = float(1 << 24)
_MIN_COLUMNS_TO_HALVE = 256  # columns that are still worth halving


class ExactWeights:
    """A matrix of integers, (outputs, inputs) float64, to multiply by; it must not change afterwards."""

    def __init__(self, weight: Tensor) -> None:
        self.double, self.single = weight, weight.float()
        self.reach = float(weight.abs().sum(1).max())

    def times(self, x: Tensor, largest: float) -> Tensor:
        """(B, inputs, L) integers in float32 or float64, none beyond ``largest`` in size -> (B, outputs, L) in either.
        Without gradient.
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
    """Weights of a layer by parts of its inputs, (outputs, inputs_i) float64 each, and its bias (outputs,)."""

    def __init__(self, weights: Sequence[Tensor], bias: Tensor) -> None:
        self.weights = [ExactWeights(weight.contiguous()) for weight in weights]
        self.bias = bias[:, None]
        self._single = self.bias.float()
        self._reach, self._bias_reach = sum(weight.reach for weight in self.weights), float(bias.abs().max())

    def sums(self, parts: Sequence[Tensor], largest: float) -> Tensor:
        """Bias and all products: (B, inputs_i, L) or (B, inputs_i, 1) each, as ``ExactWeights`` takes them -> (B,
        outputs, L), a new tensor.
        """
        found: Tensor
        pairs = sorted(
            zip(self.weights, parts, strict=True), key=lambda pair: pair[1].shape[2]
        )  # first what all positions share
        if self._reach * largest + self._bias_reach <= _EXACT and _float32_is_float32(parts[0]):
            found = self._single
            for weight, part in pairs:
                found = torch.baddbmm(found, weight.single.expand(len(part), -1, -1), part.float())
            return found
        found = self.bias
        for weight, part in pairs:
            found = found + weight.times(part, largest)
        return found


def largest_of(x: Tensor) -> float:
    """The size of the largest number there is, 0 of none."""
    if x.numel() == 0:
        return 0.0
    low, high = torch.aminmax(x)
    return max(-float(low), float(high))


@functools.cache
def _told_to_shorten() -> bool:
    """What the library behind torch reads once in a process."""
    return any(
        os.environ.get(name, "STRICT") != "STRICT"
        for name in ("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE")
    )


def _float32_is_float32(x: Tensor) -> bool:
    """Whether products are made in float32 as asked: devices and settings may make them of shorter numbers."""
    if x.device.type != "cpu" or _told_to_shorten():
        return False
    newer = getattr(
        getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None
    )  # a setting of its own, in newer versions of torch
    return newer in ("none", "ieee") if newer else torch.get_float32_matmul_precision() == "highest"
