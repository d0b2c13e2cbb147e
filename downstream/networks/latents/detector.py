"""A detector on latents: the pixel detector ``hourglass`` behind a lift from the latents.

    field, vectors -> lift -> planes, 5/4 of the image's size -> hourglass -> heat, geometry -> boxes in the image

The hourglass is that of ``downstream/networks/detectors/hourglass.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from downstream.networks.detectors.hourglass import STRIDE, Hourglass
from downstream.networks.detectors.layers import Candidates
from downstream.networks.latents.adapter import Lift, begin, covering_answers
from downstream.networks.latents.inputs import LatentInput


class LatentHourglass(Hourglass):
    """The hourglass on planes from latents.

    Its raw output is that of ``Hourglass`` on the planes, without padding: heat (N, classes, h, w), geometry
    (N, 4, h, w).
    """

    lift_only: bool
    """Whether the output is the planes themselves, to train only the lift."""
    zoom: ClassVar[float] = 1.25
    """Size of the planes relative to the image: the zoom of the head ``small``, for small boxes."""

    def __init__(self, latent_input: LatentInput, classes: int) -> None:
        super().__init__(classes)
        self.lift_only = False
        self.lift = Lift(latent_input, self.zoom)

    def forward(self, field: Tensor, vectors: Tensor | None = None) -> tuple[Tensor, ...]:
        planes = self.lift(field, vectors)
        if self.lift_only:
            return (planes,)
        height, width = (side // STRIDE for side in planes.shape[2:])
        return tuple(maps[:, :, :height, :width] for maps in covering_answers(planes, self))

    def candidates(self, raw: tuple[Tensor, ...]) -> Candidates:
        boxes, scores = super().candidates(raw)
        return Candidates(boxes / self.zoom, scores)

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        begin(self, tensors)
