"""A detector on latents: the pixel detector ``hourglass`` behind a lift from the latents.

field, words -> lift -> planes, 5/4 of the image's size -> downstream/networks/detectors/hourglass.py -> heat, geometry
-> boxes in the image
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from downstream.networks.detectors.hourglass import STRIDE, Hourglass
from downstream.networks.detectors.layers import Candidates
from downstream.networks.latents.adapter import Lift, begin, covering_answers
from downstream.networks.latents.inputs import Reading


class Centres(Hourglass):
    """Raw output is that of ``Hourglass`` on the planes, for the samples of the field and no more: heat (N, classes, h,
    w), geometry (N, 4, h, w).
    """

    lift_only: bool
    """Whether the answer ends at the planes, as training of the lift alone wants it."""
    zoom: ClassVar[float] = 1.25
    """Size of the planes, of the image's: that at which ``small`` looks at images, for the sake of small boxes."""

    def __init__(self, reading: Reading, classes: int) -> None:
        super().__init__(classes)
        self.lift_only = False
        self.lift = Lift(reading, self.zoom)

    def forward(self, field: Tensor, words: Tensor | None = None) -> tuple[Tensor, ...]:
        planes = self.lift(field, words)
        if self.lift_only:
            return (planes,)
        height, width = (side // STRIDE for side in planes.shape[2:])
        return tuple(maps[:, :, :height, :width] for maps in covering_answers(planes, self))

    def candidates(self, raw: tuple[Tensor, ...]) -> Candidates:
        boxes, scores = super().candidates(raw)
        return Candidates(boxes / self.zoom, scores)

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        begin(self, tensors)
