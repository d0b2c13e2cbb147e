"""Each quality's price of a bit, steered so that the quality has the rate it was given.

    quality ──interpolated between whole ones──> price        loss of a sample = D + price * bpp
    bpp above the quality's target: the price rises; below: it falls

With prices fixed by hand, where the six qualities end is known only after training. Here the rates are given, and the
prices follow; they are written to the log. At the end they hardly move, so every quality is a point of its own
trade-off all the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hsc.entropy_coding.container import QUALITY_STEPS

_FIRST_PRICE, _FIRST_SLOPE = (
    6.0,
    -1.2,
)  # at 0.1 bpp, and of log price over log rate: about what bits were worth to the small profile
_SPEED = 0.03


class Prices:
    """Prices of whole qualities, lowest first. targets: bits per pixel of the qualities 1, 2, ...; at least two,
    rising.
    """

    def __init__(self, targets: tuple[float, ...]) -> None:
        self.log_targets = torch.tensor([math.log(t) for t in targets])
        self.log_prices = math.log(_FIRST_PRICE) + _FIRST_SLOPE * (self.log_targets - math.log(0.1))

    def draw(self, batch: int, random: torch.Generator) -> Tensor:
        """Qualities for a batch: (B,) int64 in 1/32, spread evenly over the range so that every batch sees low and
        high.
        """
        highest = len(self.log_targets) - 1
        place = (
            (torch.arange(batch) + torch.rand(batch, generator=random)) / batch * highest
        )  # one in each of B equal parts
        order = torch.randperm(batch, generator=random)
        return (place * QUALITY_STEPS).round().long()[order] + QUALITY_STEPS

    def price(self, quality: Tensor) -> Tensor:
        """(B,) int64 -> (B,) float32."""
        return (self._shares(quality) @ self.log_prices).exp()

    def target(self, quality: Tensor) -> Tensor:
        """Bits per pixel that these qualities should have: (B,) int64 -> (B,) float32."""
        return (self._shares(quality) @ self.log_targets).exp()

    def learn(self, quality: Tensor, bpp: Tensor) -> None:
        """Move the prices by what a batch cost, as far for many samples as for few; one far from its target counts as
        one at twice the target.
        """
        off = (bpp.detach().cpu() / self.target(quality) - 1).clamp(-1, 1)
        self.log_prices = self.log_prices + _SPEED * (self._shares(quality) * off[:, None]).mean(0)

    def _shares(self, quality: Tensor) -> Tensor:
        """Linear interpolation between neighbours: (B, number of prices)."""
        place = (quality.cpu().float() / QUALITY_STEPS - 1).clamp(0, len(self.log_targets) - 1)
        return (1 - (place[:, None] - torch.arange(len(self.log_targets))).abs()).clamp(min=0)
