"""A detector on latents: the pixel detector ``hourglass`` behind a lift from the latents.

field, words -> lift -> planes -> downstream/detectors/hourglass.py -> heat, geometry
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from downstream.detectors.hourglass import Hourglass
from downstream.latent_networks.lift import Lift, answers_for, begin
from downstream.latent_networks.reading import Reading


class Centres(Hourglass):
    """Raw output is that of ``Hourglass``, for the samples of the field and no more: heat (N, classes, h, w) and geometry (N, 4, h, w)."""

    def __init__(self, reading: Reading, classes: int) -> None:
        super().__init__(classes)
        self.lift = Lift(reading)

    def forward(self, field: Tensor, words: Tensor | None = None) -> tuple[Tensor, ...]:
        return answers_for(self.lift(field, words), self)

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        begin(self, tensors)
