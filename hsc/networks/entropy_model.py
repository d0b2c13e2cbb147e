"""The layers of a file, as ``hsc.entropy_coding.layered_stream`` asks for them: what each is coded by, from the symbols
before it.

    layer 0              W+: the prior's table at the header's quality
    layer 1 + i          F: turn i of ``FCN.turns``, from the semantics and the turns before
    the rest             E: passes of ``DetailNetwork``, from all of those and the passes before; only from a quality on

    layers ──rebuild──> integers of w (1, C, s, s), integers of y in turns ──FCN.predict──> Parameters

Symbols are whole steps around the mean that ``offset`` carries in 1/16, so the tables lie around 0. All maps follow
from the image size in the header. Turns that a file does not hold are predicted: symbols of 0, which is each mean
itself. Of detail that is nothing at all.
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
    """Decoded values in 1/16, float64: semantic (1, C, s, s), feature (1, M, h', w'), detail (1, K, h, w) or None where
    none is coded.
    """

    semantic: Tensor
    feature: Tensor
    detail: Tensor | None


class _Remembered(NamedTuple):
    """Layers of one file, by identity, and what was made of them."""

    layers: tuple[Layer, ...]
    header: Header
    known: Context
    gains: Gains


@dataclass(frozen=True, eq=False)
class EntropyModel:
    """A ``hsc.entropy_coding.layered_stream.LayeredModel`` over frozen networks."""

    profile: Profile
    scn: SCN
    fcn: FCN
    detail: DetailNetwork | None
    tables: CdfTables
    fingerprint: bytes
    _memory: dict[str, _Remembered] = field(default_factory=dict, repr=False)

    @property
    def layers(self) -> int:
        """W+, the turns of F and the passes of E."""
        return self.profile.layers

    @property
    def base_layers(self) -> int:
        """W+ and the turns of F: what files of all qualities have."""
        return 1 + self.profile.feature.layers

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names in coding order: "semantic", "slice1a", "slice1b" ..., "detaila" ..."""
        single = self.profile.feature.passes == 1
        slices = (f"slice{t.number + 1}{'' if single else 'abc'[t.turn]}" for t in self.fcn.passes)
        return ("semantic", *slices, *("detail" + "abc"[i] for i in range(self.layers - self.base_layers)))

    @torch.no_grad()
    def parameters(self, number: int, earlier: Sequence[Layer], header: Header) -> Parameters:
        """What layer ``number`` is coded by. Index and offset have the shape (C, s, s) or (c, positions)."""
        if number == 0:
            mean, level = self.scn.prior(self.quality(header))
        elif number >= self.base_layers:
            assert self.detail is not None
            known = self._known(earlier[: self.base_layers], header, self._gains(header))
            decoded = self._detail(earlier[self.base_layers :], header)
            mean, level = self.detail.predict(
                number - self.base_layers, known, decoded, torch.tensor([header.quality], device=self._device)
            )
        else:
            gains = self._gains(header)
            mean, level = self.fcn.predict(number - 1, self._known(earlier, header, gains), gains)
        index, offset = (t[0].cpu().numpy().astype(np.int64) for t in (level, mean))
        return Parameters(self.tables, index, None, offset)

    def complete(self, layers: Sequence[Layer], header: Header) -> list[Layer]:
        """The layers given and, for those of W+ and F after them, the most likely symbols."""
        known = list(layers)
        while len(known) < self.base_layers:
            parameters = self.parameters(len(known), known, header)
            known.append(Layer(np.zeros(parameters.index.shape, np.int32), parameters))
        return known

    def integers(self, layers: Sequence[Layer], header: Header) -> Integers:
        """The decoded values of all layers; detail that is missing is 0.

        Raises:
            UsageError: some are missing; see ``complete``.
        """
        if not self.base_layers <= len(layers) <= self.layers:
            raise UsageError(
                f"{len(layers)} layers came, expected {self.base_layers} to {self.layers}; complete() predicts those "
                f"missing"
            )
        height, width = latent_size(self.profile, header.image_hw)
        feature = torch.zeros(1, self.profile.feature.channels, height, width, dtype=torch.float64, device=self._device)
        for i, layer in enumerate(layers[1 : self.base_layers]):
            turn = self.fcn.passes[i]
            checkerboard.write(feature[:, turn.start : turn.stop], self.decoded(layer), turn.places)
        detail = self._detail(layers[self.base_layers :], header) if len(layers) > self.base_layers else None
        return Integers(self.decoded(layers[0]), feature, detail)

    def quality(self, header: Header) -> Tensor:
        """The quality of W+ and F, (1,) int64: the header's, or where detail starts."""
        return torch.tensor([header.quality], device=self._device).clamp(max=self.profile.highest_base)

    def _detail(self, layers: Sequence[Layer], header: Header) -> Tensor:
        """E_hat in 1/16 of a step as far as it is known: (1, K, h, w) float64."""
        assert self.profile.detail is not None
        found = torch.zeros(
            1,
            self.profile.detail.channels,
            *feature_size(self.profile, header.image_hw),
            dtype=torch.float64,
            device=self._device,
        )
        for turn, layer in enumerate(layers):
            checkerboard.write(found, self.decoded(layer), checkerboard.ORDERS[self.profile.detail.layers][turn])
        return found

    def _gains(self, header: Header) -> Gains:
        """The gains of F, from the last answer where that was for this file's quality."""
        last = self._memory.get("last")
        return (
            last.gains
            if last and last.header.quality == header.quality
            else self.fcn.quality.gains(self.quality(header))
        )

    def _known(self, earlier: Sequence[Layer], header: Header, gains: Gains) -> Context:
        """What these layers say. A file is asked for layer after layer, so the last answer is kept and only added to."""
        last = self._memory.get("last")
        if (
            last
            and last.header == header
            and len(last.layers) <= len(earlier)
            and all(map(operator.is_, last.layers, earlier))
        ):
            known, done = last.known, len(last.layers)
        else:
            known, done = self._start(earlier[0], header), 1
        for i in range(done, len(earlier)):
            known = self.fcn.learn(known, i - 1, self.decoded(earlier[i]), gains)
        self._memory["last"] = _Remembered(tuple(earlier), header, known, gains)
        return known

    def _start(self, semantic: Layer, header: Header) -> Context:
        quality = self.quality(header)
        activations = self.scn.activations(self.decoded(semantic), quality)
        return self.fcn.start(activations, quality, latent_size(self.profile, header.image_hw))

    @property
    def _device(self) -> torch.device:
        return self.fcn.quality.log_gain.device

    def decoded(self, layer: Layer) -> Tensor:
        """A layer's values in 1/16: symbols around their means, with a batch axis in front, float64."""
        assert layer.parameters.offset is not None
        integers = layer.symbols.astype(np.int64) * MEAN_STEPS + layer.parameters.offset
        return torch.from_numpy(integers[None]).to(self._device, torch.float64)


def feature_size(profile: Profile, image_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of F for an image: by the stride, or fixed where images are brought to one size."""
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
    """The encoder's symbols: int32, values in steps of the quantiser rounded around the offset."""
    assert parameters.offset is not None
    residuals = values - parameters.offset / MEAN_STEPS
    symbols: Symbols = np.clip(np.rint(residuals), -MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)
    return symbols
