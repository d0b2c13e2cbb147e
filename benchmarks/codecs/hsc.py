"""HSC, hierarchical semantic compression, the codec of this project; see ``hsc.codec``.

image -> inversion -> W+, F -> symbols -> .hsc file -> symbols -> w_hat, y_hat -> F_hat -> generator -> image
                                                           └──> decode_latents: heads that skip the generator
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from benchmarks.api import CODECS
from benchmarks.codecs._of_each import OfEach
from benchmarks.imaging.image_arrays import require_image
from hsc.api import Image, Latents, LatentSpec
from hsc.devices import current_device
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.errors import CodecError, ImageError, UnavailableError
from hsc.files.file_digests import sha256_of_file
from hsc.files.package_versions import installed_version
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    import numpy.typing as npt

    from hsc.codec import HscCodec
    from hsc.networks.identity import Identity

VERSION = "2"
T = TypeVar("T")
MAX_QUALITY = 255 / QUALITY_STEPS


@CODECS.register("hsc")
@dataclass(frozen=True)
class Hsc:
    """The HSC codec. quality: 0 (small) to 7.96875; one set of weights serves all, and is trained from 1 to 6 or 7.

    model: the name of packaged or published weights, or the path of a .safetensors file. The networks run on the
    current device (``hsc.devices``). Symbols decode identically everywhere; pixels may differ by one level between
    devices.
    """

    model: str = "roadscenes"
    quality: float = 3.0

    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[Any] = OfEach(lambda codec: _ladder(codec.model), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))

    @property
    def rate_range(self) -> tuple[float, float]:
        """The ends of the ladder. Beyond them gains are not trained: a file below 1 may be larger than at 1."""
        ladder = _ladder(self.model)
        return ladder[0], ladder[-1]

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for packaged weights; other weights are files or are downloaded."""
        from hsc.weights import files

        return other_than(settings, model=files.here())

    def __post_init__(self) -> None:
        if isinstance(self.quality, bool) or not 0 <= self.quality <= MAX_QUALITY:
            raise ValueError(f"quality is {self.quality!r}, expected 0 to {MAX_QUALITY}")

    def encode(self, image: Image) -> bytes:
        """A whole .hsc file.

        Raises:
            CodecError: the weights are not available, or the image is larger than a file holds (2**24 pixels, see
            hsc/entropy_coding/container.py).
        """
        return self._do(lambda codec: codec.encode(require_image(image), self.quality))

    def decode(self, data: bytes) -> Image:
        """The image, at the quality with which it was encoded.

        Raises:
            BitstreamError: the data are damaged, truncated, empty, or of other weights.
            CodecError: the weights are not available.
        """
        return self._do(lambda codec: codec.decode(data))

    def available(self) -> str | None:
        from hsc.weights import files

        return files.why_not(self.model)

    def provenance(self) -> Mapping[str, str]:
        """Versions of the code, the weights, and the libraries whose floats decide symbols and pixels; the device."""
        return {
            "code": VERSION,
            "weights": self._identity.fingerprint.hex(),
            "torch": installed_version("torch"),
            "constriction": installed_version("constriction"),
            "device": current_device().partition(":")[0],
        }

    @property
    def layers(self) -> tuple[str, ...]:
        return _codec(*self._key).layers

    def cut(self, data: bytes, n: int) -> bytes:
        return self._do(lambda codec: codec.cut(data, n))

    def edit(self, data: bytes, direction: npt.ArrayLike, step: float) -> Image:
        return self._do(lambda codec: codec.edit(data, direction, step))

    def estimate_bits(self, image: Image) -> float:
        return self._do(lambda codec: codec.estimate_bits(require_image(image), self.quality))

    def stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        return _codec(*self._key).stages()

    def encode_stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        return _codec(*self._key).encode_stages(self.quality)

    def latent_stages(self, names: Sequence[str] | None = None) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        return _codec(*self._key).latent_stages(names)

    def latent_specs(self) -> Sequence[LatentSpec]:
        return self._identity.latent_specs()

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        return self._do(lambda codec: codec.decode_latents(data, names))

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        return self._do(lambda codec: codec.decode_latents_batch(streams, names))

    @property
    def _identity(self) -> Identity:
        """That of the weights; no network is built for it. Raises as ``hsc.weights.files.identity``."""
        from hsc.weights import files

        return files.identity(self.model)

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.model, current_device(), _stamp(self.model)

    def _do(self, work: Callable[[HscCodec], T]) -> T:
        try:
            return work(_codec(*self._key))
        except (UnavailableError, ImageError) as error:
            raise CodecError(str(error)) from error


def _ladder(model: str) -> tuple[float, ...]:
    """The whole qualities that weights were trained for."""
    from hsc.weights import files

    return tuple(float(quality) for quality in range(1, files.trained_qualities(model) + 1))


def _stamp(model: str) -> str:
    """The sha256 of weights given by path, so that a file is loaded again after further training; else empty."""
    path = Path(model).expanduser()
    return sha256_of_file(path) if path.is_file() else ""


@held
def _codec(model: str, device: str, stamp: str) -> HscCodec:
    from hsc.codec import HscCodec
    from hsc.weights import files

    loaded = files.load(model)
    return HscCodec(loaded, device=device, light=lambda: files.light_for(model, loaded))
