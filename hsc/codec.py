"""The HSC codec: encodes an image's latents to a file, decodes them, and works on such files.

    image ──invert──> W+, F ──rounded layer by layer──> symbols ──> file
    file ──> symbols ──> w_hat, y_hat ──g_s──> F_hat ──generator──> image, preview (from w alone, the rest predicted)
                │        │    └────────────────└── decode_latents: heads read these
                │        └── edit: w_hat moved along a direction
                └── info, cut

Symbols are the same on every machine (``hsc.entropy_coding.integer_nets``), and decoding is a function of the bytes:
the generator's noise is off. Floats may differ in their last bit between machines, which may change a pixel by one
level.

Editing, from the paper: w1 = w_hat + step * direction, F1 = F_hat + G_n(w1) - G_n(w_hat), image = G(w1, F1), with G_n
the layers below F. A generator that starts at F has no such layers. If the weights have a light network
(``hsc.networks.relighting``), it takes their place. Otherwise the feature network decides how F follows w: its
synthesis is scaled and shifted by w_hat, so F1 = F_hat + g_s(y_hat, w1) - g_s(y_hat, w_hat), which is g_s(y_hat, w1).
With a coarse map (``hsc.networks.coarse_map``) the prediction F_w moves too, in the place of G_n: F1 = g_s(y_hat, w1) +
F_w(w1). It changes what w controls. With a step of 0 all of these give the decoded image.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from hsc.api import Image, Latents, LatentSpec
from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.container import QUALITY_STEPS, Header
from hsc.entropy_coding.layered_stream import Decoded, Layer
from hsc.errors import UsageError
from hsc.networks import decoding
from hsc.networks.decoding import Restored, image_of
from hsc.networks.encoding import SymbolChoice
from hsc.networks.entropy_model import slice_of
from hsc.networks.model import HscModel
from hsc.networks.relighting import LightNetwork
from hsc.networks.tiling import TILE, require_image, synthesise

MAX_QUALITY = 255 / QUALITY_STEPS

LayerCount = int | Literal["semantic"] | None
"""How many layers to use: None for all, a number from 1 up, or "semantic" for the first."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer's name, its number of symbols, and its ideal length in bits by the integer tables."""

    name: str
    symbols: int
    bits: float


