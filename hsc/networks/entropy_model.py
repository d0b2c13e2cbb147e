"""The entropy model: for each layer of a file, the parameters it is coded by, computed from the layers before it.

    layer 0              W+: the prior's table at the header's quality
    layer 1 + i          F: pass i of ``FCN.passes``, from the semantics and the passes before
    the rest             E: passes of ``DetailNetwork``, from all of those and the passes before; only from a quality on

    layers ──rebuild──> integers of w (1, C, s, s), integers of y by pass ──FCN.predict──> Parameters

``hsc.entropy_coding.layered_stream`` asks for the layers one after another. Symbols are whole steps around the mean
that ``offset`` carries in 1/16, so the tables are centred on 0. The sizes of all maps follow from the image size in the
header. Passes of F that a file does not hold are predicted: their symbols are 0, so their values are the means. Missing
detail is 0.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hsc.entropy_coding import checkerboard
from hsc.entropy_coding.ans_coder import Symbols
from hsc.entropy_coding.cdf_tables import CdfTables
from hsc.entropy_coding.container import Header
from hsc.entropy_coding.gains import Gains
from hsc.entropy_coding.layered_stream import Layer, Parameters
from hsc.entropy_coding.quantisation import MAX_SYMBOL, MEAN_STEPS
from hsc.errors import UsageError
from hsc.networks.config import Profile
from hsc.networks.detail import DetailNetwork
from hsc.networks.fcn import FCN, Context
from hsc.networks.scn import SCN


class Integers(NamedTuple):
    """Decoded values in 1/16, float64.

    semantic: (1, C, s, s). feature: (1, M, h', w'). detail: (1, K, h, w), or None where none is coded.
    """

    semantic: Tensor
    feature: Tensor
    detail: Tensor | None


class _Memory(NamedTuple):
    """Layers of one file, compared by identity, and the context computed from them."""

    layers: tuple[Layer, ...]
    header: Header
    context: Context
    gains: Gains


@dataclass(frozen=True, eq=False)
class EntropyModel:
    """The ``hsc.entropy_coding.layered_stream.LayeredModel`` of frozen networks."""

    profile: Profile
    scn: SCN
    fcn: FCN
    detail: DetailNetwork | None
    tables: CdfTables
    fingerprint: bytes
    _memory: dict[str, _Memory] = field(default_factory=dict, repr=False)

    @property
    def layers(self) -> int:
        """Number of layers: W+, the passes of F and the passes of E."""
        return self.profile.layers

    @property
    def base_layers(self) -> int:
        """Number of layers that files of all qualities have: W+ and the passes of F."""
        return 1 + self.profile.feature.layers

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names in coding order: "semantic", "slice1a", "slice1b" ..., "detaila" ..."""
        single = self.profile.feature.passes == 1
        slices = (f"slice{p.slice_index + 1}{'' if single else 'abc'[p.pass_index]}" for p in self.fcn.passes)
        return ("semantic", *slices, *("detail" + "abc"[i] for i in range(self.layers - self.base_layers)))

    @torch.no_grad()
    def parameters(self, number: int, earlier: Sequence[Layer], header: Header) -> Parameters:
        """The parameters of layer ``number``; index and offset have the shape (C, s, s) or (c, positions)."""
        if number == 0:
            mean, level = self.scn.prior(self.quality(header))
        elif number >= self.base_layers:
            assert self.detail is not None
            context = self._context(earlier[: self.base_layers], header, self._gains(header))
            decoded = self._detail(earlier[self.base_layers :], header)
            mean, level = self.detail.predict(
                number - self.base_layers, context, decoded, torch.tensor([header.quality], device=self._device)
            )
        else:
            gains = self._gains(header)
            mean, level = self.fcn.predict(number - 1, self._context(earlier, header, gains), gains)
        index, offset = (t[0].cpu().numpy().astype(np.int64) for t in (level, mean))
        return Parameters(self.tables, index, None, offset)

    def complete(self, layers: Sequence[Layer], header: Header) -> list[Layer]:
        """The given layers, followed by the most likely symbols of the missing layers of W+ and F."""
        all_layers = list(layers)
        while len(all_layers) < self.base_layers:
            parameters = self.parameters(len(all_layers), all_layers, header)
            all_layers.append(Layer(np.zeros(parameters.index.shape, np.int32), parameters))
        return all_layers

    def integers(self, layers: Sequence[Layer], header: Header) -> Integers:
        """The decoded values of all layers; missing detail is 0.

        Raises:
            UsageError: layers of W+ or F are missing; see ``complete``.
        """
        if not self.base_layers <= len(layers) <= self.layers:
            raise UsageError(
                f"{len(layers)} layers came, expected {self.base_layers} to {self.layers}; complete() predicts the "
                f"missing ones"
            )
        height, width = latent_size(self.profile, header.image_hw)
        feature = torch.zeros(1, self.profile.feature.channels, height, width, dtype=torch.float64, device=self._device)
        for coding_pass, layer in zip(self.fcn.passes, layers[1 : self.base_layers], strict=True):
            checkerboard.write(feature[:, coding_pass.channels], self.decoded(layer), coding_pass.places)
        detail = self._detail(layers[self.base_layers :], header) if len(layers) > self.base_layers else None
        return Integers(self.decoded(layers[0]), feature, detail)

    def quality(self, header: Header) -> Tensor:
        """The quality of W+ and F in 1/32, (1,) int64: the header's, at most the one at which detail starts."""
        return torch.tensor([header.quality], device=self._device).clamp(max=self.profile.highest_base)

    def _detail(self, layers: Sequence[Layer], header: Header) -> Tensor:
        """E_hat of the given layers in 1/16 of a step, 0 where not coded: (1, K, h, w) float64."""
        config = self.profile.detail
        assert config is not None
        size = feature_size(self.profile, header.image_hw)
        detail = torch.zeros(1, config.channels, *size, dtype=torch.float64, device=self._device)
        for pass_index, layer in enumerate(layers):
            checkerboard.write(detail, self.decoded(layer), checkerboard.ORDERS[config.layers][pass_index])
        return detail

    def _gains(self, header: Header) -> Gains:
        """The gains of F, taken from the last call where it had the same quality."""
        last = self._memory.get("last")
        if last and last.header.quality == header.quality:
            return last.gains
        return self.fcn.quality.gains(self.quality(header))

    def _context(self, earlier: Sequence[Layer], header: Header, gains: Gains) -> Context:
        """The context of the layer after these.

        Callers ask for the layers of a file one after another, so the last context is kept and extended.
        """
        last = self._memory.get("last")
        if (
            last
            and last.header == header
            and len(last.layers) <= len(earlier)
            and all(map(operator.is_, last.layers, earlier))
        ):
            context, done = last.context, len(last.layers)
        else:
            context, done = self._start(earlier[0], header), 1
        for i in range(done, len(earlier)):
            context = self.fcn.learn(context, i - 1, self.decoded(earlier[i]), gains)
        self._memory["last"] = _Memory(tuple(earlier), header, context, gains)
        return context

    def _start(self, semantic: Layer, header: Header) -> Context:
        quality = self.quality(header)
        activations = self.scn.activations(self.decoded(semantic), quality)
        return self.fcn.start(activations, quality, latent_size(self.profile, header.image_hw))

    @property
    def _device(self) -> torch.device:
        return self.fcn.quality.log_gain.device

    def decoded(self, layer: Layer) -> Tensor:
        """A layer's values in 1/16, float64, with a batch axis in front: 16 times the symbols, plus their means."""
        assert layer.parameters.offset is not None
        integers = layer.symbols.astype(np.int64) * MEAN_STEPS + layer.parameters.offset
        return torch.from_numpy(integers[None]).to(self._device, torch.float64)


def slice_of(layer: str) -> str:
    """The slice that a layer of ``EntropyModel.names`` is a pass of; "semantic" and "detail" are slices of their own.

    >>> slice_of("slice2b"), slice_of("slice1"), slice_of("detaila"), slice_of("semantic")
    ('slice2', 'slice1', 'detail', 'semantic')
    """
    return layer if layer == "semantic" else layer.rstrip("abc")


def feature_size(profile: Profile, image_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of F for an image: from the stride, or fixed where the encoder resizes images."""
    if profile.encoder.input_size is not None:
        side = profile.encoder.input_size // profile.encoder.stride
        return side, side
    height, width = (-(-side // profile.encoder.stride) for side in image_hw)
    return height, width


def latent_size(profile: Profile, image_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of y for an image."""
    height, width = (-(-side // profile.feature.stride) for side in feature_size(profile, image_hw))
    return height, width


def round_around(values: npt.NDArray[np.float64], parameters: Parameters) -> Symbols:
    """The encoder's symbols, int32: values in steps of the quantiser, rounded around the offset."""
    assert parameters.offset is not None
    residuals = values - parameters.offset / MEAN_STEPS
    symbols: Symbols = np.clip(np.rint(residuals), -MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)
    return symbols
