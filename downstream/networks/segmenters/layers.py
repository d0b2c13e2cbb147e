"""The base class of both segmenters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from downstream.networks.detectors.layers import Network
from downstream.ops.finite import require_finite

MIDDLE_GREY = 115.0
"""The padding of images whose sides are not multiples; the network sees it as 0, like its convolutions' padding."""


class Segmenter(Network):
    """A network whose raw maps are class logits: the answer first, then coarser maps that are only for training."""

    @torch.inference_mode()
    def labels(self, pixels: Tensor, *, flip: bool = False) -> Tensor:
        """The class of each pixel: uint8 (N, H, W).

        pixels: float32 (N, 3, H, W), 0 to 255, of any size. flip: the mean of the probabilities for the image and its
        mirror image decides.

        Raises:
            HeadError: a logit is not finite.
        """
        logits = self._logits(pixels)
        if flip:
            logits = logits.softmax(1) + self._logits(pixels.flip(3)).flip(3).softmax(1)
        require_finite(logits, "logits")
        return logits.argmax(1).to(torch.uint8)

    def _logits(self, pixels: Tensor) -> Tensor:
        """Logits at the size of the images: float32 (N, classes, H, W)."""
        height, width = pixels.shape[2:]
        padded = pad(pixels, (0, -width % self.multiple, 0, -height % self.multiple), value=MIDDLE_GREY)
        logits = self(padded.contiguous(memory_format=torch.channels_last))[0].float()
        logits = interpolate(logits, size=padded.shape[2:], mode="bilinear", align_corners=False)
        return logits[:, :, :height, :width]
