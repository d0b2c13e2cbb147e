"""The HSC codec: an image to the bytes of its latents and back, and all that can be done with such bytes.

    image ──invert──> W+, F ──rounded layer by layer──> symbols ──> file
    file ──> symbols ──> w_hat, y_hat ──g_s──> F_hat ──generator──> image, preview (from w alone, the rest predicted)
                │        │    └────────────────└── decode_latents: heads read these
                │        └── edit: w_hat moved along a direction
                └── info, cut

Symbols are the same on every machine (``hsc.entropy_coding.integer_nets``), and decoding is a function of the bytes:
the generator's noise is off.
Its floats may differ in their last bit between machines, which may move a pixel by one level.

Editing, from the paper: w1 = w_hat + step * direction, F1 = F_hat + G_n(w1) - G_n(w_hat), image = G(w1, F1), with G_n
the layers below F. A generator that starts at F has no such layers. There a light network (``hsc.networks.relighting``)
stands in their place, where weights have one; else the feature network says how F follows w: its synthesis is scaled
and shifted by w_hat, so F1 = F_hat + g_s(y_hat, w1) - g_s(y_hat, w_hat), which is g_s(y_hat, w1). It changes what w
rules, not where things are. With a step of 0 all give the decoded image.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hsc.api import Image, Latents, LatentSpec
from hsc.entropy_coding import layered_stream as layers
from hsc.entropy_coding.ans_coder import Symbols
from hsc.entropy_coding.container import QUALITY_STEPS, Header
from hsc.entropy_coding.layered_stream import Decoded, Layer, Parameters
from hsc.errors import CodecError, UsageError
from hsc.networks.entropy_model import Integers, feature_size, round_around
from hsc.networks.model import HscModel
from hsc.networks.relighting import LightNetwork
from hsc.networks.tiling import TILE, invert, require_image, require_numbers, residual_coefficients, synthesise

MAX_QUALITY = 255 / QUALITY_STEPS

HowMuch = int | Literal["semantic"] | None
"""How many layers to use: all, a number from 1 up, or "semantic" for the first."""


class Restored(NamedTuple):
    """A file's latents before the generator: w_hat (1, n, d), F_hat (1, C, h, w) and y's integers in 1/16. header: of
    the file.

    detail: E_hat (1, K, h, w), None where the layers hold none.
    """

    header: Header
    w_hat: Tensor
    feature: Tensor
    integers: Tensor
    detail: Tensor | None


@dataclass(frozen=True)
class LayerInfo:
    """A layer's name, its number of symbols, and its ideal length in bits by the integer tables."""

    name: str
    symbols: int
    bits: float


@dataclass(frozen=True)
class Info:
    """What a file holds. quality: as given to ``encode``. layers: those in the file. model: fingerprint in hex, the
    file's first 24 bits.
    """

    image_hw: tuple[int, int]
    quality: float
    size_bytes: int
    bpp: float
    layers: tuple[LayerInfo, ...]
    complete: bool
    model: str

    @property
    def slices(self) -> dict[str, float]:
        """Bits of "semantic", of each slice and of "detail", their passes together."""
        found: dict[str, float] = {}
        for layer in self.layers:
            name = layer.name if layer.name == "semantic" else layer.name.rstrip("abc")
            found[name] = found.get(name, 0.0) + layer.bits
        return found