@dataclass(frozen=True)
class Info:
    """The content of a file.

    quality: as given to ``encode``. layers: those in the file. model: fingerprint of the weights in hex, of which the
    file holds the first 24 bits.
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
        """Bits of "semantic", of each slice and of "detail", each summed over its passes."""
        bits: dict[str, float] = {}
        for layer in self.layers:
            name = slice_of(layer.name)
            bits[name] = bits.get(name, 0.0) + layer.bits
        return bits


class HscCodec:
    """The codec of a frozen model, for uint8 (H, W, 3) RGB images from 1x1 to about 2**24 pixels.

    ``hsc.entropy_coding.container`` has the exact limit.

    quality: of ``encode`` and ``estimate_bits`` where they are given none, 0 to 7.96875. device: where the networks
    run; the model is moved there. tile: samples of F along a tile's side, see ``hsc.networks.tiling``. The symbols of a
    file depend on neither. light: called at the first edit, returns the light network (``hsc.weights.files.light_for``)
    or None, with which the feature network decides how F follows w.

    Raises:
        UsageError: the model is not frozen, or the quality is out of range.
    """

    def __init__(
        self,
        model: HscModel,
        *,
        quality: float = 3.0,
        device: str | torch.device = "cpu",
        tile: int = TILE,
        light: Callable[[], LightNetwork | None] = lambda: None,
    ) -> None:
        _quality_steps(quality)
        self.quality = quality
        self.entropy = model.entropy
        self.model = model.to(device).eval()
        # in channels_last a float sum does not depend on the number of threads
        for network in (self.model.generator, self.model.fcn.synthesis):
            network.to(memory_format=torch.channels_last)
        self.device, self.tile = torch.device(device), tile
        self._load_light = light

    @functools.cached_property
    def light(self) -> LightNetwork | None:
        """The light network, None where the weights have none.

        Raises:
            DataError: its file is damaged or fits another model.
        """
        network = self._load_light()
        return None if network is None else network.to(self.device)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names in coding order."""
        return self.entropy.names

    def encode(self, image: Image, quality: float | None = None) -> bytes:
        """Encode an image to a file with all layers of the quality.

        quality: 0 to 7.96875, rounded to 1/32; models are trained for 1 to 6 or 7. None for that of the codec.

        Raises:
            ImageError: the image is not uint8 (H, W, 3), is empty, or is too large.
            UsageError: the quality is out of range.
            CodecError: the networks give values that are not finite; the weights are damaged.
        """
        header, coded_layers = self._code(image, quality)
        return layered_stream.write(self.entropy, header, coded_layers)

    def estimate_bits(self, image: Image, quality: float | None = None) -> float:
        """The ideal length of an image's symbols by the integer tables, without header and checksum.

        Arguments and errors are those of ``encode``.
        """
        return layered_stream.estimate_bits(self._code(image, quality)[1])

    def decode(self, data: bytes, layers: LayerCount = None, *, allow_partial: bool = False) -> Image:
        """Decode a file, whole or cut, to its image.

        layers: how many of the file's layers to use; the others are predicted. allow_partial: also read a file with a
        missing end, as far as it goes. Time and memory depend on the image's size in whole blocks, which
        ``hsc.entropy_coding.container`` limits, and not on the file's.

        Raises:
            BitstreamError: the bytes are damaged, cut, of another model, or of an image larger than a file may hold.
            UsageError: the file does not hold that many layers.
        """
        return self._synthesise(self.restore(self.read(data, layers, allow_partial=allow_partial)))

    def preview(self, data: bytes, *, allow_partial: bool = False) -> Image:
        """The image from the semantics alone, the first few bytes of a file.

        A whole generator makes it from W+ only; a generator that starts at F takes the F that is predicted from w.
        """
        decoded = self.read(data, "semantic", allow_partial=allow_partial)
        restored = self.restore(decoded)
        if self.model.profile.generator.start == "const":
            return synthesise(self.model, restored.w_hat, None, decoded.header.image_hw, self.tile)
        return self._synthesise(restored)

    def cut(self, data: bytes, n: int) -> bytes:
        """A complete, shorter file of the first n layers.

        Errors are those of ``hsc.entropy_coding.layered_stream.cut``.
        """
        return layered_stream.cut(self.entropy, data, n)

    def info(self, data: bytes, *, allow_partial: bool = False) -> Info:
        """The content of a file; its symbols are decoded and verified on the way. Errors are those of ``decode``."""
        decoded = self.read(data, allow_partial=allow_partial)
        layers = [
            LayerInfo(name, int(layer.symbols.size), layered_stream.estimate_bits([layer]))
            for name, layer in zip(self.layers, decoded.layers, strict=False)
        ]
        height, width = decoded.header.image_hw
        return Info(
            image_hw=(height, width),
            quality=decoded.header.quality / QUALITY_STEPS,
            size_bytes=len(data),
            bpp=8 * len(data) / (height * width),
            layers=tuple(layers),
            complete=decoded.complete,
            model=self.entropy.fingerprint.hex(),
        )

    def edit(self, data: bytes, direction: npt.ArrayLike, step: float, *, allow_partial: bool = False) -> Image:
        """The decoded image with its semantics moved by ``step`` times a direction.

        direction: of the shape of w_hat (``latent_specs``), or (w_dim,) for the same move of all styles.

        Raises:
            UsageError: the direction has another shape or is not finite.
            BitstreamError: as for ``decode``.
        """
        shape = (self.model.profile.word_rows, self.model.profile.encoder.w_dim)
        array = np.asarray(direction, dtype=np.float32)
        if array.shape not in (shape, shape[1:]) or not np.isfinite(array).all() or not math.isfinite(step):
            raise UsageError(
                f"the direction came with shape {array.shape} and step {step}, expected finite numbers of shape "
                f"{shape} or {shape[1:]}"
            )
        restored = self.restore(self.read(data, allow_partial=allow_partial))
        move = torch.from_numpy(array * np.float32(step)).to(self.device)
        light = None if self.model.profile.generator.start == "const" else self.light
        return self._synthesise(decoding.edited(self.model, restored, move, light))

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        """The latents of the model; see ``hsc.networks.identity``."""
        return self.model.identity.latent_specs()

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        """Float32 maps of a file: "w_hat", "y_hat", "F_hat" and, where the model has them, "w_map" and "E_hat".

        F_hat is the generator's input; w_map is w at every place where w is a coarse map; E_hat is 0 where no detail is
        coded.

        names: the wanted maps, None for all. Without F_hat among them no float network runs except those of w. The
        generator never runs.

        Raises:
            UsageError: the model has no latents of a name.
            BitstreamError: as for ``decode``.
        """
        return decoding.latents(self.model, self.read(data), names)

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        """Decode the latents of several files, each alone, so that the floats are those of ``decode_latents``."""
        return [self.decode_latents(data, names) for data in streams]

    def stages(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Decoding in three steps, each taking the last one's result: "entropy" (bytes), "latents", "synthesis"."""
        return (("entropy", self.read), ("latents", self.restore), ("synthesis", self._synthesise))

    def encode_stages(self, quality: float | None = None) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Encoding in three steps: "inversion" (image -> w, F), "symbols" (all networks of the entropy model),
        "entropy" (-> bytes). Arguments and errors are those of ``encode``.
        """
        return (
            ("inversion", lambda image: self._inverted(image, quality)),
            ("symbols", lambda inverted: self._symbols(*inverted)),
            ("entropy", lambda coded: layered_stream.write(self.entropy, *coded)),
        )

    def latent_stages(self, names: Sequence[str] | None = None) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Decoding to latents in two steps of the same form: "entropy" (bytes), "latents" (-> Latents)."""
        return (("entropy", self.read), ("latents", lambda decoded: decoding.latents(self.model, decoded, names)))

    def read(self, data: bytes, layers: LayerCount = None, *, allow_partial: bool = False) -> Decoded:
        """The symbols of a file by layer, limited to ``layers`` of them. Errors are those of ``decode``."""
        decoded = layered_stream.decode(self.entropy, data, allow_partial=allow_partial)
        available = len(decoded.layers)
        used = available if layers is None else 1 if layers == "semantic" else layers
        if not isinstance(used, int) or not 1 <= used <= available:
            raise UsageError(f"layers came as {layers!r}, expected 'semantic' or 1 to the {available} the file holds")
        return Decoded(decoded.header, decoded.layers[:used], decoded.complete)

    def restore(self, decoded: Decoded) -> Restored:
        """w_hat, F_hat and E_hat of decoded symbols; missing layers are predicted."""
        return decoding.restore(self.model, decoded)

    def _synthesise(self, restored: Restored) -> Image:
        return image_of(self.model, restored, self.tile)

    def _code(self, image: Image, quality: float | None) -> tuple[Header, list[Layer]]:
        return self._symbols(*self._inverted(image, quality))

    def _inverted(self, image: Image, quality: float | None) -> tuple[Header, SymbolChoice]:
        image = require_image(image)
        steps = _quality_steps(self.quality if quality is None else quality)
        header = Header((image.shape[0], image.shape[1]), steps, self.model.profile.layers_at(steps))
        return header, SymbolChoice(self.model, image, header, self.tile)

    def _symbols(self, header: Header, choice: SymbolChoice) -> tuple[Header, list[Layer]]:
        return header, layered_stream.code(self.entropy, header, choice)


def _quality_steps(quality: float) -> int:
    """A quality as a whole number of the file's steps; raises UsageError where it is out of range."""
    steps = round(quality * QUALITY_STEPS) if 0 <= quality <= MAX_QUALITY + 1 else -1
    if not 0 <= steps <= 255:
        raise UsageError(
            f"the quality came as {quality}, expected 0 to {MAX_QUALITY}; models are trained for 1 to 6 or 7"
        )
    return steps
