"""The residual unit of the compression networks, and the initialisation of their convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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