class HscCodec:
    """A frozen model as a codec of images: uint8 (H, W, 3) RGB of 1x1 up to about 2**24 pixels
    (``hsc.entropy_coding.container``).

    device: where the networks run; the model is moved there. tile: samples of F along a tile's side, see
    ``hsc.networks.tiling``. The symbols of a file depend on neither. light: asked, at the first edit, how F follows w
    (``hsc.weights.light_for``); None, or an answer of None, leaves that to the feature network.

    Raises:
        UsageError: the model is not frozen.
    """

    def __init__(
        self,
        model: HscModel,
        *,
        device: str | torch.device = "cpu",
        tile: int = TILE,
        light: Callable[[], LightNetwork | None] = lambda: None,
    ) -> None:
        self.entropy = model.entropy
        self.model = model.to(device).eval()
        for network in (
            self.model.generator,
            self.model.fcn.synthesis,
        ):  # in this format a float sum does not depend on the threads
            network.to(memory_format=torch.channels_last)
        self.device, self.tile = torch.device(device), tile
        self._find_light = light

    @functools.cached_property
    def light(self) -> LightNetwork | None:
        """The light network, None where the weights have none. Raises DataError where it is damaged or fits another
        model.
        """
        found = self._find_light()
        return None if found is None else found.to(self.device)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names in coding order."""
        return self.entropy.names

    def encode(self, image: Image, quality: float) -> bytes:
        """A file of all layers that the quality has. quality: 0 to 7.96875, rounded to 1/32; 1 to 6 is the range models
        are trained for.

        Raises:
            ImageError: that is no image this codes.
            UsageError: the quality is out of range.
            CodecError: the networks give no numbers; the weights are damaged.
        """
        header, known = self._code(image, quality)
        return layers.write(self.entropy, header, known)

    def estimate_bits(self, image: Image, quality: float) -> float:
        """The ideal length of an image's symbols by the integer tables, without header and checksum. Raises as
        ``encode``.
        """
        return layers.estimate_bits(self._code(image, quality)[1])

    def decode(self, data: bytes, layers: HowMuch = None, *, allow_partial: bool = False) -> Image:
        """The image of a file, whole or cut.

        layers: use this many of its layers only; the rest is predicted. allow_partial: also read a file whose end is
        missing, as far as it goes.
        Time and memory go by the image's size in whole blocks, which ``hsc.entropy_coding.container`` limits, and not
        by the file's.

        Raises:
            BitstreamError: the bytes are damaged, cut, of another model, or of an image larger than a file may hold.
            UsageError: the file does not hold that many layers.
        """
        return self._synthesise(self.restore(self.read(data, layers, allow_partial=allow_partial)))

    def preview(self, data: bytes, *, allow_partial: bool = False) -> Image:
        """The image as the semantics alone tell it, from the first few bytes of a file.

        A whole generator makes it from W+ only; one that starts at F takes the F that is predicted from w.
        """
        decoded = self.read(data, "semantic", allow_partial=allow_partial)
        restored = self.restore(decoded)
        if self.model.profile.generator.start == "const":
            return synthesise(self.model, restored.w_hat, None, decoded.header.image_hw, self.tile)
        return self._synthesise(restored)

    def cut(self, data: bytes, n: int) -> bytes:
        """A complete, shorter file of the first n layers. Raises as ``hsc.entropy_coding.layered_stream.cut``."""
        return layers.cut(self.entropy, data, n)

    def info(self, data: bytes, *, allow_partial: bool = False) -> Info:
        """What a file holds; it is decoded (symbols only) and proven on the way. Raises as ``decode``."""
        decoded = self.read(data, allow_partial=allow_partial)
        held = [
            LayerInfo(name, int(layer.symbols.size), layers.estimate_bits([layer]))
            for name, layer in zip(self.layers, decoded.layers, strict=False)
        ]
        height, width = decoded.header.image_hw
        quality = decoded.header.quality / QUALITY_STEPS
        bpp = 8 * len(data) / (height * width)
        return Info(
            (height, width), quality, len(data), bpp, tuple(held), decoded.complete, self.entropy.fingerprint.hex()
        )

    def edit(self, data: bytes, direction: npt.ArrayLike, step: float, *, allow_partial: bool = False) -> Image:
        """The decoded image with its semantics moved: direction (n_styles, w_dim), or (w_dim,) for all styles alike.

        Raises:
            UsageError: the direction has another shape or is not finite.
            BitstreamError: as ``decode``.
        """
        encoder = self.model.profile.encoder
        shape = (encoder.n_styles, encoder.w_dim)
        moved = np.asarray(direction, dtype=np.float32)
        if moved.shape not in (shape, shape[1:]) or not np.isfinite(moved).all() or not math.isfinite(step):
            raise UsageError(
                f"the direction came with shape {moved.shape} and step {step}, expected finite numbers of shape "
                f"{shape} or {shape[1:]}"
            )
        restored = self.restore(self.read(data, allow_partial=allow_partial))
        return self._synthesise(self._moved(restored, torch.from_numpy(moved * np.float32(step)).to(self.device)))

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        """w_hat (n_styles, w_dim), y_hat (M, h', w'), F_hat (C, h, w) and, where there is detail, E_hat (K, h, w).

        The first two, what symbols stand for, are in a space that models of another decoder share; the others in that
        of these very weights.
        """
        profile, space, own = self.model.profile, self.model.space.hex(), self.entropy.fingerprint.hex()
        encoder, coarser = profile.encoder, profile.feature.stride

        def follows(name: str, channels: int, stride: int, space: str) -> LatentSpec:
            side = None if encoder.input_size is None else -(-encoder.input_size // stride)
            return LatentSpec(name, (channels, side, side), stride if side is None else 0, space)

        found = (
            LatentSpec("w_hat", (encoder.n_styles, encoder.w_dim), 0, space),
            follows("y_hat", profile.feature.channels, encoder.stride * coarser, space),
            follows("F_hat", encoder.feature_channels, encoder.stride, own),
        )
        return (
            found
            if profile.detail is None
            else (*found, follows("E_hat", profile.detail.channels, encoder.stride, own))
        )

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        """Float32 maps of a file: "w_hat" and "y_hat", which the symbols stand for; "F_hat", what the generator would
        be given; and, where the model has detail, "E_hat", 0 where none is coded.

        names: those wanted, None for all; without F_hat among them no network of floats is run but for w_hat. The
        generator never is.

        Raises:
            UsageError: a name is none of these.
            BitstreamError: as ``decode``.
        """
        return self._latents(self.read(data), names)

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        """The same for many files. Each is restored alone, so that the floats are those of ``decode_latents``."""
        return [self.decode_latents(data, names) for data in streams]

    def stages(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Decoding in three steps, each taking what the last one gave: "entropy" (bytes), "latents", "synthesis" (->
        image).
        """
        return (("entropy", self.read), ("latents", self.restore), ("synthesis", self._synthesise))

    def latent_stages(self, names: Sequence[str] | None = None) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Decoding to latents in two steps, as ``stages`` has them: "entropy" (bytes), "latents" (-> Latents)."""
        return (("entropy", self.read), ("latents", lambda decoded: self._latents(decoded, names)))

    def read(self, data: bytes, layers_used: HowMuch = None, *, allow_partial: bool = False) -> Decoded:
        """The symbols of a file, by layer, cut to the layers asked for. Raises as ``decode``."""
        decoded = layers.decode(self.entropy, data, allow_partial=allow_partial)
        held = len(decoded.layers)
        used = held if layers_used is None else 1 if layers_used == "semantic" else layers_used
        if not isinstance(used, int) or not 1 <= used <= held:
            raise UsageError(f"layers came as {layers_used!r}, expected 'semantic' or 1 to the {held} the file holds")
        return Decoded(decoded.header, decoded.layers[:used], decoded.complete)

    @torch.no_grad()
    def restore(self, decoded: Decoded) -> Restored:
        """w_hat, F_hat and E_hat of decoded symbols; layers that are missing are predicted."""
        header = decoded.header
        integers, quality = self._integers(decoded), self.entropy.quality(header)
        w_hat = self.model.scn.restore(integers.semantic, quality)
        feature = self.model.fcn.restore(
            integers.feature, w_hat, quality, feature_size(self.model.profile, header.image_hw)
        )
        return Restored(
            header,
            w_hat,
            feature,
            integers.feature,
            None if integers.detail is None else self._detail(integers, header),
        )

    @torch.no_grad()
    def _moved(self, restored: Restored, move: Tensor) -> Restored:
        """w and F after a move of w, (n_styles, w_dim) or (w_dim,); see the module's docstring."""
        w_hat, generator = restored.w_hat + move, self.model.generator
        if self.model.profile.generator.start == "const":
            change = generator.run_below(w_hat).feature - generator.run_below(restored.w_hat).feature
            feature = restored.feature + change
        elif self.light is not None:
            feature = self.light(restored.feature, restored.w_hat, w_hat)
        else:
            quality = self.entropy.quality(restored.header)
            feature = self.model.fcn.restore(restored.integers, w_hat, quality, restored.feature.shape[2:])
        return restored._replace(w_hat=w_hat, feature=feature)

    def _synthesise(self, restored: Restored) -> Image:
        return synthesise(
            self.model, restored.w_hat, restored.feature, restored.header.image_hw, self.tile, detail=restored.detail
        )

    @torch.no_grad()
    def _latents(self, decoded: Decoded, names: Sequence[str] | None) -> Latents:
        offered = [spec.name for spec in self.latent_specs()]
        wanted = offered if names is None else [name for name in offered if name in names]
        if names is not None and (missing := set(names) - set(offered)):
            raise UsageError(f"no latents are named {', '.join(sorted(missing))}; there are {', '.join(offered)}")
        header, fcn = decoded.header, self.model.fcn
        integers, quality = self._integers(decoded), self.entropy.quality(header)
        found = {
            "w_hat": self.model.scn.restore(integers.semantic, quality),
            "y_hat": fcn.dequantised(integers.feature, quality),
        }
        if "F_hat" in wanted:
            found["F_hat"] = fcn.restore(
                integers.feature, found["w_hat"], quality, feature_size(self.model.profile, header.image_hw)
            )
        if "E_hat" in wanted:
            found["E_hat"] = self._detail(integers, header)
        return Latents(
            {name: require_numbers(found[name], name)[0].contiguous().cpu().numpy() for name in wanted}, header.image_hw
        )

    def _integers(self, decoded: Decoded) -> Integers:
        """The values of a file's layers; those of W+ and F that are missing are predicted."""
        return self.entropy.integers(self.entropy.complete(decoded.layers, decoded.header), decoded.header)

    def _detail(self, integers: Integers, header: Header) -> Tensor:
        """E_hat, (1, K, h, w), 0 where none is coded."""
        network = self.model.detail
        assert network is not None
        if integers.detail is None:
            return torch.zeros(
                1, network.config.channels, *feature_size(self.model.profile, header.image_hw), device=self.device
            )
        return network.restore(integers.detail, torch.tensor([header.quality], device=self.device))

    def _code(self, image: Image, quality: float) -> tuple[Header, list[Layer]]:
        image = require_image(image)
        steps = round(quality * QUALITY_STEPS) if 0 <= quality <= MAX_QUALITY + 1 else -1
        if not 0 <= steps <= 255:
            raise UsageError(
                f"the quality came as {quality}, expected 0 to {MAX_QUALITY}; 1 to 6 is what models are trained for"
            )
        header = Header((image.shape[0], image.shape[1]), steps, self.model.profile.layers_at(steps))
        return header, layers.code(self.entropy, header, _Rounding(self, image, header))


