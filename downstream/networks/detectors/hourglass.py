"""A plain convolutional trunk, down to stride 32 and up to stride 4, where each object is one peak of a heat map.

    pixels -> /2 -> d4 -> d8 -> d16 -> d32
                    |     |     |      |
                    u4 <- u8 <- u16 <--+             1x1, upsampled sums, 3x3
                    |
                    heat (classes), size (2), offset (2)

Trunk: Simonyan and Zisserman 2015 (plain 3x3 convolutions). Shape: Newell et al. 2016. Objects as points: Zhou et al.,
"Objects as Points", arXiv 1904.07850; local peaks in place of non-maximum suppression.
"""

from __future__ import annotations

import torch
from torch import Tensor, cat, nn
from torch.nn.functional import interpolate, max_pool2d

from downstream.networks.detectors.layers import (
    RARE,
    Candidates,
    ConvNorm,
    Detector,
    cell_centres,
    normalised,
    output_convolution,
)

STRIDE = 4


class Hourglass(Detector):
    """A detector like CenterNet; its raw output is (heat, geometry).

    heat: logits (N, classes, H/4, W/4). geometry: (N, 4, H/4, W/4): log width and log height in cells; x and y offset
    of the box's centre from the cell's centre, in cells.
    """

    memory_format = torch.contiguous_format

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.d4 = nn.Sequential(ConvNorm(3, 16, stride=2), ConvNorm(16, 32, stride=2), ConvNorm(32, 32))
        self.d8 = nn.Sequential(ConvNorm(32, 64, stride=2), ConvNorm(64, 64))
        self.d16 = nn.Sequential(ConvNorm(64, 112, stride=2), ConvNorm(112, 112))
        self.d32 = nn.Sequential(ConvNorm(112, 160, stride=2), ConvNorm(160, 160), ConvNorm(160, 160))
        self.to16, self.to8, self.to4 = (
            ConvNorm(160, 112, 1, relu=False),
            ConvNorm(112, 64, 1, relu=False),
            ConvNorm(64, 32, 1, relu=False),
        )
        self.u16, self.u8, self.u4 = ConvNorm(112, 112), ConvNorm(64, 64), ConvNorm(32, 48)
        self.heat = output_convolution(48, classes, 1, bias=RARE)
        self.geometry = output_convolution(48, 4, 1, bias=0.0)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return self.answers(normalised(pixels))

    def answers(self, planes: Tensor) -> tuple[Tensor, ...]:
        """The raw output for normalised pixels, or planes in their place: (N, 3, H, W)."""
        d4 = self.d4(planes)
        d8 = self.d8(d4)
        d16 = self.d16(d8)
        u16 = self.u16(d16 + interpolate(self.to16(self.d32(d16)), scale_factor=2.0, mode="nearest"))
        u8 = self.u8(d8 + interpolate(self.to8(u16), scale_factor=2.0, mode="nearest"))
        u4 = self.u4(d4 + interpolate(self.to4(u8), scale_factor=2.0, mode="nearest"))
        return self.heat(u4), self.geometry(u4)

    def candidates(self, raw: tuple[Tensor, ...]) -> Candidates:
        return peaks_of(raw)


def peaks_of(raw: tuple[Tensor, ...]) -> Candidates:
    """Boxes from heat and geometry: a cell keeps its score if none of its eight neighbours has a higher one."""
    heat = raw[0].sigmoid()
    peaks = heat * (max_pool2d(heat, 3, 1, 1) == heat)
    return Candidates(boxes_of(raw[1]), peaks.flatten(2).transpose(1, 2))  # (N, classes, h, w) -> (N, h * w, classes)


def boxes_of(geometry: Tensor) -> Tensor:
    """Boxes (N, h * w, 4), left, top, right, bottom in input pixels, from geometry (N, 4, h, w)."""
    flat = geometry.flatten(2).transpose(1, 2)  # (N, 4, h, w) -> (N, h * w, 4)
    half = flat[..., :2].clamp(max=6).exp() * (STRIDE / 2)
    centres = cell_centres(geometry.shape[2], geometry.shape[3], STRIDE) + flat[..., 2:] * STRIDE
    return cat([centres - half, centres + half], -1)
