"""A segmenter on latents: classes at stride 4, brought to the image's size by bilinear interpolation.

field, words -> trunk -> classes at stride 4; beside them, for training, classes at the stride of the field
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from downstream.detectors.hourglass import STRIDE
from downstream.detectors.layers import Network, output_convolution
from downstream.latent_networks.reading import Reading
from downstream.latent_networks.trunk import FINE_WIDTH, WIDTH, Trunk


class Pixels(Network):
    """Raw output: logits (N, classes, H/4, W/4) and coarse logits (N, classes, h, w)."""

    def __init__(self, reading: Reading, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk(reading)
        self.classify = output_convolution(FINE_WIDTH, classes, 1, bias=0.0)
        self.coarse = output_convolution(WIDTH, classes, 1, bias=0.0)

    def forward(self, field: Tensor, words: Tensor | None = None) -> tuple[Tensor, ...]:
        raised = self.trunk(field, words)
        return self.classify(raised.fine), self.coarse(raised.coarse)

    @torch.inference_mode()
    def labels(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> Tensor:
        """The class of each pixel of images of one size: uint8 (N, H, W)."""
        logits = self(*inputs)[0].float()
        height, width = (STRIDE * side for side in logits.shape[2:])
        logits = interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
        return logits[:, :, : image_hw[0], : image_hw[1]].argmax(1).to(torch.uint8)
