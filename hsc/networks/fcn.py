"""The feature compression network (FCN): F to slices of symbols and back, given the decoded semantics.

    F (B, C, h, w) ──g_a(. | w_hat)──> y (B, M, h', w') ──* gain──> v ──> layers ──> v_hat
    v_hat ──* inverse──> y_hat ──g_s(. | w_hat)──> F_hat (B, C, h, w)

    layer (slice s, pass p), for the positions of p:
        SCE(w symbols, quality) ─────────────┐
        y_hat of slices < s, 3x3 around ─────┼──> integer network ──> mean, level ──> Q(v - mean) ──> symbols
        y_hat of slice s, earlier passes, 5x5┘    (one per slice and pass)         v_hat = symbols + mean, in 1/16

Entropy parameters are computed from integers alone: the symbols of w, the decoded v_hat in 1/16 brought to the scale of
y by the shipped gains, and the quality. w_hat is a float and reaches only g_a and g_s, where it scales and shifts
channels. The integer networks work at the scale of y; the same gains bring their means and levels to the scale of the
quantiser, so qualities between the trained ones work too. Early slices are small and have light networks: they are
decoded first, and most of the rest is predicted from them.

With a coarse map (``hsc.networks.coarse_map``) the context differs from position to position, and g_a and g_s work on F
less its prediction from the map, and F_w is added to what they decode. Where no layer of F is decoded, F_hat is F_w.

Training uses ``bits`` (B, layers) as the rate, by layer so that layers can be weighted, and ``feature`` (F_hat) for the
distortion against F and through the generator. ``keep`` ends the coding after a layer, as a truncated file would, so
that prefixes can be trained too. Before training starts, call ``standard.set`` with the mean and deviation of F's
channels. The bits of w are in ``hsc.networks.scn``.

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
from hsc.entropy_coding.integer_nets import (
    MIN_ACTIVATION,
    GaussianParameters,
    IntegerSequence,
    requantise,
    scale_levels,
)
from hsc.entropy_coding.quantisation import MEAN_STEPS, SCALES, quantise
from hsc.networks.ablation_config import AblationConfig
from hsc.networks.coarse_map import CoarseContext, Prediction
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.config import FeatureConfig
from hsc.networks.feature_transform import Transform
from hsc.networks.normalisation import Standard
from hsc.networks.scn import CONTEXT_SHIFT, Semantics

_MEAN_SHIFT = GAIN_SHIFT + 7 - (MEAN_STEPS.bit_length() - 1)
"""Shift from a network's mean in 1/128 of y (finer than activations) times a gain in 1/4096 to 1/16 of a symbol."""


class Features(NamedTuple):
    """F as it comes out of coding.

    feature: F_hat, (B, C, h, w) float32. integers: v_hat in 1/16, and symbols: both (B, M, h', w') float64.
    bits: (B, layers) float32. context: the context of a layer that would follow all of these.
    """

    feature: Tensor
    integers: Tensor
    symbols: Tensor
    bits: Tensor
    context: Context


class Context(NamedTuple):
    """The integers that a layer is predicted from.

    semantic: (B, K, 1, 1), the semantics and the quality; with a coarse map (B, K, h', w'). activations: of y_hat,
    (B, M, h', w'), 0 where not yet decoded. largest: upper bound of the size of all of them.
    """

    semantic: Tensor
    activations: Tensor
    largest: float

    def semantic_at(self, places: tuple[checkerboard.Place, ...]) -> Tensor:
        """The semantics at the positions of these places, (B, K, L), or (B, K, 1) where all positions share them."""
        shared = self.semantic.shape[2] * self.semantic.shape[3] == 1
        return self.semantic[:, :, 0] if shared else checkerboard.gather(self.semantic, places)


class CodingPass(NamedTuple):
    """A layer of F: one pass over one slice, the channels ``start`` to ``stop`` of y at the positions ``places``.

    slice_index, pass_index: counted from 0; ``pass_index`` is that within the slice.
    """

    slice_index: int
    pass_index: int
    start: int
    stop: int
    places: tuple[checkerboard.Place, ...]

    @property
    def channels(self) -> slice:
        """The channels of y that the slice holds."""
        return slice(self.start, self.stop)


