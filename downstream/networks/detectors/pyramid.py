"""A residual trunk with a feature pyramid and one dense head on three strides.

    pixels -> stem /2 -> /4 -> c8 -> c16 -> c32
                               |      |      |
                               p8 <-- p16 <- p32        1x1 laterals, upsampled sums, 3x3 smoothing
                               |      |      |
                               shared head: class scores, centre and size of the box

Trunk: He et al. 2016 (residual blocks). Neck: Lin et al. 2017 (feature pyramids). Head: anchor-free as in Ge et al.,
"YOLOX", 2021, with the quality of the box folded into the class score (Li et al., "Generalized Focal Loss", NeurIPS
2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from downstream.networks.detectors.layers import (
    RARE,
    Candidates,
    ConvNorm,
    Detector,
    cell_centres,
    normalised,
    output_convolution,
)

STRIDES = (8, 16, 32)


class Residual(nn.Module):
    """x + two 3x3 convolutions of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvNorm(width, width)
        self.second = ConvNorm(width, width, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Pyramid(Detector):
    """A dense detector on three strides; its raw output is (scores, geometry) for each stride s, finest first.

    scores: logits (N, classes, H/s, W/s). geometry: (N, 4, H/s, W/s): x and y offset of the box's centre from the
    cell's centre, log width, log height, all in cells.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNorm(3, 16, stride=2), ConvNorm(16, 32, stride=2), Residual(32))
        self.c8 = nn.Sequential(ConvNorm(32, 64, stride=2), Residual(64))
        self.c16 = nn.Sequential(ConvNorm(64, 96, stride=2), Residual(96), Residual(96))
        self.c32 = nn.Sequential(ConvNorm(96, 128, stride=2), Residual(128))
        width = 56
        self.laterals = nn.ModuleList([ConvNorm(c, width, 1, relu=False) for c in (64, 96, 128)])
        self.smooth = nn.ModuleList([ConvNorm(width, width) for _ in STRIDES])
        self.tower = ConvNorm(width, width)
        self.scores = output_convolution(width, classes, 3, bias=RARE)
        self.geometry = output_convolution(width, 4, 3, bias=0.0)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        c8 = self.c8(self.stem(normalised(pixels)))
        c16 = self.c16(c8)
        p32 = self.laterals[2](self.c32(c16))
        p16 = self.laterals[1](c16) + interpolate(p32, scale_factor=2.0, mode="nearest")
        p8 = self.laterals[0](c8) + interpolate(p16, scale_factor=2.0, mode="nearest")
        raw: list[Tensor] = []
        for smooth, level in zip(self.smooth, (p8, p16, p32), strict=True):
            features = self.tower(smooth(level))
            raw += [self.scores(features), self.geometry(features)]
        return tuple(raw)

    def candidates(self, raw: tuple[Tensor, ...]) -> Candidates:
        logits, boxes = flatten(raw)
        return Candidates(boxes, logits.sigmoid())


def flatten(raw: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Logits (N, cells, classes) and boxes (N, cells, 4) in input pixels, of all levels together."""
    logits, boxes = [], []
    for scores, geometry, stride in zip(raw[::2], raw[1::2], STRIDES, strict=True):
        logits.append(scores.flatten(2).transpose(1, 2))  # (N, classes, h, w) -> (N, h * w, classes)
        flat = geometry.flatten(2).transpose(1, 2)  # (N, 4, h, w) -> (N, h * w, 4)
        centre = cell_centres(scores.shape[2], scores.shape[3], stride) + flat[..., :2] * stride
        half = flat[..., 2:].clamp(max=6).exp() * (stride / 2)
        boxes.append(torch.cat([centre - half, centre + half], -1))
    return torch.cat(logits, 1), torch.cat(boxes, 1)
