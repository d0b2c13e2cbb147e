"""The detail network: what the generator misses on objects, as coefficients of patches; a file's last layers.

    x (B, 3, H, W) ──────────────(-)──> residual ──*──> patches ──basis^+──> E (B, K, h, w) ──* gain──> Q ──> symbols
    G(w_hat, F_hat), in whole levels ┘             │                        symbols ──* inverse──> E_hat
    F ──> 4x4 logits a sample ──> attention, 0 to 1 a pixel

    y_hat, 3x3 around ────────┐
    SCE(w symbols, quality) ──┼──> integer network (one per pass) ──> level; the mean is 0
    E_hat of earlier passes ──┘

F is coded for its meaning: its networks draw what a detector looks for, and no number of bits makes them reproduce the
exact pixels. From one quality on (``DetailConfig.start``) F no longer changes, and bits go to the residual instead. The
encoder decodes what it has written so far and codes the difference, so the residual includes the errors of all earlier
networks. The generator adds E_hat's patches to its image, and reads E_hat beside F to remove rounding artefacts. The
basis holds the principal components of residuals, in a metric that weights an error by how much a network sees of it
(``hsc.training.detail_stage``); in these coordinates one step size fits all coefficients. Rounding leans towards zero,
which saves more bits than it costs in error while most coefficients are zero.

Source: ours. Coding the residual of a learned transform as a scalable layer: Akbari, Liang, Han 2019, "DSSLIC".
Quantising in a metric of sensitivity: Li, Chaddha, Gray 1999, "Asymptotic performance of vector quantizers with a
perceptual distortion measure".
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
"""Attention has this many values along each side of a sample of F."""

_SLOPE = 0.8 * math.log(2)
"""Rise of the gain's logarithm from one whole quality to the next."""

_LATER = 2
"""Number of qualities by which a step of 1 comes later where detail is for all of a picture."""

_CERTAIN = 12.0
"""Logit of an object that is there without doubt."""

_LEAN = 0.08
"""A value is rounded away from zero only where it exceeds a half step by this much."""


class Detail(NamedTuple):
    """Coded detail: E_hat (B, K, h, w) float32, and bits (B, layers) float32, differentiable by the levels alone."""

    detail: Tensor
    bits: Tensor


