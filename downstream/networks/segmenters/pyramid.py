"""A residual encoder and a light decoder with skip connections.

    pixels -> /2 -> c4 -> c8 -> c16 -> c32 -> + mean of the image
              |     |     |      |      |
              |     p4 <- p8 <-- p16 <- p32       1x1 laterals, bilinear sums, 3x3
              |     |            |
              +---> p2           coarse           classes at stride 16, for training
                    |
                    classes at stride 2

Encoder: He et al. 2016 (residual blocks). Decoder: Ronneberger et al. 2015 (skips), Lin et al. 2017 (feature
pyramids). The mean of the image: Liu, Rabinovich, Berg, "ParseNet", 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from downstream.networks.detectors.layers import ConvNorm, normalised, output_convolution
from downstream.networks.detectors.pyramid import Residual
from downstream.networks.segmenters.layers import Segmenter

_WIDTHS = (32, 64, 96, 128)  # of c4 to c32
_PYRAMID, _FINE = 64, 24


class Pyramid(Segmenter):
    """The encoder-decoder segmenter.

    Its raw output is logits (N, classes, H/2, W/2) and coarse logits (N, classes, H/16, W/16).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        w4, w8, w16, w32 = _WIDTHS
        self.c2 = ConvNorm(3, 16, stride=2)
        self.c4 = nn.Sequential(ConvNorm(16, w4, stride=2), Residual(w4))
        self.c8 = nn.Sequential(ConvNorm(w4, w8, stride=2), Residual(w8), Residual(w8))
        self.c16 = nn.Sequential(ConvNorm(w8, w16, stride=2), Residual(w16), Residual(w16))
        self.c32 = nn.Sequential(ConvNorm(w16, w32, stride=2), Residual(w32))
        self.mean = nn.Conv2d(w32, _PYRAMID, 1)
        self.laterals = nn.ModuleList([ConvNorm(w, _PYRAMID, 1, relu=False) for w in _WIDTHS])
        self.smooth = nn.ModuleList([ConvNorm(_PYRAMID, _PYRAMID) for _ in _WIDTHS])
        self.narrow = ConvNorm(_PYRAMID, 32, 1)
        self.p2 = ConvNorm(32 + 16, _FINE)
        self.classify = output_convolution(_FINE, classes, 1, bias=0.0)
        self.coarse = output_convolution(_PYRAMID, classes, 1, bias=0.0)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        c2 = self.c2(normalised(pixels))
        c4 = self.c4(c2)
        c8 = self.c8(c4)
        c16 = self.c16(c8)
        c32 = self.c32(c16)
        p32 = self.smooth[3](self.laterals[3](c32) + self.mean(c32.mean((2, 3), keepdim=True)))
        p16 = self.smooth[2](self.laterals[2](c16) + _doubled(p32))
        p8 = self.smooth[1](self.laterals[1](c8) + _doubled(p16))
        p4 = self.smooth[0](self.laterals[0](c4) + _doubled(p8))
        p2 = self.p2(torch.cat([_doubled(self.narrow(p4)), c2], 1))
        return self.classify(p2), self.coarse(p16)


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
