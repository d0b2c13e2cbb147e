"""The networks of the codec: a linear transform of blocks, and a small filter that smooths the edges between them.

image --pad to 8--> x (N, 3, H, W) --analysis--> y (N, 96, H/8, W/8) --divide by gain x step, round--> symbols
symbols --times gain x step--> y_hat --synthesis--> --filter--> x_hat
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 8
"""Pixels along a block's side, the stride of the latents."""
CHANNELS = 96
"""Latent channels: 64 of brightness and 2 x 16 of colour, where the transform starts."""


class Network(nn.Module):
    """Everything that is trained. Pixels are floats from -128 to 127."""

    def __init__(self) -> None:
        super().__init__()
        basis = torch.from_numpy(start_basis())  # (96, 3, 8, 8), orthonormal
        self.analysis = nn.Conv2d(3, CHANNELS, BLOCK, stride=BLOCK, bias=False)
        self.synthesis = nn.ConvTranspose2d(CHANNELS, 3, BLOCK, stride=BLOCK, bias=False)
        self.analysis.weight.data.copy_(basis)
        self.synthesis.weight.data.copy_(basis)
        self.log_gain = nn.Parameter(torch.zeros(1, CHANNELS, 1, 1))
        self.filter = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1))
        for parameter in self.filter[2].parameters():  # it starts as no filter at all
            nn.init.zeros_(parameter)

    def encode(self, x: Tensor, step: float) -> Tensor:
        """Latents in quantiser steps, not rounded: (N, 3, H, W) -> (N, 96, H/8, W/8)."""
        return self.analysis(x) / (self.log_gain.exp() * step)

    def decode(self, symbols: Tensor, step: float) -> Tensor:
        """The image of rounded latents: (N, 96, H/8, W/8) -> (N, 3, H, W)."""
        x = self.synthesis(symbols * self.log_gain.exp() * step)
        return x + self.filter(x / 64) * 8


def start_basis() -> np.ndarray:
    """The cosine transform of 8x8 blocks of brightness and of two colour differences: float32 (96, 3, 8, 8)."""
    k, n = np.mgrid[:BLOCK, :BLOCK]
    cosines = np.sqrt(2 / BLOCK) * np.cos(np.pi * (n + 0.5) * k / BLOCK)
    cosines[0] /= np.sqrt(2)
    colours = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])
    waves = np.einsum("uy,vx->uvyx", cosines, cosines)
    parts = [(colours[0], 8), (colours[1], 4), (colours[2], 4)]
    planes = [np.einsum("c,uvyx->uvcyx", colour, waves[:side, :side]) for colour, side in parts]
    return np.concatenate([plane.reshape(-1, 3, BLOCK, BLOCK) for plane in planes]).astype(np.float32)
