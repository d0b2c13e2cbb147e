"""A segmenter on latents: the pixel segmenter ``context`` with a lift from the latents in place of its stem.

field, words -> lift -> features at stride 4 -> what follows the stem in downstream/segmenters/context.py -> classes at stride 4
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from downstream.detectors.hourglass import STRIDE
from downstream.latent_networks.lift import Lift, begin, whole
from downstream.latent_networks.reading import Reading
from downstream.segmenters.context import STEM_WIDTH, Context


class Pixels(Context):
    """Raw output: logits (N, classes, h, w) at stride 4 and coarse logits at stride 16 as those of ``Context``, then the lift's features."""

    def __init__(self, reading: Reading, classes: int) -> None:
        super().__init__(classes)
        self.c4 = Lift(reading, STEM_WIDTH)

    def forward(self, field: Tensor, words: Tensor | None = None) -> tuple[Tensor, ...]:
        features = self.c4(field, words)
        rows, columns = features.shape[2:]
        logits, coarse = self.above(whole(features, self.multiple))
        return logits[:, :, :rows, :columns], coarse, features

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        begin(self, tensors, "c4")

    @torch.inference_mode()
    def labels_of(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> Tensor:
        """The class of each pixel of images of one size: uint8 (N, H, W)."""
        logits = self(*inputs)[0].float()
        height, width = (STRIDE * side for side in logits.shape[2:])
        logits = interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
        return logits[:, :, : image_hw[0], : image_hw[1]].argmax(1).to(torch.uint8)
