"""Normalisation of an encoder's outputs to zero mean and unit variance, by fixed statistics, and its inverse."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsc.errors import UsageError


class Standard(nn.Module):
    """(x - mean) / scale along axis 1 of (B, C, ...), and its inverse; mean 0 and scale 1 until ``set`` is called.

    The statistics are those of a training set and are not learned. They give the networks that follow inputs of a sane
    scale, whatever the encoder's own is.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    @torch.no_grad()
    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Set the statistics, both (C,); scales below 1e-3 of the largest are raised to that.

        Raises:
            UsageError: a shape differs, or no scale is above 0.
        """
        if mean.shape != self.mean.shape or scale.shape != self.scale.shape or not float(scale.max()) > 0:
            raise UsageError(
                f"statistics came as {tuple(mean.shape)} and {tuple(scale.shape)}, expected {tuple(self.mean.shape)} "
                f"with scales above 0"
            )
        self.mean.copy_(mean)
        self.scale.copy_(scale.clamp(min=float(scale.max()) * 1e-3))

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (x.ndim - 2)
        return (x - self.mean.view(shape)) / self.scale.view(shape)

    def inverse(self, x: Tensor) -> Tensor:
        """Undo ``forward``."""
        shape = (-1,) + (1,) * (x.ndim - 2)
        return x * self.scale.view(shape) + self.mean.view(shape)