class DetailNetwork(nn.Module):
    """The detail network of a ``DetailConfig``, randomly initialised.

    feature_channels: channels of F. known_channels: channels of y. context: channels of the semantic context.
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
        self._set_steps(config.start)  # fixed: a step of 1 where detail starts, a third of it two qualities higher
        self.nets = nn.ModuleList()
        for pass_index in range(config.layers):
            inputs = (
                context
                + len(checkerboard.SQUARE) * known_channels
                + len(self._neighbours(pass_index)) * config.channels
            )
            self.nets.append(IntegerSequence([inputs, *config.hidden, config.channels], kernel=1))

    def forward(self, values: Tensor, context: Context, quality: Tensor) -> Detail:
        """Code E with the gradients that training needs.

        values: (B, K, h, w), as the method ``values`` gives them. quality: (B,) int64 in 1/32; below ``config.start``
        nothing is coded. The symbols are those of a file.
        """
        whole = self.symbols(values, quality)
        coded = (quality >= self.config.start).double()[:, None, None]
        decoded, bits = torch.zeros_like(values, dtype=torch.float64), []
        for pass_index in range(self.config.layers):
            level = self.predict(pass_index, context, decoded, quality).level
            symbols = self.pick(whole, pass_index) * coded
            bits.append((SCALES.bits(symbols, level) * coded).sum((1, 2)).float())
            decoded = decoded + self.as_map(symbols * MEAN_STEPS, pass_index, values.shape[2:])
        return Detail(self.restore(decoded, quality), torch.stack(bits, 1))

    @torch.no_grad()
    def _set_steps(self, unit: int) -> None:
        """Set the quantiser's step at all qualities. unit: the quality in 1/32 at which it is 1."""
        anchors = torch.arange(len(self.quality.log_gain), device=self.quality.log_gain.device)
        curve = (anchors - unit / QUALITY_STEPS)[:, None] * _SLOPE
        self.quality.log_gain.copy_(curve)
        self.quality.log_inverse.copy_(-curve)

    @torch.no_grad()
    def attend_everywhere(self) -> None:
        """Set attention to 1 at all positions, for pictures without known objects, and the first step to 3.

        Bits for all of a picture are several times those for its objects, so detail starts coarser.
        """
        last = self.attention[-2]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.zero_()
        last.bias.fill_(_CERTAIN)
        self._set_steps(self.config.start + _LATER * QUALITY_STEPS)

    def logits(self, feature: Tensor) -> Tensor:
        """Logits of where objects are, from F in units of its deviation: (B, C, h, w) -> (B, 1, 4h, 4w)."""
        logits: Tensor = self.attention(feature)
        return logits

    @staticmethod
    def values(residual: Tensor, logits: Tensor, inverse: Tensor) -> Tensor:
        """E of an image's residual: (B, 3, H, W) -> (B, K, h, w).

        logits: of F, from ``logits``. inverse: of the basis, (K, 3 side side, 1, 1). Outside the image the residual is
        0. Attention is biased towards objects: missing one costs more than bits for its surroundings.
        """
        height, width = (length // CELLS for length in logits.shape[2:])
        side = round((inverse.shape[1] / 3) ** 0.5)
        attention = torch.sigmoid(logits + 1)
        attention = functional.interpolate(
            attention, (height * side, width * side), mode="bilinear", align_corners=False
        )
        residual = functional.pad(residual, (0, width * side - residual.shape[3], 0, height * side - residual.shape[2]))
        return functional.conv2d(functional.pixel_unshuffle(residual * attention, side), inverse)

    def symbols(self, values: Tensor, quality: Tensor) -> Tensor:
        """The symbols of E: (B, K, h, w) -> float64 whole numbers of the same shape, without gradient."""
        gain = self.quality.gains(quality).gain[:, :, None, None]
        return lean_to_zero(values.detach().double() * (gain / GAIN_UNIT))

    def predict(self, pass_index: int, context: Context, decoded: Tensor, quality: Tensor) -> GaussianParameters:
        """Mean (0) and level of a pass's symbols, each (B, K, L) float64 integers.

        context: of F's layers. decoded: E_hat of earlier passes in 1/16 of a step, (B, K, h, w), 0 elsewhere.
        """
        places = checkerboard.ORDERS[self.config.layers][pass_index]
        gains = self.quality.gains(quality)
        length = checkerboard.count(places, *decoded.shape[2:])
        shape = (len(quality), self.config.channels, length)
        if length == 0:
            return GaussianParameters(decoded.new_zeros(shape), decoded.new_zeros(shape))
        parts = [context.semantic_at(places), checkerboard.gather(context.activations, places, checkerboard.SQUARE)]
        offsets = self._neighbours(pass_index)
        if offsets:
            parts.append(
                checkerboard.gather(
                    requantise(decoded, gains.inverse[:, :, None, None], CONTEXT_SHIFT), places, offsets
                )
            )
        level = scale_levels(self.nets[pass_index](parts) + gains.level[:, :, None], SCALES.levels)
        return GaussianParameters(level.new_zeros(shape), level)

    def restore(self, decoded: Tensor, quality: Tensor) -> Tensor:
        """E_hat of decoded values in 1/16 of a step: (B, K, h, w) -> the same shape, float32."""
        factor = self.quality.gains(quality).inverse / (GAIN_UNIT * MEAN_STEPS)
        return (decoded * factor[:, :, None, None]).float().contiguous(memory_format=torch.channels_last)

    def pick(self, values: Tensor, pass_index: int) -> Tensor:
        """A pass's part of a map: (B, K, h, w) -> (B, K, L)."""
        return checkerboard.gather(values, checkerboard.ORDERS[self.config.layers][pass_index])

    def as_map(self, values: Tensor, pass_index: int, size: torch.Size | tuple[int, int]) -> Tensor:
        """A map with a pass's values at their positions: (B, K, L) -> (B, K, h, w), 0 elsewhere."""
        return checkerboard.spread(values, checkerboard.ORDERS[self.config.layers][pass_index], size[0], size[1])

    def macs(self, height: int, width: int) -> int:
        """Number of multiplications of the integer networks for maps of E of this size."""
        nets = [net for net in self.nets if isinstance(net, IntegerSequence)]
        return sum(
            net.macs(1, checkerboard.count(checkerboard.ORDERS[self.config.layers][i], height, width))
            for i, net in enumerate(nets)
        )

    def _neighbours(self, pass_index: int) -> tuple[checkerboard.Place, ...]:
        """Offsets from a position of this pass to decoded ones; only the nearest, because there are many channels."""
        return tuple(o for o in checkerboard.known_neighbours(self.config.layers, pass_index) if max(map(abs, o)) <= 1)


def lean_to_zero(values: Tensor) -> Tensor:
    """Values in steps of the quantiser, rounded with a bias towards zero: float64 whole numbers."""
    return values.sign() * (values.abs() + (0.5 - _LEAN)).floor()
