"""A residual trunk and the mean of its last map.

    pixels (64, 64) -> /2: 24 -> /4: 48 -> /8: 96 -> /16: 160 -> mean -> logits
                                 x + 2 convolutions at /4, /8 and /16

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

from torch import Tensor, nn

from downstream.networks.classifiers.layers import Classifier
from downstream.networks.detectors.layers import ConvNorm, normalised
from downstream.networks.detectors.pyramid import Residual

_WIDTHS = (48, 96, 160)


class ResidualClassifier(Classifier):
    """0.86 million parameters for five classes, 37 million multiplications for a view of 64x64 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(3, 24, stride=2)]
        before = 24
        for width in _WIDTHS:
            layers += [ConvNorm(before, width, stride=2), Residual(width)]
            before = width
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        """pixels: float32 (N, 3, H, W), 0 to 255, with sides that are multiples of 16."""
        features = self.trunk(normalised(pixels))  # (N, 160, H/16, W/16)
        return (self.head(features.mean((2, 3))),)
