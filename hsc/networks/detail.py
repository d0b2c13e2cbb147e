"""The detail network: what the generator's image lacks where objects are, as coefficients of its patches; the last
layers of a file.

    x (B, 3, H, W) ──────────────(-)──> lack ──*──> patches ──basis^+──> E (B, K, h, w) ──* gain──> Q ──> symbols ──*
    inverse──> E_hat
    G(w_hat, F_hat), in whole levels ┘        │                                               0, level
    F ──> 4x4 logits a sample ──> attention, 0 to 1 a pixel
                                                    y_hat, 3x3 around ────────┐
                                                    SCE(w symbols, quality) ──┼──> integer network (one a pass) ──>
                                                    level E_hat of earlier passes ──┘

F is coded for its meaning: its networks draw what a detector looks for, and no number of bits makes them draw the very
pixels. From a quality on (``DetailConfig.start``) F stays as it is, and bits go to what is missing instead: the encoder
decodes what it has written so far and codes the rest, so errors of all networks before are in it. The generator adds
E_hat's patches to its image and reads E_hat beside F to clean what rounding left. The basis holds the principal
components of what is lacking, in a metric that counts an error by how much of it a network sees
(``hsc.training.detail_stage``): in such coordinates one step size for all is right. Rounding leans towards zero, which saves
more bits than it costs in error while most coefficients are zero.

Source: ours. Coding what a learned transform lacks, as a scalable layer: Akbari, Liang, Han 2019, "DSSLIC". Quantising
in a metric of
sensitivity: Li, Chaddha, Gray 1999, "Asymptotic performance of vector quantizers with a perceptual distortion measure".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding import checkerboard
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.entropy_coding.gains import GAIN_UNIT, QualityTable
from hsc.entropy_coding.integer_nets import GaussianParameters, IntegerSequence, requantise, scale_levels
from hsc.entropy_coding.quantisation import MEAN_STEPS, SCALES
from hsc.networks.config import DetailConfig
from hsc.networks.fcn import Context
from hsc.networks.scn import CONTEXT_SHIFT

CELLS = 4
"""Cells along a side of a sample of F for each of which attention is a number of its own."""

_SLOPE = 0.8 * math.log(2)
"""How much the logarithm of the gain rises from one quality to the next."""

_LEAN = 0.08
"""How much farther than a half step a value must lie from zero to be rounded away from it."""


class Detail(NamedTuple):
    """E_hat (B, K, h, w) float32; bits (B, layers) float32, differentiable by the levels alone."""

    detail: Tensor
    bits: Tensor


class DetailNetwork(nn.Module):
    """The network of a ``DetailConfig``, randomly initialised.

    feature_channels: of F. known_channels: of y. context: of the semantic context.
    """

    def __init__(self, config: DetailConfig, feature_channels: int, known_channels: int, context: int) -> None:
        super().__init__()
        self.config = config
        self.attention = nn.Sequential(
            nn.Conv2d(feature_channels, config.width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(config.width, config.width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(config.width, CELLS**2, 1),
            nn.PixelShuffle(CELLS),
        )
        self.quality = QualityTable(1)
        with torch.no_grad():  # a step of 1 where detail starts, a third of it two qualities on; fixed
            curve = (torch.arange(len(self.quality.log_gain)) - config.start / QUALITY_STEPS)[:, None] * _SLOPE
            self.quality.log_gain.copy_(curve)
            self.quality.log_inverse.copy_(-curve)
        self.nets = nn.ModuleList()
        for turn in range(config.layers):
            inputs = context + len(checkerboard.SQUARE) * known_channels + len(self._neighbours(turn)) * config.channels
            self.nets.append(IntegerSequence([inputs, *config.hidden, config.channels], kernel=1))

    def forward(self, values: Tensor, known: Context, quality: Tensor) -> Detail:
        """Code E as training sees it: values (B, K, h, w) from ``values``, quality (B,) int64; below ``start`` nothing
        is coded.

        In ``eval`` the symbols are those a file would hold.
        """
        whole = self.symbols(values, quality)
        coded = (quality >= self.config.start).double()[:, None, None]
        decoded, bits = torch.zeros_like(values, dtype=torch.float64), []
        for turn in range(self.config.layers):
            level = self.predict(turn, known, decoded, quality).level
            symbols = self.pick(whole, turn) * coded
            bits.append((SCALES.bits(symbols, level) * coded).sum((1, 2)).float())
            decoded = decoded + self.as_map(symbols * MEAN_STEPS, turn, values.shape[2:])
        return Detail(self.restore(decoded, quality), torch.stack(bits, 1))

    def logits(self, feature: Tensor) -> Tensor:
        """Where objects are, from F in units of its deviation: (B, C, h, w) -> (B, 1, 4h, 4w)."""
        found: Tensor = self.attention(feature)
        return found

    @staticmethod
    def values(lack: Tensor, logits: Tensor, inverse: Tensor) -> Tensor:
        """E of what an image lacks: lack (B, 3, H, W), ``logits`` of F, inverse of the basis (K, 3 side side, 1, 1) ->
        (B, K, h, w).

        Beyond the image nothing is lacking. Attention leans to objects: missing one costs more than bits for its
        surroundings.
        """
        height, width = (length // CELLS for length in logits.shape[2:])
        side = round((inverse.shape[1] / 3) ** 0.5)
        attention = torch.sigmoid(logits + 1)
        attention = functional.interpolate(
            attention, (height * side, width * side), mode="bilinear", align_corners=False
        )
        lack = functional.pad(lack, (0, width * side - lack.shape[3], 0, height * side - lack.shape[2]))
        return functional.conv2d(functional.pixel_unshuffle(lack * attention, side), inverse)

    def symbols(self, values: Tensor, quality: Tensor) -> Tensor:
        """What is coded of E: (B, K, h, w) -> float64 whole numbers of the same shape, without gradient."""
        gain = self.quality.gains(quality).gain[:, :, None, None]
        return lean_to_zero(values.detach().double() * (gain / GAIN_UNIT))

    def predict(self, turn: int, known: Context, decoded: Tensor, quality: Tensor) -> GaussianParameters:
        """Mean (0) and level of a pass's symbols: twice (B, K, L) float64 integers.

        known: what F's layers say. decoded: E_hat of earlier passes in 1/16 of a step, (B, K, h, w), 0 elsewhere.
        """
        places = checkerboard.ORDERS[self.config.layers][turn]
        gains = self.quality.gains(quality)
        length = checkerboard.count(places, *decoded.shape[2:])
        shape = (len(quality), self.config.channels, length)
        if length == 0:
            return GaussianParameters(decoded.new_zeros(shape), decoded.new_zeros(shape))
        parts = [known.context[:, :, 0], checkerboard.gather(known.activations, places, checkerboard.SQUARE)]
        offsets = self._neighbours(turn)
        if offsets:
            parts.append(
                checkerboard.gather(
                    requantise(decoded, gains.inverse[:, :, None, None], CONTEXT_SHIFT), places, offsets
                )
            )
        level = scale_levels(self.nets[turn](parts) + gains.level[:, :, None], SCALES.levels)
        return GaussianParameters(level.new_zeros(shape), level)

    def restore(self, decoded: Tensor, quality: Tensor) -> Tensor:
        """E_hat of decoded values in 1/16 of a step: (B, K, h, w) -> the same shape, float32."""
        factor = self.quality.gains(quality).inverse / (GAIN_UNIT * MEAN_STEPS)
        return (decoded * factor[:, :, None, None]).float().contiguous(memory_format=torch.channels_last)

    def pick(self, values: Tensor, turn: int) -> Tensor:
        """A pass's part of a map: (B, K, h, w) -> (B, K, L)."""
        return checkerboard.gather(values, checkerboard.ORDERS[self.config.layers][turn])

    def as_map(self, values: Tensor, turn: int, size: torch.Size | tuple[int, int]) -> Tensor:
        """A pass's values in their places: (B, K, L) -> (B, K, h, w), 0 elsewhere."""
        return checkerboard.spread(values, checkerboard.ORDERS[self.config.layers][turn], size[0], size[1])

    def macs(self, height: int, width: int) -> int:
        """Multiplications of the integer networks for maps of E of this size."""
        nets = [net for net in self.nets if isinstance(net, IntegerSequence)]
        return sum(
            net.macs(1, checkerboard.count(checkerboard.ORDERS[self.config.layers][i], height, width))
            for i, net in enumerate(nets)
        )

    def _neighbours(self, turn: int) -> tuple[checkerboard.Place, ...]:
        """Offsets to known positions next to one of this pass: the nearest alone, since channels are many."""
        return tuple(o for o in checkerboard.known_neighbours(self.config.layers, turn) if max(map(abs, o)) <= 1)


def lean_to_zero(values: Tensor) -> Tensor:
    """Values in steps of the quantiser, rounded with a lean towards zero: float64 whole numbers."""
    return values.sign() * (values.abs() + (0.5 - _LEAN)).floor()
