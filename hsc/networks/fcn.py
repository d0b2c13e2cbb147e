"""The feature compression network (FCN): F to slices of symbols and back, given the decoded semantics.

    F (B, C, h, w) ──g_a(. | w_hat)──> y (B, M, h', w') ──* gain──> v ──> layers ──> v_hat ──* inverse──> y_hat ──g_s(.
    | w_hat)──> F_hat

    layer (slice s, pass p), for the positions of p:
        SCE(w symbols, quality) ─────────────┐
        y_hat of slices < s, 3x3 around ─────┼──> integer network ──> mean, level ──> Q(v - mean) ──> symbols
        y_hat of slice s, earlier passes, 5x5┘    (one a slice and pass)                     v_hat = symbols + mean, in 1/16

Everything an entropy parameter is made of is an integer: w symbols, decoded v_hat in 1/16 brought to the scale of y by
the shipped gains, the quality. w_hat, a float, only reaches g_a and g_s, where it scales and shifts channels. Networks
think at the scale of y; their means and levels are brought to the quantiser's by the same gains, so qualities between
those trained work too.
Early slices are small and their networks light: they are read first and most of the rest is predicted from them.

What training needs: ``bits`` (B, layers) for the rate, by layer so that they can be weighed; ``feature`` (F_hat) for
the distortion against F and through the generator. ``keep`` cuts at a layer as a cut file would, so that prefixes can
be trained too.
Before it starts, ``standard.set`` the mean and deviation of F's channels. Bits of w: ``hsc.networks.scn``.

Source: Li et al. 2025 (see ``hsc.networks.scn``), with channel slices of Minnen and Singh 2020, of uneven size as in He
et al. 2022 ("ELIC"), and the passes of ``hsc.entropy_coding.checkerboard``, which are ours. Scaling by w: Perez et al.
2018, "FiLM".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding import checkerboard
from hsc.entropy_coding.exact_matmul import largest_of
from hsc.entropy_coding.gains import GAIN_SHIFT, GAIN_UNIT, Gains, QualityTable
from hsc.entropy_coding.integer_nets import MIN_ACTIVATION, GaussianParameters, IntegerSequence, requantise, scale_levels
from hsc.entropy_coding.quantisation import MEAN_STEPS, SCALES, quantise
from hsc.networks.config import FeatureConfig
from hsc.networks.normalisation import Standard
from hsc.networks.scn import CONTEXT_SHIFT, ResidualUnit, Semantics, keep_variance

_MEAN_SHIFT = GAIN_SHIFT + 7 - (MEAN_STEPS.bit_length() - 1)
"""A network's mean is in 1/128 of y, finer than its activations; times the gain in 1/4096 it becomes 1/16 of a symbol.
"""


class Features(NamedTuple):
    """feature: F_hat, (B, C, h, w) float32. integers, symbols: (B, M, h', w') float64, v_hat in 1/16. bits: (B, layers)
    float32.

    known: what a layer behind all these would be predicted from.
    """

    feature: Tensor
    integers: Tensor
    symbols: Tensor
    bits: Tensor
    known: Context


class Context(NamedTuple):
    """What a layer is predicted from, all integers: context (B, K, 1, 1), activations of y_hat (B, M, h', w'), 0 where
    not decoded.

    largest: none of them is beyond it in size.
    """

    context: Tensor
    activations: Tensor
    largest: float


class CodingPass(NamedTuple):
    """A layer of F: slice, pass, its channels from ``start`` to ``stop``, and its places."""

    number: int
    turn: int
    start: int
    stop: int
    places: tuple[checkerboard.Place, ...]


class FCN(nn.Module):
    """The network of a ``FeatureConfig``, randomly initialised.

    feature_channels: of F. style_dim: length of W+ as one vector. symbols: how many symbols the semantics have.
    """

    def __init__(self, config: FeatureConfig, feature_channels: int, style_dim: int, symbols: int) -> None:
        super().__init__()
        self.config = config
        self.standard = Standard(feature_channels)
        self.analysis = Transform(feature_channels, config.channels, config, style_dim, up=False)
        self.synthesis = Transform(config.channels, feature_channels, config, style_dim, up=True)
        self.quality = QualityTable(config.channels)
        self.semantic_context = IntegerSequence([symbols + 1, 64, config.context], kernel=1)
        self.passes = _coding_passes(config)
        self.nets = nn.ModuleList()
        for turn in self.passes:
            channels = turn.stop - turn.start
            own = len(checkerboard.known_neighbours(config.passes, turn.turn)) * channels
            inputs = config.context + len(checkerboard.SQUARE) * turn.start + own
            self.nets.append(IntegerSequence([inputs, *config.hidden[turn.number], 2 * channels], kernel=1))

    def forward(
        self, feature: Tensor, semantics: Semantics, activations: Tensor, quality: Tensor, *, keep: int | None = None
    ) -> Features:
        """Code F as training sees it.

        feature: (B, C, h, w). activations: of the semantics (``SCN.activations``). quality: (B,) int64 in 1/32. keep:
        layers that are coded; the rest is predicted and costs nothing. In ``eval`` the symbols are those a file would
        hold.
        """
        values = self.scaled(feature, semantics.w_hat, quality)
        gains, known = self.quality.gains(quality), self.start(activations, quality, values.shape[2:])
        integers, symbols, bits = torch.zeros_like(values), torch.zeros_like(values), []
        for layer in range(len(self.passes)):
            mean, level = self.predict(layer, known, gains)
            if keep is None or layer < keep:
                coded = quantise(self.pick(values, layer), mean, level, noise=self.training)
                decoded = coded.integers
                symbols = symbols + self.as_map(coded.symbols, layer, values.shape[2:])
                bits.append(coded.bits.sum((1, 2)))
            else:
                decoded = mean
                bits.append(torch.zeros(len(quality), device=values.device))
            integers = integers + self.as_map(decoded, layer, values.shape[2:])
            known = self.learn(known, layer, decoded, gains)
        restored = self.restore(integers, semantics.w_hat, quality, feature.shape[2:])
        return Features(restored, integers, symbols, torch.stack(bits, 1), known)

    def scaled(self, feature: Tensor, w_hat: Tensor, quality: Tensor) -> Tensor:
        """What is rounded: y times its gain, (B, M, h', w') float64."""
        y: Tensor = self.analysis(self.standard(feature), w_hat)
        return y.double() * (self.quality.gains(quality).gain / GAIN_UNIT)[:, :, None, None]

    def restore(self, integers: Tensor, w_hat: Tensor, quality: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """F_hat of decoded integers in 1/16: (B, M, h', w') -> (B, C, h, w) float32. size: h and w, which h' and w'
        only bound.
        """
        restored = self.standard.inverse(self.synthesis(self.dequantised(integers, quality), w_hat))
        return restored[:, :, : size[0], : size[1]]

    def dequantised(self, integers: Tensor, quality: Tensor) -> Tensor:
        """y_hat of decoded integers in 1/16, in units of y at every quality: (B, M, h', w') float32."""
        factor = self.quality.gains(quality).inverse / (GAIN_UNIT * MEAN_STEPS)
        return (integers * factor[:, :, None, None]).float().contiguous(memory_format=torch.channels_last)

    def start(self, activations: Tensor, quality: Tensor, size: torch.Size | tuple[int, int]) -> Context:
        """What is known of F before its first layer: the semantics (B, S, 1, 1) and the quality."""
        dial = (quality - 128).double()[:, None, None, None]
        context = self.semantic_context(torch.cat([activations, dial], 1))
        empty = torch.zeros(
            len(quality), self.config.channels, *size, device=activations.device
        )  # 12 bits are exact in float32
        return Context(context, empty, largest_of(context.detach()))

    def predict(self, layer: int, known: Context, gains: Gains) -> GaussianParameters:
        """Mean in 1/16 and level of a layer's symbols: twice (B, c, L) float64 integers."""
        turn = self.passes[layer]
        length = checkerboard.count(turn.places, *known.activations.shape[2:])
        output = self._run(layer, known, length)  # (B, 2c, L)
        mean, scale = output.chunk(2, 1)
        gain, shift = (g[:, turn.start : turn.stop, None] for g in (gains.gain.detach(), gains.level))
        own = requantise(mean, gain, _MEAN_SHIFT)  # means stay within 128 symbols of 0
        return GaussianParameters(own, scale_levels(scale + shift, SCALES.levels))

    def learn(self, known: Context, layer: int, integers: Tensor, gains: Gains) -> Context:
        """Add a decoded layer: v_hat in 1/16, (B, c, L). Where no gradient is asked for, it is written into the maps of
        ``known`` themselves.
        """
        turn = self.passes[layer]
        found = requantise(integers, gains.inverse[:, turn.start : turn.stop, None], CONTEXT_SHIFT)
        if torch.is_grad_enabled():
            activations = known.activations + self.as_map(found, layer, known.activations.shape[2:])
            return known._replace(activations=activations, largest=float(-MIN_ACTIVATION))
        checkerboard.write(known.activations[:, turn.start : turn.stop], found, turn.places)
        return known._replace(largest=max(known.largest, largest_of(found)))

    def macs(self, height: int, width: int) -> int:
        """Multiplications of the integer networks for maps of y of this size."""
        nets = [net for net in self.nets if isinstance(net, IntegerSequence)]
        each = [
            net.macs(1, checkerboard.count(turn.places, height, width))
            for net, turn in zip(nets, self.passes, strict=True)
        ]
        return sum(each) + self.semantic_context.macs(1, 1)

    def _run(self, layer: int, known: Context, length: int) -> Tensor:
        """The layer's network at its positions, (B, 2c, L)."""
        turn, net = self.passes[layer], self.nets[layer]
        if length == 0:  # a pass without positions, as in a map of one row
            return known.context.new_zeros(known.context.shape[0], 2 * (turn.stop - turn.start), 0)
        offsets = checkerboard.known_neighbours(self.config.passes, turn.turn)
        earlier, own = known.activations[:, : turn.start], known.activations[:, turn.start : turn.stop]
        parts = [known.context[:, :, 0]]
        if turn.start:
            parts.append(checkerboard.gather(earlier, turn.places, checkerboard.SQUARE))
        if offsets:
            parts.append(checkerboard.gather(own, turn.places, offsets))
        output: Tensor = net(parts, known.largest)
        return output.expand(-1, -1, length)  # before the first slice all positions are told the same

    def pick(self, values: Tensor, layer: int) -> Tensor:
        """A layer's part of a map of y: (B, M, h', w') -> (B, c, L)."""
        turn = self.passes[layer]
        return checkerboard.gather(values[:, turn.start : turn.stop], turn.places)

    def as_map(self, values: Tensor, layer: int, size: torch.Size | tuple[int, int]) -> Tensor:
        """A layer's values in their places: (B, c, L) -> (B, M, h', w'), 0 elsewhere."""
        turn = self.passes[layer]
        own = checkerboard.spread(values, turn.places, size[0], size[1])
        return functional.pad(own, (0, 0, 0, 0, turn.start, self.config.channels - turn.stop))


