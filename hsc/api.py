"""The contract of a codec, and its optional capabilities.

A codec turns an image into bytes and bytes into an image. Everything else that it can do (layers, latents, a bit
estimate) is an optional capability: a protocol here, checked with ``isinstance`` and never guessed from a name.

    image --encode--> bytes --decode---------> image
                          \\----decode_latents--> Latents
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
"""uint8, shape (H, W, 3), RGB, 0 to 255: the form of pixels at every border."""


@runtime_checkable
class Codec(Protocol):
    """An image codec at one operating point: a frozen dataclass whose fields are its whole configuration.

    Two class attributes describe its rate axis:
      rate_field   the field that varies along the curve ("quality", "qp"), or "" for a codec with one operating point
      ladder       the operating points used when the caller names none
    """

    rate_field: ClassVar[str]
    ladder: ClassVar[tuple[Any, ...]]

    def encode(self, image: Image) -> bytes:
        """Encode one image of any size from 1x1 up; the bytes hold everything that ``decode`` needs.

        The image's array is read-only.

        Raises:
            CodecError: the encoder failed.
        """

    def decode(self, data: bytes) -> Image:
        """Decode an image from the bytes alone, in a fresh process and at any operating point of this instance.

        Raises:
            BitstreamError: the bytes are damaged, cut, empty or not this codec's.
        """

    def available(self) -> str | None:
        """None if this configuration can run on this machine, else one sentence with the reason and the cure."""

    def provenance(self) -> Mapping[str, str]:
        """Everything beside the config that decides the bytes, by name.

        These are versions of code and libraries, and sha256 of binaries and weights. It is part of the key of cached
        streams, so it must change whenever the output may change.
        """


@dataclass(frozen=True)
class LatentSpec:
    """The shape and the space of one of a codec's decoded latents.

    name: the map's name ("F_hat", "w_hat", "y_hat").
    shape: channels first, None for axes that follow the image size.
    stride: image pixels per latent sample, 0 for a global vector.
    space: fingerprint of the weights that define the latent space; heads trained in another space refuse it.
    """

    name: str
    shape: tuple[int | None, ...]
    stride: int
    space: str


@dataclass(frozen=True)
class Latents:
    """Decoded latents of one image: float32 arrays by name, and the true image size from the stream."""

    maps: Mapping[str, npt.NDArray[np.float32]]
    image_hw: tuple[int, int]


@runtime_checkable
class DecodesLatents(Protocol):
    """Capability: latents from bytes, without decoding the image."""

    def latent_specs(self) -> Sequence[LatentSpec]: ...

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        """Decode the latents of a stream. names: the maps that are needed, None for all; others may be returned too."""
        ...

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]: ...


@runtime_checkable
class DataOnly(Protocol):
    """Capability of any plug-in: it states which settings from an untrusted source are safe to build and run.

    A plug-in without this capability is never built from an untrusted source. Each class must define the method itself;
    that of a parent class does not count.
    """

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None if these settings are safe, else one phrase that says what the plug-in would do.

        settings: any JSON values, defaults filled in. Safe means: to build and run the plug-in starts no program but
        bundled ones, unpickles and executes nothing, reads no model file but packaged ones, and uses no network.
        """


@runtime_checkable
class Ranged(Protocol):
    """Capability: the range of the rate axis, which may be wider than the ladder.

    The range of a codec without this capability is that of its ladder.
    """

    rate_range: ClassVar[tuple[Any, Any]]
    """The rate field's values for the smallest and for the largest file."""


@runtime_checkable
class Layered(Protocol):
    """Capability: a stream can be cut after n layers into a complete, checked, shorter stream."""

    @property
    def layers(self) -> tuple[str, ...]: ...

    def cut(self, data: bytes, n: int) -> bytes: ...


@runtime_checkable
class Staged(Protocol):
    """Capability: decoding as named steps that the harness times one by one; each takes the previous one's output.

    A run asks for them once before anything is coded, so that a codec whose weights or libraries cannot be used
    (``UnavailableError``, ``DataError``) is skipped with the reason.
    """

    def stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]: ...


@runtime_checkable
class StagedEncoding(Protocol):
    """Capability: encoding as named steps that the harness times one by one; the first takes an image, each other the
    previous one's output, and the last returns the bytes of ``encode``.
    """

    def encode_stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]: ...


@runtime_checkable
class StagedLatents(Protocol):
    """Capability: decoding to ``Latents`` as named steps, each taking the previous one's output.

    names: as in ``DecodesLatents``.
    """

    def latent_stages(self, names: Sequence[str] | None = None) -> Sequence[tuple[str, Callable[[Any], Any]]]: ...


@runtime_checkable
class Edits(Protocol):
    """Capability: decoding with edited semantics, "w_hat" of ``decode_latents`` plus ``step`` times a direction."""

    def edit(self, data: bytes, direction: npt.ArrayLike, step: float) -> Image: ...


@runtime_checkable
class PreparesImages(Protocol):
    """Capability: the image is changed on purpose before it is coded, as pre-processing for machines does."""

    def prepared(self, image: Image) -> Image:
        """What a decoded image of this codec comes close to, in the size of ``image``."""
        ...


@runtime_checkable
class HasSenderHeads(Protocol):
    """Capability: heads work at the sender's side and decide what is encoded, so their scores are not independent."""

    @property
    def sender_heads(self) -> Sequence[str]:
        """The specs of these heads."""


@runtime_checkable
class CodesBatches(Protocol):
    """Capability: many images coded in one call, for a codec that takes long to start. A run then has no time of an
    image.

    An answer is as long as what came, with a ``CodecError`` in the place of whatever could not be coded. It must not
    depend on what else is in the batch: ``encode`` and ``decode`` give the same.
    """

    @property
    def batch_images(self) -> int:
        """The most images in a call."""

    def encode_batch(self, images: Sequence[Image]) -> Sequence[bytes | Exception]: ...

    def decode_batch(self, streams: Sequence[bytes]) -> Sequence[Image | Exception]: ...


@runtime_checkable
class EstimatesBits(Protocol):
    """Capability: the entropy model's estimate of one image's bits, reported beside the real size and never as it."""

    def estimate_bits(self, image: Image) -> float: ...
