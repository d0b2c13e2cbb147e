"""Bilinear resizing and coordinates in integers, so that a coarse map says the same at every position on every machine.

    map (B, C, g, g) ──rows (h, g) · map · columns (w, g)^T──> 2**16 times the values ──floor, clip──> (B, C, h, w)

The weights of a row or column are whole numbers of 1/256 that add up to 256, computed in integers. The products stay
below 2**28, which float64 adds without error in any order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hsc.entropy_coding.integer_nets import requantise

_WEIGHT_BITS = 8
_COORDINATE = 128


def resize_integers(x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Activations stretched to another size: (B, C, g, g') of at most 12 bits -> (B, C, h, w) float64 integers.

    size: h and w, each 1 or more. Samples are centred in their cells, and beyond the outermost centres the map is
    constant. The gradient is that of the interpolation.
    """
    rows, columns = (_weights(source, target).to(x.device) for source, target in zip(x.shape[2:], size, strict=True))
    return requantise(rows @ x.double() @ columns.t(), 1, 2 * _WEIGHT_BITS)


def coordinates(size: torch.Size | tuple[int, int], device: torch.device) -> Tensor:
    """Row and column of every position of a map, from -128 at one edge to 127 at the other: (1, 2, h, w) float64.

    >>> coordinates((1, 2), torch.device("cpu"))[0, :, 0].tolist()
    [[0.0, 0.0], [-64.0, 64.0]]
    """
    axes = [
        torch.div((2 * torch.arange(side, device=device) + 1) * _COORDINATE, side, rounding_mode="floor") - _COORDINATE
        for side in size
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].double()


def _weights(source: int, target: int) -> Tensor:
    """The weights in 1/256 of ``source`` samples at ``target`` positions, (target, source) float64 integers."""
    # the centre of position i lies at (2 i + 1) source / (2 target) - 1/2 samples
    numerator = ((2 * torch.arange(target) + 1) * source - target).clamp(0, 2 * target * (source - 1))
    low = torch.div(numerator, 2 * target, rounding_mode="floor").clamp(max=max(0, source - 2))
    share = torch.div((numerator - low * 2 * target) << _WEIGHT_BITS, 2 * target, rounding_mode="floor")
    weights = torch.zeros(target, source, dtype=torch.float64)
    weights.scatter_(1, low[:, None], ((1 << _WEIGHT_BITS) - share).double()[:, None])
    if source > 1:
        weights.scatter_(1, low[:, None] + 1, share.double()[:, None])
    return weights
