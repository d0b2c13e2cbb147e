"""The transforms between F and y, the values that the feature compression network (``hsc.networks.fcn``) codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsc.networks.config import FeatureConfig
from hsc.networks.residual_unit import ResidualUnit, keep_variance


class Transform(nn.Module):
    """g_a (F to y) or g_s (y to F): residual units of one width; w_hat scales and shifts their input.

    (B, inputs, h, w) and w_hat (B, n, d) -> (B, outputs, h', w'). With stride 2, g_a halves both sides, rounded up, and
    g_s doubles them. With stride 1 a linear path runs beside the units. In g_a every value of y is then also multiplied
    by a gate between 0 and 2, which starts at 1: the gate can bring unimportant values below the quantiser's step
    without the units having to cancel the linear path, so bits go where they count.
    """

    def __init__(self, inputs: int, outputs: int, config: FeatureConfig, style_dim: int, *, up: bool) -> None:
        super().__init__()
        down = config.stride if not up else 1
        # F has many channels: a 1x1 kernel there leaves parameters for the units
        kernel = 1 if config.stride == 1 and not up else 3
        self.enter = nn.Conv2d(inputs, config.width, kernel, stride=down, padding=kernel // 2)
        self.modulation = nn.Sequential(nn.Linear(style_dim, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2 * config.width))
        self.units = nn.Sequential(*(ResidualUnit(config.width) for _ in range(config.depth)))
        if up and config.stride == 2:
            self.leave: nn.Module = nn.Sequential(
                nn.Conv2d(config.width, 4 * outputs, 3, padding=1), nn.PixelShuffle(2)
            )
        else:
            self.leave = nn.Conv2d(config.width, outputs, 1 if up else 3, padding=0 if up else 1)
        for layer in (self.enter, self.leave):
            keep_variance(layer)
        self.direct: nn.Conv2d | None = None
        self.gate: nn.Conv2d | None = None
        if config.stride == 1:  # the linear path: y starts as the first channels of F, and F as those of y
            self.direct = nn.Conv2d(inputs, outputs, 1, bias=False)
            with torch.no_grad():
                nn.init.dirac_(self.direct.weight)
                for parameter in self.leave.parameters():
                    parameter.mul_(0.1)
            if not up:
                self.gate = nn.Conv2d(config.width, outputs, 1)
                for parameter in self.gate.parameters():
                    nn.init.zeros_(parameter)

    def forward(self, x: Tensor, w_hat: Tensor) -> Tensor:
        scale, shift = self.modulation(w_hat.flatten(1))[:, :, None, None].chunk(2, 1)
        inner: Tensor = self.units(self.enter(x) * (1 + scale) + shift)
        y: Tensor = self.leave(inner)
        if self.direct is not None:
            y = y + self.direct(x)
        return y if self.gate is None else y * (2 * torch.sigmoid(self.gate(inner)))
