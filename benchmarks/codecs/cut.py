"""Another codec's bitstreams truncated after some of their layers, as a receiver has them before the rest arrives.

image -> codec.encode -> whole file -> codec.cut(n) -> shorter, complete file -> codec.decode, codec.decode_latents
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.api import CODECS
from benchmarks.codecs._wrapper import inner_codec
from benchmarks.programs.data_only import why_not_spec
from hsc.api import DecodesLatents, Image, Latents, LatentSpec, Layered
from hsc.errors import CodecError


@CODECS.register("cut", aliases=("truncated",))
@dataclass(frozen=True)
class Cut:
    """A layered codec's bitstreams of one quality, truncated: a rate curve over the number of layers received.

    of: the codec, at one operating point. layers: the number of layers kept, 1 for only the first. The ladder fits
    hsc's weights: the semantics, then more slices at each point; for a codec with other layers give the ladder, as in
    cut(of=..., layers=[1, 2]).
    """

    of: str = "hsc(quality=6)"
    layers: int = 16

    rate_field: ClassVar[str] = "layers"
    ladder: ClassVar[tuple[int, ...]] = (1, 4, 7, 10, 13, 16)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the codec that is truncated."""
        return why_not_spec(CODECS, settings["of"])

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers came as {self.layers}, expected 1 or more")
        if isinstance(inner_codec(self.of), Cut):
            raise ValueError(f"{self.of} is cut already; cut the codec itself")

    def encode(self, image: Image) -> bytes:
        """The first layers of the codec's bitstream, as a complete file.

        Raises:
            CodecError: the codec cannot run, or its files have fewer layers.
        """
        if reason := self.available():
            raise CodecError(reason)
        codec: Any = inner_codec(self.of)
        data: bytes = codec.cut(codec.encode(image), self.layers)
        return data

    def decode(self, data: bytes) -> Image:
        """The codec's image from the layers that are present. Raises as the codec does."""
        return inner_codec(self.of).decode(data)

    def available(self) -> str | None:
        codec = inner_codec(self.of)
        if reason := codec.available():
            return reason
        if not isinstance(codec, Layered):
            return f"files of {self.of} have no layers to cut; name a layered codec, such as hsc"
        if self.layers > len(codec.layers):
            return (
                f"files of {self.of} have {len(codec.layers)} layers, {self.layers} were asked for; "
                f"name fewer, as in cut(layers=[1, 2])"
            )
        return None

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, and the version of this wrapper."""
        return {**inner_codec(self.of).provenance(), "cut": "1"}

    def latent_specs(self) -> Sequence[LatentSpec]:
        """The codec's latent specs; none if it does not hand out latents."""
        codec = inner_codec(self.of)
        return codec.latent_specs() if isinstance(codec, DecodesLatents) else ()

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        """The codec's latents; the missing layers are predicted. Raises as the codec does."""
        return self._latent_decoder().decode_latents(data, names)

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        return self._latent_decoder().decode_latents_batch(streams, names)

    def _latent_decoder(self) -> DecodesLatents:
        codec = inner_codec(self.of)
        if not isinstance(codec, DecodesLatents):
            raise CodecError(f"{self.of} hands out no latents")
        return codec
