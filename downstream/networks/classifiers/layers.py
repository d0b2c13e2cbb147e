"""The base class of both classifiers."""

from __future__ import annotations

import torch
from torch import Tensor

from downstream.networks.detectors.layers import Network
from downstream.ops.finite import require_finite


class Classifier(Network):
    """A network whose only raw map is the logits of the classes, float32 (N, classes)."""

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        """Logits of square views, float32 (N, classes).

        pixels: float32 (N, 3, side, side), 0 to 255, as ``downstream.ops.object_views`` makes them.

        Raises:
            HeadError: a logit is not finite.
        """
        logits: Tensor = self(pixels.contiguous(memory_format=torch.channels_last))[0].float()
        require_finite(logits, "logits")
        return logits