class FCN(nn.Module):
    """The feature compression network of a ``FeatureConfig``, randomly initialised.

    feature_channels: channels of F. style_dim: length of W+ as one vector. symbols: number of symbols of W+. coarse:
    the coarse map that is coded with W+, or None. ablation: what is left
    out, or None.
    """

    def __init__(
        self,
        config: FeatureConfig,
        feature_channels: int,
        style_dim: int,
        symbols: int,
        coarse: CoarseMapConfig | None = None,
        ablation: AblationConfig | None = None,
    ) -> None:
        super().__init__()
        self.config, self.ablation = config, ablation or AblationConfig()
        self.standard = Standard(feature_channels)
        self.analysis = Transform(feature_channels, config.channels, config, style_dim, up=False)
        self.synthesis = Transform(config.channels, feature_channels, config, style_dim, up=True)
        self.quality = QualityTable(config.channels)
        self.semantic_context = IntegerSequence([symbols + 1, 64, config.context], kernel=1)
        self.words = symbols
        self.passes = _coding_passes(config)
        self.nets = nn.ModuleList()
        for coding_pass in self.passes:
            channels = coding_pass.stop - coding_pass.start
            own = len(checkerboard.known_neighbours(config.passes, coding_pass.pass_index)) * channels
            inputs = config.context + len(checkerboard.SQUARE) * self._shared(coding_pass) + own
            self.nets.append(IntegerSequence([inputs, *config.hidden[coding_pass.slice_index], 2 * channels], kernel=1))
        self.coarse_context = None if coarse is None else CoarseContext(coarse, config.context)

    def forward(
        self,
        feature: Tensor,
        semantics: Semantics,
        activations: Tensor,
        quality: Tensor,
        *,
        keep: int | None = None,
        base: Prediction | None = None,
        dropped: Tensor | None = None,
    ) -> Features:
        """Code F with the gradients that training needs.

        feature: (B, C, h, w). activations: of the semantics (``SCN.activations``). quality: (B,) int64 in 1/32.
        keep: number of coded layers, None for all; the others are predicted and cost nothing. base: F as the coarse map
        predicts it, or None without one (``SCN.prediction``). dropped: (B,) bool, the samples without any layer of F,
        which have F_w, or None. In ``eval`` mode the symbols are those of a file.
        """
        values = self.scaled(feature, semantics.w_hat, quality, base)
        gains, context = self.quality.gains(quality), self.start(activations, quality, values.shape[2:])
        integers, symbols, bits = torch.zeros_like(values), torch.zeros_like(values), []
        for layer in range(len(self.passes)):
            mean, level = self.predict(layer, context, gains)
            if keep is None or layer < keep:
                coded = quantise(self.pick(values, layer), mean, level, noise=self.training)
                decoded = coded.integers
                symbols = symbols + self.as_map(coded.symbols, layer, values.shape[2:])
                bits.append(coded.bits.sum((1, 2)))
            else:
                decoded = mean
                bits.append(torch.zeros(len(quality), device=values.device))
            integers = integers + self.as_map(decoded, layer, values.shape[2:])
            context = self.learn(context, layer, decoded, gains)
        decoded_integers = None if keep == 0 and base is not None else integers
        restored = self.restore(decoded_integers, semantics.w_hat, quality, feature.shape[2:], base)
        if dropped is not None:
            alone = self.restore(None, semantics.w_hat, quality, feature.shape[2:], base)
            restored = torch.where(dropped[:, None, None, None], alone, restored)
            bits = [layer_bits.masked_fill(dropped, 0) for layer_bits in bits]
        return Features(restored, integers, symbols, torch.stack(bits, 1), context)

    def scaled(self, feature: Tensor, w_hat: Tensor, quality: Tensor, base: Prediction | None = None) -> Tensor:
        """The values to be rounded: y times its gain, (B, M, h', w') float64. base: as in ``forward``."""
        standardised = self.standard(feature)
        y: Tensor = self.analysis(standardised if base is None else standardised - base.expected, self._given(w_hat))
        return y.double() * (self.quality.gains(quality).gain / GAIN_UNIT)[:, :, None, None]

    def restore(
        self,
        integers: Tensor | None,
        w_hat: Tensor,
        quality: Tensor,
        size: torch.Size | tuple[int, int],
        base: Prediction | None = None,
    ) -> Tensor:
        """F_hat of decoded integers in 1/16: (B, M, h', w') -> (B, C, h, w) float32.

        size: h and w, to which the result is cropped. base: as in ``forward``. integers: None for F_w alone.
        """
        if integers is None:
            assert base is not None
            return self.standard.inverse(base.decoded.float())
        standardised = self.synthesis(self.dequantised(integers, quality), self._given(w_hat))
        standardised = standardised[:, :, : size[0], : size[1]]
        return self.standard.inverse(standardised if base is None else standardised + base.decoded)

    def dequantised(self, integers: Tensor, quality: Tensor) -> Tensor:
        """y_hat of decoded integers in 1/16, in units of y at every quality: (B, M, h', w') float32."""
        factor = self.quality.gains(quality).inverse / (GAIN_UNIT * MEAN_STEPS)
        return (integers * factor[:, :, None, None]).float().contiguous(memory_format=torch.channels_last)

    def start(self, activations: Tensor, quality: Tensor, size: torch.Size | tuple[int, int]) -> Context:
        """The context of F's first layer, from the semantics (B, S, 1, 1) and the quality (B,). size: h' and w'."""
        centred_quality, activations = (quality - 128).double()[:, None, None, None], self._given(activations)
        semantic = self.semantic_context(torch.cat([activations[:, : self.words], centred_quality], 1))
        if self.coarse_context is not None:
            semantic = self.coarse_context.joined(semantic, activations[:, self.words :], centred_quality, size)
        # float32 holds the 12 bits of an activation exactly
        empty = torch.zeros(len(quality), self.config.channels, *size, device=activations.device)
        return Context(semantic, empty, largest_of(semantic.detach()))

    def predict(self, layer: int, context: Context, gains: Gains) -> GaussianParameters:
        """Mean in 1/16 and level of a layer's symbols, each (B, c, L) float64 integers."""
        coding_pass = self.passes[layer]
        length = checkerboard.count(coding_pass.places, *context.activations.shape[2:])
        output = self._run(layer, context, length)  # (B, 2c, L)
        mean, scale = output.chunk(2, 1)
        gain, shift = (g[:, coding_pass.channels, None] for g in (gains.gain.detach(), gains.level))
        scaled_mean = requantise(mean, gain, _MEAN_SHIFT)  # means stay within 128 symbols of 0
        return GaussianParameters(scaled_mean, scale_levels(scale + shift, SCALES.levels))

    def learn(self, context: Context, layer: int, integers: Tensor, gains: Gains) -> Context:
        """Add a decoded layer to the context.

        integers: v_hat in 1/16, (B, c, L). Without gradient it is written into the maps of ``context`` in place.
        """
        coding_pass = self.passes[layer]
        decoded = requantise(integers, gains.inverse[:, coding_pass.channels, None], CONTEXT_SHIFT)
        if torch.is_grad_enabled():
            activations = context.activations + self.as_map(decoded, layer, context.activations.shape[2:])
            return context._replace(activations=activations, largest=float(-MIN_ACTIVATION))
        checkerboard.write(context.activations[:, coding_pass.channels], decoded, coding_pass.places)
        return context._replace(largest=max(context.largest, largest_of(decoded)))

    def macs(self, height: int, width: int) -> int:
        """Number of multiplications of the integer networks for maps of y of this size."""
        nets = [net for net in self.nets if isinstance(net, IntegerSequence)]
        each = [
            net.macs(1, checkerboard.count(coding_pass.places, height, width))
            for net, coding_pass in zip(nets, self.passes, strict=True)
        ]
        coarse = 0 if self.coarse_context is None else self.coarse_context.macs(height, width)
        return sum(each) + coarse + self.semantic_context.macs(1, 1)

    def _run(self, layer: int, context: Context, length: int) -> Tensor:
        """The output of the layer's network at its L positions, (B, 2c, L)."""
        coding_pass, net = self.passes[layer], self.nets[layer]
        if length == 0:  # the pass has no positions, as in a map of one row
            return context.semantic.new_zeros(context.semantic.shape[0], 2 * (coding_pass.stop - coding_pass.start), 0)
        offsets = checkerboard.known_neighbours(self.config.passes, coding_pass.pass_index)
        earlier, own = context.activations[:, : coding_pass.start], context.activations[:, coding_pass.channels]
        parts = [context.semantic_at(coding_pass.places)]
        if self._shared(coding_pass):
            parts.append(checkerboard.gather(earlier, coding_pass.places, checkerboard.SQUARE))
        if offsets:
            parts.append(checkerboard.gather(own, coding_pass.places, offsets))
        output: Tensor = net(parts, context.largest)
        return output.expand(-1, -1, length)  # before the first slice all positions have the same input

    def _given(self, semantics: Tensor) -> Tensor:
        """w_hat or the integers of w as F is given them: zeros where it is coded without."""
        return semantics if self.ablation.condition else torch.zeros_like(semantics)

    def _shared(self, coding_pass: CodingPass) -> int:
        """Number of channels before a slice that it is predicted from."""
        return coding_pass.start if self.ablation.shared else 0

    def pick(self, values: Tensor, layer: int) -> Tensor:
        """A layer's part of a map of y: (B, M, h', w') -> (B, c, L)."""
        coding_pass = self.passes[layer]
        return checkerboard.gather(values[:, coding_pass.channels], coding_pass.places)

    def as_map(self, values: Tensor, layer: int, size: torch.Size | tuple[int, int]) -> Tensor:
        """A map of y with a layer's values at their positions: (B, c, L) -> (B, M, h', w'), 0 elsewhere."""
        coding_pass = self.passes[layer]
        slice_map = checkerboard.spread(values, coding_pass.places, size[0], size[1])
        return functional.pad(slice_map, (0, 0, 0, 0, coding_pass.start, self.config.channels - coding_pass.stop))


def _coding_passes(config: FeatureConfig) -> tuple[CodingPass, ...]:
    """The layers of F in coding order."""
    passes, start = [], 0
    for slice_index, channels in enumerate(config.slices):
        for pass_index, places in enumerate(checkerboard.ORDERS[config.passes]):
            passes.append(CodingPass(slice_index, pass_index, start, start + channels, places))
        start += channels
    return tuple(passes)
