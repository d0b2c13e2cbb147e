"""The coarse map of w: what is where in a picture, in a few bytes, whatever the picture's size.

    F, standardised ──pooled to the grid──> 1x1 conv ──linear──┐
                              └── convolutions, halved twice ──┴──> y (B, N, 1, 1) ──* gain, rounded──> symbols
    z = y_hat ──linear──> map (B, C, grid) ──stretched to F's size──> convolutions ──┬──> F_w (B, channels of F, h, w)
        └─────linear──> change of all styles, (B, n * d)                             └──> E_w, of the same shape

    symbols in 1/16, integers ──integer network──> map (B, K0, s, s) ──integer resize──┐
                                  coordinates and quality, integers ───────────────────┴──> context (B, K, h', w')

The symbols are coefficients of a basis over the whole map rather than samples of it: neighbouring cells of a street
resemble each other, and before any training the principal components of a few hundred pictures restore more per byte
than cells coded apart (``hsc.training.coarse_stage``). Decoded, they are a map again, so w says where things are: the
entropy parameters of F are predicted from it at every position, in integers alone, and so is F itself. It is predicted
twice from the same map, because F_hat is what the generator takes best rather than what is nearest to F: the feature
network codes F less E_w, and what it decodes is added to F_w. Without any of its layers the picture is that of F_w.

Untrained, F_w, E_w, the change of the styles and the context are zero. A model that takes all its other networks from
weights without a map therefore decodes the very pictures of those weights.

Source: ours. In Li et al. 2025 (see ``hsc.networks.scn``) the decoded W+ is a map of 9x32x32 that the context encoder
reads as one; F_w stands for the layers below F that a generator which starts at F does not have.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding.gains import PriorTable
from hsc.entropy_coding.integer_nets import IntegerSequence, requantise
from hsc.entropy_coding.integer_resize import coordinates, resize_integers
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.residual_unit import ResidualUnit, keep_variance

CONTEXT_EXTRA_SHIFT = 2
"""Coefficients reach four times further than other symbols, so the integer networks read them in steps four times as
wide."""

_BRANCH = 32
_GAIN_SHARE = 1 / 3  # the map's rate should rise less with the quality than that of F


class Prediction(NamedTuple):
    """F as the map predicts it, in units of standardised F, (B, channels, h, w) both.

    decoded: F_w, to which what F's layers decode to is added. expected: E_w, which the encoder subtracts from F.
    """

    decoded: Tensor
    expected: Tensor


class CoarseMap(nn.Module):
    """The float side of the map of a ``CoarseMapConfig`` and its prior, randomly initialised.

    channels: of F. styles: length of W+ as one vector.
    """

    def __init__(self, config: CoarseMapConfig, channels: int, styles: int) -> None:
        super().__init__()
        self.config = config
        cells = math.prod(config.grid)
        self.squeeze = nn.Conv2d(channels, config.reading, 1)
        self.project = nn.Linear(config.reading * cells, config.symbols)
        branch: list[nn.Module] = [nn.Conv2d(channels, _BRANCH, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in pairwise((_BRANCH, _BRANCH, 2 * _BRANCH)):
            branch += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2)]
        last = nn.Linear(2 * _BRANCH * cells // 16, config.symbols)
        self.branch = nn.Sequential(*branch, nn.Flatten(), last)
        self.quality = PriorTable(config.symbols)
        self.unfold = nn.Linear(config.symbols, config.channels * cells)
        self.enter = nn.Conv2d(config.channels, config.width, 3, padding=1)
        self.unit = ResidualUnit(config.width)
        self.leave = nn.Conv2d(config.width, channels, 1)
        self.expect = nn.Conv2d(config.width, channels, 1)
        self.styles = nn.Linear(config.symbols, styles)
        keep_variance(self.squeeze)
        with torch.no_grad():
            self.quality.log_gain.mul_(_GAIN_SHARE)
            self.quality.log_inverse.mul_(_GAIN_SHARE)
            nn.init.normal_(self.project.weight, 0.0, self.project.in_features**-0.5)
            for layer in (last, self.leave, self.expect, self.styles):
                for parameter in layer.parameters():
                    parameter.zero_()

    def analyse(self, feature: Tensor) -> Tensor:
        """The coefficients before coding: standardised F (B, channels, h, w), any size -> (B, N, 1, 1)."""
        pooled = self.pool(feature)
        coefficients: Tensor = self.project(self.squeeze(pooled).flatten(1)) + self.branch(pooled)
        return coefficients[:, :, None, None]

    def pool(self, feature: Tensor) -> Tensor:
        """F averaged to the grid, (B, channels, rows, columns); a smaller F is repeated."""
        return functional.adaptive_avg_pool2d(feature, self.config.grid)

    def hidden(self, coefficients: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """What F_w and E_w are linear functions of at every position: (B, N) -> (B, width, h, w). size: h and w."""
        cells = self.unfold(coefficients).reshape(len(coefficients), -1, *self.config.grid)
        stretched = functional.interpolate(cells, tuple(size), mode="bilinear", align_corners=False)
        output: Tensor = self.unit(self.enter(stretched))
        return output

    def predict(self, coefficients: Tensor, size: torch.Size | tuple[int, int]) -> Prediction:
        """F_w and E_w of decoded coefficients, (B, N). size: h and w."""
        hidden = self.hidden(coefficients, size)
        return Prediction(self.leave(hidden), self.expect(hidden))


class CoarseContext(nn.Module):
    """The map's integers as a context at every position of y; integer networks alone.

    outputs: channels of the context. Its last layer starts at zero.
    """

    def __init__(self, config: CoarseMapConfig, outputs: int) -> None:
        super().__init__()
        self.config = config
        cells = config.context_channels * config.context_side**2
        self.spread = IntegerSequence([config.symbols + 1, config.context_width, cells], kernel=1)
        self.place = IntegerSequence([config.context_channels + 3, config.context_width, outputs], kernel=1)
        last = self.place.layers[-1]
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.zero_()

    def forward(self, activations: Tensor, quality: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """Activations of the coefficients (B, N, 1, 1) and the quality less 128, (B, 1, 1, 1), both integers.

        size: h' and w' of y. The result is (B, outputs, h', w') float64 integers of 12 bits.
        """
        side = self.config.context_side
        cells = self.spread(torch.cat([activations, quality], 1))
        stretched = resize_integers(cells.reshape(len(cells), -1, side, side), size)
        where = coordinates(size, stretched.device).expand(len(cells), -1, -1, -1)
        context: Tensor = self.place(torch.cat([stretched, where, quality.expand(-1, -1, *size)], 1))
        return context

    def joined(
        self, context: Tensor, activations: Tensor, quality: Tensor, size: torch.Size | tuple[int, int]
    ) -> Tensor:
        """The context of W+, (B, outputs, 1, 1), with that of the map added at every position."""
        return requantise(context + self(activations, quality, size))

    def macs(self, height: int, width: int) -> int:
        """Number of multiplications of the integer networks for a map of y of this size; resizing is not counted."""
        return self.spread.macs(1, 1) + self.place.macs(height, width)
