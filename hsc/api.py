"""What a codec is, and what it may also be able to do.

A codec turns an image into bytes and bytes into an image. Whatever else it can do (layers, latents, a bit estimate) is
an
optional capability: a protocol here, asked for with ``isinstance``, never guessed from a name.

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
"""uint8, shape (H, W, 3), RGB, 0 to 255. The only form in which pixels cross a border."""


@runtime_checkable
class Codec(Protocol):
    """An image codec at one operating point: a frozen dataclass whose fields are its whole configuration.

    Two class attributes describe its rate axis:
      rate_field   the field that moves along the curve ("quality", "qp"), or "" for a codec of one point
      ladder       the points used when the caller names none
    """

    rate_field: ClassVar[str]
    ladder: ClassVar[tuple[Any, ...]]

    def encode(self, image: Image) -> bytes:
        """Code one image of any size from 1x1 up; everything ``decode`` needs is in the bytes and paid for. The image
        cannot be written to.

        Raises:
            CodecError: the encoder failed.
        """

    def decode(self, data: bytes) -> Image:
        """Decode in a fresh process from the bytes alone, whatever this instance's own operating point.

        Raises:
            BitstreamError: the bytes are damaged, cut, empty or not this codec's.
        """

    def available(self) -> str | None:
        """None if this configuration can run here, else one sentence with the reason and the cure."""

    def provenance(self) -> Mapping[str, str]:
        """What decides the bytes beside the config: versions of code and libraries, sha256 of binaries and weights.

        Part of the key under which streams are kept, so it must change when the output may change.
        """


@dataclass(frozen=True)
class LatentSpec:
    """What a codec's decoded latents look like, and in whose space they live.

    name: the map's name ("F_hat", "w_hat", "y_hat").
    shape: channels first, None for axes that follow the image size.
    stride: image pixels per latent sample, 0 for a global vector.
    space: fingerprint of the weights that define the space; heads trained in another space refuse.
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
        """names: the maps somebody reads, None for all. What it takes to make the others can be saved; they may come
        all the same.
        """
        ...

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]: ...


@runtime_checkable
class DataOnly(Protocol):
    """Capability of any plug-in: it says with which settings a stranger may have it built. Who does not say so is not
    built for strangers.

    Each class says it for itself; a subclass does not inherit its parent's word.
    """

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None where building and running it with these settings (any JSON values, defaults filled in) starts no
        program but bundled ones, unpickles and executes nothing, reads no model file but packaged ones and asks no
        network; else one phrase that says what it would do.
        """


@runtime_checkable
class Ranged(Protocol):
    """Capability: how far the rate axis goes; the ladder need not reach its ends. Codecs without it end where their
    ladder ends.
    """

    rate_range: ClassVar[tuple[Any, Any]]
    """Values of the rate field: of the smallest file, of the largest."""


@runtime_checkable
class Layered(Protocol):
    """Capability: a stream can be cut after n layers into a complete, checked, shorter stream."""

    @property
    def layers(self) -> tuple[str, ...]: ...

    def cut(self, data: bytes, n: int) -> bytes: ...


@runtime_checkable
class Staged(Protocol):
    """Capability: decoding as named steps the harness times one by one; each takes the last one's output."""

    def stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]: ...


@runtime_checkable
class StagedLatents(Protocol):
    """Capability: decoding to latents as named steps, each taking the last one's output; the last gives ``Latents``.

    names: as in ``DecodesLatents``.
    """

    def latent_stages(self, names: Sequence[str] | None = None) -> Sequence[tuple[str, Callable[[Any], Any]]]: ...


@runtime_checkable
class Edits(Protocol):
    """Capability: an image from bytes whose semantics, the map "w_hat" of ``decode_latents``, are moved by ``step``
    times a direction.
    """

    def edit(self, data: bytes, direction: npt.ArrayLike, step: float) -> Image: ...


@runtime_checkable
class EstimatesBits(Protocol):
    """Capability: the entropy model's own estimate, in bits, of one image. Reported beside the real size, never as it."""

    def estimate_bits(self, image: Image) -> float: ...
