"""A differentiable proxy of the rate for training: bits under the Gaussians of the integer tables.

Not for reports: report a file's length, or ``hsc.entropy_coding.layered_stream.estimate_bits``, which uses the tables.
Additive uniform noise in place of rounding: Balle, Laparra, Simoncelli, 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussian_bits(
    values: Tensor,
    mean: Tensor,
    level: Tensor,
    *,
    smallest: float = 0.11,
    largest: float = 32.0,
    levels: int = 40,
    phases: int = 16,
) -> Tensor:
    """Bits of each value, float32 or wider, in the shape of ``values``.

    values: integers, or numbers with uniform noise in -1/2 to 1/2. mean: steps of 1/phases. level: 0 to levels - 1.
    The scales are those of ``hsc.entropy_coding.cdf_tables.gaussian_scales`` with the same arguments, and level has a
    gradient. Far from the mean, where a table would use its escape, bits grow with the logarithm of the distance, as
    those of the escape do.
    """
    with torch.autocast(values.device.type, enabled=False):
        dtype = torch.promote_types(values.dtype, torch.float32)
        step = math.log(largest / smallest) / (levels - 1)
        scale = torch.exp(level.to(dtype) * step + math.log(smallest))
        distance = (values.to(dtype) - mean.to(dtype) / phases).abs()
        inside = torch.special.ndtr((0.5 - distance) / scale) - torch.special.ndtr((-0.5 - distance) / scale)
        escape = 2.0**-15 / (1 + distance / scale.detach()).square()
        return -torch.log2(inside * (1 - 2.0**-13) + escape)