class Transform(nn.Module):
    """g_a (F to y) or g_s (y to F): residual units at one width, their input scaled and shifted by w_hat; at stride 1 a
    linear way beside.

    There, y also has a gate between 0 and 2 for every number, 1 at first: what matters little where it stands can be
    brought below the quantiser's reach without the units undoing what the linear way does, and bits go where they
    count.

    (B, inputs, h, w) and w_hat (B, n, d) -> (B, outputs, h', w'): with stride 2 g_a halves both sides, rounded up, and
    g_s doubles them.
    """

    def __init__(self, inputs: int, outputs: int, config: FeatureConfig, style_dim: int, *, up: bool) -> None:
        super().__init__()
        down = config.stride if not up else 1
        kernel = (
            1 if config.stride == 1 and not up else 3
        )  # the side of F is wide: 1x1 there leaves weights for the units
        self.enter = nn.Conv2d(inputs, config.width, kernel, stride=down, padding=kernel // 2)
        self.modulation = nn.Sequential(nn.Linear(style_dim, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2 * config.width))
        self.units = nn.Sequential(*(ResidualUnit(config.width) for _ in range(config.depth)))
        if up and config.stride == 2:
            self.leave: nn.Module = nn.Sequential(
                nn.Conv2d(config.width, 4 * outputs, 3, padding=1), nn.PixelShuffle(2)
            )
        else:
            self.leave = nn.Conv2d(config.width, outputs, 1 if up else 3, padding=0 if up else 1)
        for layer in (self.enter, self.leave):
            keep_variance(layer)
        self.direct: nn.Conv2d | None = None
        self.gate: nn.Conv2d | None = None
        if config.stride == 1:  # a linear way through: y starts as the first channels of F, and F as those of y
            self.direct = nn.Conv2d(inputs, outputs, 1, bias=False)
            with torch.no_grad():
                nn.init.dirac_(self.direct.weight)
                for parameter in self.leave.parameters():
                    parameter.mul_(0.1)
            if not up:
                self.gate = nn.Conv2d(config.width, outputs, 1)
                for parameter in self.gate.parameters():
                    nn.init.zeros_(parameter)

    def forward(self, x: Tensor, w_hat: Tensor) -> Tensor:
        scale, shift = self.modulation(w_hat.flatten(1))[:, :, None, None].chunk(2, 1)
        inner: Tensor = self.units(self.enter(x) * (1 + scale) + shift)
        y: Tensor = self.leave(inner)
        if self.direct is not None:
            y = y + self.direct(x)
        return y if self.gate is None else y * (2 * torch.sigmoid(self.gate(inner)))


def _coding_passes(config: FeatureConfig) -> tuple[CodingPass, ...]:
    """The layers of F in coding order."""
    found, start = [], 0
    for number, channels in enumerate(config.slices):
        for turn, places in enumerate(checkerboard.ORDERS[config.passes]):
            found.append(CodingPass(number, turn, start, start + channels, places))
        start += channels
    return tuple(found)
