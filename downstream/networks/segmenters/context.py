"""A dilated trunk of bottlenecks, attention from each pixel to the region of each class, and a bilinear head.

    pixels -> /2 -> /4 -> /8 -> /16, dilated 1 2 4 8 1 2 4 8 -> x ---> coarse classes
                    |                                           |          |
                    |                                           |     regions: one mean of x a class
                    |                                           |          |
                    |                                           +--> attention --> z, bilinear to stride 4
                    +--------------------------------------------------------------> + -> 3x3 -> classes at stride 4

Trunk: He et al. 2016 (bottlenecks), Yu and Koltun 2016 (dilation). Regions and attention: Yuan, Chen, Wang,
"Object-Contextual Representations for Semantic Segmentation", ECCV 2020. Head: Chen et al., "DeepLabv3+", ECCV 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from downstream.networks.detectors.layers import ConvNorm, normalised, output_convolution
from downstream.networks.segmenters.layers import Segmenter

_DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8)
_WIDTH, _KEYS, _HEAD = 176, 64, 64


class Bottleneck(nn.Module):
    """x + 1x1 to half the width, 3x3 dilated, 1x1 back."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        inner = width // 2
        self.layers = nn.Sequential(
            ConvNorm(width, inner, 1),
            ConvNorm(inner, inner, dilation=dilation),
            ConvNorm(inner, width, 1, relu=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.layers(x))


class RegionAttention(nn.Module):
    """Attention from each pixel to the mean features of the regions of the classes."""

    def __init__(self, width: int, keys: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(width, keys, 1)
        self.key, self.value = nn.Linear(width, keys), nn.Linear(width, keys)
        self.merge = ConvNorm(width + keys, width, 1)
        self.scale = keys**-0.5

    def forward(self, x: Tensor, coarse: Tensor) -> Tensor:
        """The features with region context, shaped as x. x: (N, width, h, w). coarse: logits (N, classes, h, w)."""
        shares = coarse.flatten(2).softmax(2)  # (N, classes, h * w): each class's weights sum to 1
        regions = shares @ x.flatten(2).transpose(1, 2)  # (N, classes, width)
        queries = self.query(x).flatten(2).transpose(1, 2)  # (N, h * w, keys)
        attention = (queries @ self.key(regions).transpose(1, 2) * self.scale).softmax(2)  # (N, h * w, classes)
        context = (attention @ self.value(regions)).transpose(1, 2).unflatten(2, x.shape[2:])  # (N, keys, h, w)
        merged: Tensor = self.merge(torch.cat([x, context], 1))
        return merged


class Context(Segmenter):
    """The segmenter with region attention.

    Its raw output is logits (N, classes, H/4, W/4) and coarse logits (N, classes, H/16, W/16).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.c4 = nn.Sequential(ConvNorm(3, 24, stride=2), ConvNorm(24, 48, stride=2), ConvNorm(48, 48))
        self.c8 = nn.Sequential(ConvNorm(48, 80, stride=2), Bottleneck(80), Bottleneck(80))
        self.c16 = nn.Sequential(ConvNorm(80, _WIDTH, stride=2), *(Bottleneck(_WIDTH, d) for d in _DILATIONS))
        self.coarse = output_convolution(_WIDTH, classes, 1, bias=0.0)
        self.attention = RegionAttention(_WIDTH, _KEYS)
        self.far = ConvNorm(_WIDTH, _HEAD, 1, relu=False)
        self.near = ConvNorm(48, _HEAD, 1, relu=False)
        self.head = nn.Sequential(nn.ReLU(), ConvNorm(_HEAD, _HEAD))
        self.classify = output_convolution(_HEAD, classes, 1, bias=0.0)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return self.answers(normalised(pixels))

    def answers(self, planes: Tensor) -> tuple[Tensor, ...]:
        """The raw output for normalised pixels, or planes in their place: (N, 3, H, W)."""
        c4 = self.c4(planes)
        x = self.c16(self.c8(c4))
        coarse = self.coarse(x)
        far = self.far(self.attention(x, coarse))
        near = self.near(c4)
        both = near + interpolate(far, size=near.shape[2:], mode="bilinear", align_corners=False)
        return self.classify(self.head(both)), coarse
