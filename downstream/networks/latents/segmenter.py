"""A segmenter on latents: the pixel segmenter ``context`` behind a lift from the latents.

    field, vectors -> lift -> planes, 3/4 of the image's size -> context -> resampled to stride 4 of the image

The context network is that of ``downstream/networks/segmenters/context.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from downstream.networks.detectors.hourglass import STRIDE
from downstream.networks.latents.adapter import Lift, begin, covering_answers
from downstream.networks.latents.inputs import LatentInput
from downstream.networks.segmenters.context import Context
from downstream.ops.finite import require_finite


class LatentContext(Context):
    """The context network on planes from latents.

    Its raw output is that of ``Context``, without padding: logits (N, classes, h, w) at stride 4, and coarse logits.
    """

    lift_only: bool
    """Whether the output is the planes themselves, to train only the lift."""
    zoom: ClassVar[float] = 0.75
    """Size of the planes relative to the image: 9/16 of the samples are enough for label maps, not for small boxes."""

    def __init__(self, latent_input: LatentInput, classes: int) -> None:
        super().__init__(classes)
        self.lift_only = False
        self.lift = Lift(latent_input, self.zoom)
        self.stride = latent_input.stride

    def forward(self, field: Tensor, vectors: Tensor | None = None) -> tuple[Tensor, ...]:
        planes = self.lift(field, vectors)
        if self.lift_only:
            return (planes,)
        fine, *coarse = covering_answers(planes, self)
        fine = interpolate(fine, scale_factor=1 / self.zoom, mode="bilinear", align_corners=False)
        height, width = (side * self.stride // STRIDE for side in field.shape[2:])
        return fine[:, :, :height, :width], *coarse

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        begin(self, tensors)

    @torch.inference_mode()
    def labels_of(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> Tensor:
        """The class of each pixel of N images of one size: uint8 (N, H, W)."""
        logits = self(*inputs)[0].float()
        height, width = (STRIDE * side for side in logits.shape[2:])
        logits = interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
        require_finite(logits, "logits")
        return logits[:, :, : image_hw[0], : image_hw[1]].argmax(1).to(torch.uint8)
