"""A detector on latents: the pixel detector ``hourglass`` with a lift from the latents in place of its stem.

field, words -> lift -> features at stride 4 -> what follows the stem in downstream/detectors/hourglass.py -> heat, geometry
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from downstream.detectors.hourglass import STEM_WIDTH, Hourglass
from downstream.latent_networks.lift import Lift, begin, whole
from downstream.latent_networks.reading import Reading


class Centres(Hourglass):
    """Raw output: heat (N, classes, h, w) and geometry (N, 4, h, w) as those of ``Hourglass``, then the lift's features (N, C, h, w)."""

    def __init__(self, reading: Reading, classes: int) -> None:
        super().__init__(classes)
        self.d4 = Lift(reading, STEM_WIDTH)

    def forward(self, field: Tensor, words: Tensor | None = None) -> tuple[Tensor, ...]:
        features = self.d4(field, words)
        rows, columns = features.shape[2:]
        heat, geometry = self.above(whole(features, self.multiple))
        return heat[:, :, :rows, :columns], geometry[:, :, :rows, :columns], features

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        begin(self, tensors, "d4")
