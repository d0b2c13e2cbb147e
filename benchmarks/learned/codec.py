"""A learned codec: one network of CompressAI, from images to files and back.

    image --pad to 64--> x --g_a--> y --h_a--> z --code_latents--> symbols --ANS--> payload --container--> file
    file --> payload --code_latents--> z_hat, y_hat --g_s--> image
                                        └── decode_latents

The transforms are CompressAI's own modules, in float32. Probabilities and the entropy coder are ours
(``benchmarks/learned/entropy_networks.py``, ``hsc/entropy_coding/ans_coder.py``): CompressAI's coder checks nothing,
and bytes from outside may crash it. A file's payload is as long as CompressAI's strings to within a few bytes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.learned import container, tiles
from benchmarks.learned.container import Header
from benchmarks.learned.entropy_networks import EntropyNetworks
from benchmarks.learned.identity import Y_STRIDE, Z_STRIDE, Identity, tables_sha256_of
from benchmarks.learned.latent_coding import Chooser, Latents, Reader, code_latents, padded_to
from benchmarks.learned.networks import Network
from hsc.api import Image, LatentSpec
from hsc.api import Latents as LatentMaps
from hsc.errors import BitstreamError, CodecError, UsageError


class Decoded(NamedTuple):
    """The latents of a file, and the true size of its image."""

    latents: Latents
    image_hw: tuple[int, int]


class LearnedCodec:
    """The codec of one network, for uint8 (H, W, 3) RGB images of any size up to ``container.MAX_PIXELS``.

    device: where the networks run. dtype: of the networks that decide probabilities; float32 computes as CompressAI
    does, for comparisons with it.
    """

    def __init__(self, network: Network, device: str = "cpu", dtype: torch.dtype = torch.float64) -> None:
        self.device, self.fingerprint = torch.device(device), network.fingerprint
        self.architecture, self._channels = network.architecture, network.widths
        self.entropy = EntropyNetworks(network, self.device, dtype)
        model: Any = network.model
        # in channels_last a float sum does not depend on the number of threads
        transforms = {
            name: copy.deepcopy(part).to(self.device).to(memory_format=torch.channels_last)
            for name in ("g_a", "h_a", "g_s")
            if (part := getattr(model, name, None)) is not None
        }
        self._analysis, self._synthesis = transforms["g_a"], transforms["g_s"]
        self._hyper_analysis = transforms.get("h_a")

    @property
    def identity(self) -> Identity:
        """What the weights are known by; their tables of y come with them or are computed."""
        tables_sha256 = tables_sha256_of(self.entropy.y_tables)
        return Identity(self.architecture, self.fingerprint, tables_sha256, self._channels)

    @property
    def last_quality(self) -> int:
        """The header's quality of the largest files of a variable-rate network, else 255."""
        return self.entropy.last_gain_step if self.architecture.variable_rate else 255

    def encode(self, image: Image, quality: int) -> bytes:
        """A whole file. quality: 0 to ``last_quality``, as the file's header holds it.

        Raises:
            UsageError: the quality is out of range.
            CodecError: the image is too large, or the networks give values that are not finite.
        """
        return self._packed(*self._analysed(image, quality, estimate=False))

    def estimate_bits(self, image: Image, quality: int) -> float:
        """The networks' own estimate of the symbols' bits, without header, checksum and the rounding of tables.

        Arguments and errors are those of ``encode``.
        """
        header, source = self._analysed(image, quality, estimate=True)
        self._run(source, header)
        return source.bits

    def read(self, data: bytes | container.File) -> Decoded:
        """The latents of a file.

        Raises:
            BitstreamError: the bytes are damaged, cut, or of another network.
        """
        file = data if isinstance(data, container.File) else container.unpack(data)
        file.require_model(self.fingerprint)
        header = file.header
        if header.quality > self.last_quality:
            raise BitstreamError(
                f"the file claims the quality {header.quality}, the network has 0 to {self.last_quality}; the file is "
                f"damaged"
            )
        source = Reader(file.payload, header.context(self.fingerprint))
        latents = self._run(source, header)
        source.finish()
        return Decoded(latents, header.image_hw)

    @torch.no_grad()
    def synthesise(self, decoded: Decoded) -> Image:
        """The image of decoded latents."""
        y_hat = decoded.latents.y_hat.float().contiguous(memory_format=torch.channels_last)
        height, width = decoded.image_hw
        pixels = tiles.synthesise(self._synthesis, y_hat, Y_STRIDE)[0, :, :height, :width]
        levels = pixels.nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8)
        return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())

    def decode(self, data: bytes | container.File) -> Image:
        """The image of a file. Errors are those of ``read``."""
        return self.synthesise(self.read(data))

    def stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """Decoding in two steps: "entropy" (bytes -> latents), "synthesis" (-> image)."""
        return (("entropy", self.read), ("synthesis", self.synthesise))

    def encode_stages(self, quality: int) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """Encoding in two steps: "analysis" (image -> y and z), "entropy" (all else, -> bytes). Arguments and errors
        are those of ``encode``.
        """
        return (
            ("analysis", lambda image: self._analysed(image, quality, estimate=False)),
            ("entropy", lambda analysed: self._packed(*analysed)),
        )

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        """The latents of the weights, see ``Identity``."""
        return self.identity.latent_specs()

    def latent_maps(self, decoded: Decoded, names: Sequence[str] | None = None) -> LatentMaps:
        """Decoded latents as float32 maps without the padding: samples that cover at least one pixel of the image.

        Raises:
            UsageError: there are no latents of a name.
        """
        tensors = {"y_hat": decoded.latents.y_hat}
        if decoded.latents.z_hat is not None:
            tensors["z_hat"] = decoded.latents.z_hat
        unknown = [name for name in names or () if name not in tensors]
        if unknown:
            raise UsageError(f"there are no latents named {', '.join(unknown)}; there are {', '.join(tensors)}")
        strides = {"y_hat": Y_STRIDE, "z_hat": Z_STRIDE}
        maps = {}
        for name in names if names is not None else tensors:
            height, width = (-(-side // strides[name]) for side in decoded.image_hw)
            array = tensors[name][0, :, :height, :width].float().cpu().numpy()
            maps[name] = np.ascontiguousarray(array)
        return LatentMaps(maps, decoded.image_hw)

    def _run(self, source: Chooser | Reader, header: Header) -> Latents:
        stride = Z_STRIDE if self.architecture.hyperprior else Y_STRIDE
        height, width = header.padded_hw
        gain = self.entropy.gain(header.quality)
        return code_latents(self.entropy, source, gain, (height // stride, width // stride))

    def _packed(self, header: Header, source: Chooser) -> bytes:
        """The file of what ``_analysed`` returned."""
        self._run(source, header)
        return container.pack(header, self.fingerprint, source.finish())

    @torch.no_grad()
    def _analysed(self, image: Image, quality: int, *, estimate: bool) -> tuple[Header, Chooser]:
        """The header of an image, and its latents before they are rounded to symbols."""
        if not 0 <= quality <= self.last_quality:
            raise UsageError(f"the quality came as {quality}, expected 0 to {self.last_quality}")
        header = Header(quality, (image.shape[0], image.shape[1]))
        if reason := container.why_too_large(header):
            raise CodecError(f"the image has {image.shape[0]}x{image.shape[1]} pixels, {reason}; code it in parts")
        pixels = torch.from_numpy(np.array(image)).to(self.device).permute(2, 0, 1)[None].float() / 255
        x = padded_to(pixels, container.MULTIPLE).contiguous(memory_format=torch.channels_last)
        y: Tensor = self._analysis(x)
        return header, self._chooser(y, header.context(self.fingerprint), estimate=estimate)

    def _chooser(self, y: Tensor, context: bytes, *, estimate: bool) -> Chooser:
        if self._hyper_analysis is None:
            return Chooser(None, y, context, estimate=estimate)
        z = self._hyper_analysis(y if self.architecture.means else y.abs())
        return Chooser(y, z, context, estimate=estimate)
