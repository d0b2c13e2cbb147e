"""Depthwise separable convolutions, and a layer that sees the last map whole instead of its mean.

    pixels (64, 64) -> /2: 32 -> separable, /4: 64 -> /8: 128 -> /16: 192 -> 1x1: 32 -> flat (32 * 4 * 4) -> logits
                                    two separable convolutions at each stride

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", arXiv 1704.04861.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from downstream.networks.classifiers.layers import Classifier
from downstream.networks.detectors.layers import ConvNorm, normalised

_WIDTHS = (64, 128, 192)
_NARROW, _CELLS = 32, 4


def _separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 5x5 convolution of each channel alone, then a 1x1 convolution of all."""
    return nn.Sequential(
        ConvNorm(inputs, inputs, 5, stride, groups=inputs, relu=False), ConvNorm(inputs, outputs, kernel=1)
    )


class SeparableClassifier(Classifier):
    """0.12 million parameters for five classes; where the last map is not 4x4 cells, it is averaged to that."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(3, 32, stride=2)]
        before = 32
        for width in _WIDTHS:
            layers += [_separable(before, width, 2), _separable(width, width)]
            before = width
        self.trunk = nn.Sequential(*layers, ConvNorm(before, _NARROW, kernel=1))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(_NARROW * _CELLS * _CELLS, classes))

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        """pixels: float32 (N, 3, H, W), 0 to 255, with sides that are multiples of 16."""
        features = self.trunk(normalised(pixels))  # (N, 32, H/16, W/16)
        return (self.head(adaptive_avg_pool2d(features, _CELLS)),)