class _Rounding:
    """The encoder's choice of symbols, layer by layer: y of F is made once w_hat is known, as the decoder will know it,
    E once F_hat is.
    """

    def __init__(self, codec: HscCodec, image: Image, header: Header) -> None:
        self.codec, self.header, self.image = codec, header, image
        self.found = invert(codec.model.gie, image, codec.tile)
        self.values: list[npt.NDArray[np.float64]] = []
        self.layers: list[Layer] = []

    @torch.no_grad()
    def __call__(self, number: int, parameters: Parameters) -> Symbols:
        entropy = self.codec.entropy
        if number == 0:
            values = self.codec.model.scn.scaled(self.found.w_plus, entropy.quality(self.header))[0].cpu().numpy()
        else:
            if number == 1:
                self.values = self._feature_values()
            elif number == entropy.base_layers:
                self.values += self._detail_values()
            values = self.values[number - 1]
        if not np.isfinite(values).all():
            name = self.codec.layers[number]
            raise CodecError(
                f"the networks give values for the layer {name} that are not finite; the weights are damaged: fetch "
                f"them again"
            )
        symbols = round_around(values, parameters)
        self.layers.append(Layer(symbols, parameters))
        return symbols

    def _feature_values(self) -> list[npt.NDArray[np.float64]]:
        """v of every layer of F: (c, positions) each."""
        fcn, scn, quality = self.codec.model.fcn, self.codec.model.scn, self.codec.entropy.quality(self.header)
        w_hat = scn.restore(self.codec.entropy.decoded(self.layers[0]), quality)
        scaled = fcn.scaled(self.found.feature, w_hat, quality)
        return [fcn.pick(scaled, layer)[0].cpu().numpy() for layer in range(len(fcn.passes))]

    def _detail_values(self) -> list[npt.NDArray[np.float64]]:
        """The symbols of every layer of E as numbers, (K, positions) each: what the image that was coded so far lacks."""
        codec, network = self.codec, self.codec.model.detail
        assert network is not None
        made = codec._synthesise(codec.restore(Decoded(self.header, tuple(self.layers), True)))
        values = residual_coefficients(codec.model, self.image, made, self.found.feature)
        symbols = network.symbols(values, torch.tensor([self.header.quality], device=codec.device))
        return [network.pick(symbols, turn)[0].cpu().numpy() for turn in range(network.config.layers)]
