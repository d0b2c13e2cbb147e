"""A detector on latents: each object one peak of a heat map at stride 4, as the pixel detector ``hourglass`` has it.

    field, words -> trunk -> heat (classes), geometry (4)

Objects as points: Zhou et al., "Objects as Points", arXiv 1904.07850.
"""

from __future__ import annotations

from torch import Tensor

from downstream.detectors.hourglass import peaks_of
from downstream.detectors.layers import RARE, Candidates, Detector, output_convolution
from downstream.latent_networks.reading import Reading
from downstream.latent_networks.trunk import FINE_WIDTH, Trunk


class Centres(Detector):
    """Raw output is that of ``downstream.detectors.hourglass``: heat (N, classes, H/4, W/4) and geometry (N, 4, H/4, W/4)."""

    def __init__(self, reading: Reading, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk(reading)
        self.heat = output_convolution(FINE_WIDTH, classes, 1, bias=RARE)
        self.geometry = output_convolution(FINE_WIDTH, 4, 1, bias=0.0)

    def forward(self, field: Tensor, words: Tensor | None = None) -> tuple[Tensor, ...]:
        fine = self.trunk(field, words).fine
        return self.heat(fine), self.geometry(fine)

    def candidates(self, raw: tuple[Tensor, ...]) -> Candidates:
        return peaks_of(raw)
