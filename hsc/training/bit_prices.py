"""The price of a bit at each quality, controlled so that the quality reaches its target rate.

    quality ──interpolated between whole ones──> price        loss of a sample = D + price * bpp
    bpp above the quality's target: the price rises; below: it falls

With prices fixed by hand, the rates of the qualities are known only after training. Here the rates are given and
the prices follow; they are written to the log. At the end they hardly change, so every quality still optimises its own
rate-distortion trade-off.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hsc.entropy_coding.container import QUALITY_STEPS

# about the final prices of the profile "small": the price at 0.1 bpp, and the slope of log price over log rate
_FIRST_PRICE, _FIRST_SLOPE = 6.0, -1.2
_SPEED = 0.03


class Prices:
    """The prices of whole qualities, lowest first. targets: rising bits per pixel of the qualities 1, 2, ..."""

    def __init__(self, targets: tuple[float, ...]) -> None:
        self.log_targets = torch.tensor([math.log(t) for t in targets])
        self.log_prices = math.log(_FIRST_PRICE) + _FIRST_SLOPE * (self.log_targets - math.log(0.1))

    def draw(self, batch: int, random: torch.Generator) -> Tensor:
        """Qualities for a batch, (B,) int64 in 1/32, one from each of B equal parts of the range, in random order."""
        highest = len(self.log_targets) - 1
        position = (torch.arange(batch) + torch.rand(batch, generator=random)) / batch * highest
        order = torch.randperm(batch, generator=random)
        return (position * QUALITY_STEPS).round().long()[order] + QUALITY_STEPS

    def price(self, quality: Tensor) -> Tensor:
        """The prices at these qualities: (B,) int64 in 1/32 -> (B,) float32."""
        return (self._shares(quality) @ self.log_prices).exp()

    def target(self, quality: Tensor) -> Tensor:
        """The target bits per pixel of these qualities: (B,) int64 in 1/32 -> (B,) float32."""
        return (self._shares(quality) @ self.log_targets).exp()

    def learn(self, quality: Tensor, bpp: Tensor) -> None:
        """Update the prices from the rates of a batch; the step does not depend on the number of samples.

        A rate above twice its target counts as twice the target.
        """
        excess = (bpp.detach().cpu() / self.target(quality) - 1).clamp(-1, 1)
        self.log_prices = self.log_prices + _SPEED * (self._shares(quality) * excess[:, None]).mean(0)

    def _shares(self, quality: Tensor) -> Tensor:
        """Weights of a linear interpolation between neighbouring prices, (B, number of prices)."""
        position = (quality.cpu().float() / QUALITY_STEPS - 1).clamp(0, len(self.log_targets) - 1)
        return (1 - (position[:, None] - torch.arange(len(self.log_targets))).abs()).clamp(min=0)
