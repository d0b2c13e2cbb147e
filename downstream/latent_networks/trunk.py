"""The trunk of both latent heads: from F's samples, coloured by w, up to stride 4.

    field -> norm -> 1x1 -> FiLM <- words
                             |
                      3 residual blocks -> x ---> (3x3 -> 2x2 pixels of a quarter of the channels) until stride 4 -> fine

Reading compressed features: Torfason, Mentzer, Agustsson, Tschannen, Timofte, Van Gool, "Towards Image Understanding from Deep Compression
without Decoding", ICLR 2018. FiLM: Perez et al., AAAI 2018. Residual blocks: He et al. 2016. Upsampling: Shi et al., "ESPCN", CVPR 2016: since
a codec's channels tell where in its cell a thing is, each of the four pixels gets weights of its own.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from torch import Tensor, nn

from downstream.detectors.hourglass import STRIDE
from downstream.detectors.layers import ConvNorm
from downstream.detectors.pyramid import Residual
from downstream.latent_networks.reading import Reading

FINE_WIDTH = 32
WIDTH = 128
_MIDDLE_WIDTH = 64
_BLOCKS = 3
_FILM_WIDTH = 64


class Film(nn.Module):
    """Scales and shifts the channels of a map as a vector says; before training by nothing."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(_FILM_WIDTH, 2 * width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.read = nn.Sequential(nn.LayerNorm(words, elementwise_affine=False), nn.Linear(words, _FILM_WIDTH), nn.ReLU(), last)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """x: (N, width, h, w). words: (N, V). As x."""
        scale, shift = self.read(words)[:, :, None, None].chunk(2, 1)  # (N, 2 * width) -> twice (N, width, 1, 1)
        shaped: Tensor = x * (1 + scale) + shift
        return shaped


class Raised(NamedTuple):
    """coarse: (N, WIDTH, h, w), at the stride of the field. fine: (N, FINE_WIDTH, H/4, W/4)."""

    coarse: Tensor
    fine: Tensor


class Trunk(nn.Module):
    """The trunk for one reading; see the module's docstring."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(reading.channels, affine=False)
        self.enter = ConvNorm(reading.channels, WIDTH, 1, relu=False)
        self.film = Film(reading.words, WIDTH) if reading.words else None
        self.blocks = nn.Sequential(nn.ReLU(), *(Residual(WIDTH) for _ in range(_BLOCKS)))
        doublings = (reading.stride // STRIDE).bit_length() - 1
        widths = [WIDTH, *[_MIDDLE_WIDTH] * (doublings - 1), FINE_WIDTH] if doublings else [WIDTH]
        ups = [nn.Sequential(ConvNorm(a, 4 * b), nn.PixelShuffle(2)) for a, b in itertools.pairwise(widths)]
        self.up = nn.Sequential(*ups, ConvNorm(widths[-1], FINE_WIDTH))

    def forward(self, field: Tensor, words: Tensor | None = None) -> Raised:
        x = self.enter(self.norm(field))
        if self.film is not None:
            assert words is not None
            x = self.film(x, words)
        coarse = self.blocks(x)
        return Raised(coarse, self.up(coarse))
