"""Learned codecs of CompressAI's zoo, with published weights, a user's, or those trained here.

The networks are CompressAI's (Begaint, Racape, Feltman, Pushparaja, 2020, BSD-3-Clause-Clear); files, probabilities and
the entropy coder are ours. See ``benchmarks/learned/codec.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

from benchmarks.api import CODECS
from benchmarks.codecs._of_each import OfEach
from benchmarks.imaging.image_arrays import require_image
from benchmarks.learned.container import GAIN_STEPS, File, unpack
from benchmarks.learned.identity import Identity, packaged_identity
from benchmarks.learned.weights_files import WeightsSource, trained_names
from benchmarks.learned.zoo import Architecture, Metric
from hsc.api import Image, Latents, LatentSpec
from hsc.devices import current_device
from hsc.errors import BitstreamError, CodecError, DataError, UnavailableError
from hsc.files.file_digests import sha256_of_file
from hsc.files.package_versions import installed_version
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    from benchmarks.learned.codec import LearnedCodec

VERSION = "1"
Arch = Literal[
    "auto",
    "bmshj2018-factorized",
    "bmshj2018-hyperprior",
    "mbt2018-mean",
    "mbt2018",
    "cheng2020-anchor",
    "cheng2020-attn",
    "bmshj2018-hyperprior-vbr",
    "mbt2018-mean-vbr",
    "mbt2018-vbr",
]
Loss = Literal["mse", "machine"]
_VARIABLE_LADDER = (1.0, 2.5, 4.0, 5.5, 7.0, 8.0)
T = TypeVar("T")


@CODECS.register("compressai")
@dataclass(frozen=True)
class CompressAI:
    """A learned codec of CompressAI's zoo.

    arch: the architecture; auto for what the weights state, else mbt2018-mean. quality: 1 (small) to 8, or 6 for
    cheng2020; each has a network of its own, but those named -vbr serve all by a gain, which may lie between two
    qualities. metric: of the published weights, which are downloaded once. weights: your own file in their place, a
    checkpoint of CompressAI's training or a .safetensors file; {quality} in its path stands for the quality. trained,
    loss: the name of weights that were trained here, and their loss.
    """

    arch: Arch = "auto"
    quality: int | float = 3
    metric: Metric = "mse"
    weights: str = ""
    trained: str = ""
    loss: Loss = "mse"

    rate_field: ClassVar[Any] = OfEach(lambda codec: "" if codec.source.one_rate else "quality")
    ladder: ClassVar[Any] = OfEach(lambda codec: codec._own_ladder())
    rate_range: ClassVar[Any] = OfEach(lambda codec: codec._own_range())

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for packaged weights; other weights are files or are downloaded."""
        return other_than(settings, weights=[""], trained=trained_names())

    def __post_init__(self) -> None:
        for field, values in (("arch", Arch), ("metric", Metric), ("loss", Loss)):
            if getattr(self, field) not in get_args(values):
                raise ValueError(f"{field} is {getattr(self, field)!r}, expected one of {', '.join(get_args(values))}")
        if self.weights and self.trained:
            raise ValueError(f"weights is {self.weights!r} and trained is {self.trained!r}, expected one of both")
        if "/" in self.trained or "\\" in self.trained:
            raise ValueError(f"trained is {self.trained!r}, expected a name; give a path as weights")
        most, variable = self.architecture.qualities, self.architecture.variable_rate
        if isinstance(self.quality, bool) or not 1 <= self.quality <= most:
            raise ValueError(f"quality is {self.quality!r}, {self.architecture.name} has 1 to {most}")
        if not variable and self.quality != int(self.quality):
            raise ValueError(f"quality is {self.quality!r}, {self.architecture.name} has whole numbers")

    @property
    def source(self) -> WeightsSource:
        """Where this configuration's weights come from."""
        asked = "" if self.arch == "auto" else self.arch
        return WeightsSource(asked, self.weights, self.trained, self.loss, self.metric)

    @property
    def architecture(self) -> Architecture:
        return self.source.architecture

    def encode(self, image: Image) -> bytes:
        """A whole file, see ``benchmarks/learned/container.py``.

        Raises:
            CodecError: the weights are not available, or the image is larger than a file holds.
        """
        return self._do(lambda codec: codec.encode(require_image(image), self._stored_quality))

    def decode(self, data: bytes) -> Image:
        """The image of a file of any quality.

        Raises:
            BitstreamError: the data are damaged, truncated, empty, or of other weights.
            CodecError: the weights are not available.
        """
        file = unpack(data)
        return self._at(file)._do(lambda codec: codec.decode(file))

    def available(self) -> str | None:
        return self.source.why_not(int(self.quality)) or self.unfetched() or None

    def unfetched(self) -> str:
        """What loading this quality's network would download; empty if nothing is missing."""
        return self.source.unfetched(int(self.quality))

    def fetch(self) -> None:
        """Download this quality's network, once."""
        self.source.path(int(self.quality))

    def provenance(self) -> Mapping[str, str]:
        """Versions of the code and of the libraries that decide symbols and pixels; the weights, and the device."""
        identity = self._identity
        return {
            "code": VERSION,
            "weights": identity.fingerprint.hex(),
            "tables": identity.tables_sha256,
            **{name: installed_version(name) for name in ("compressai", "torch", "constriction")},
            "device": current_device().partition(":")[0],
        }

    def estimate_bits(self, image: Image) -> float:
        return self._do(lambda codec: codec.estimate_bits(require_image(image), self._stored_quality))

    def stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        return self._codec().stages()

    def encode_stages(self) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        return self._codec().encode_stages(self._stored_quality)

    def latent_stages(self, names: Sequence[str] | None = None) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        codec = self._codec()
        return (("entropy", codec.read), ("latents", lambda decoded: codec.latent_maps(decoded, names)))

    def latent_specs(self) -> Sequence[LatentSpec]:
        return self._identity.latent_specs()

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        """y_hat and z_hat of a file of this very network: networks of other qualities have other latents.

        Raises:
            BitstreamError: the data are damaged, or of another network.
        """
        return self._do(lambda codec: codec.latent_maps(codec.read(data), names))

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        return [self.decode_latents(data, names) for data in streams]

    def _own_ladder(self) -> tuple[int | float, ...]:
        if self.source.one_rate:
            return ()
        known = self.architecture
        return _VARIABLE_LADDER if known.variable_rate else tuple(range(1, known.qualities + 1))

    def _own_range(self) -> tuple[int | float, int | float]:
        if not (ladder := self._own_ladder()):
            raise AttributeError("these weights are for one rate")  # so that it is no Ranged codec
        return ladder[0], ladder[-1]

    @property
    def _stored_quality(self) -> int:
        """The quality as files hold it."""
        if self.architecture.variable_rate:
            return round((self.quality - 1) * GAIN_STEPS)
        return 0 if self.source.one_rate else int(self.quality)

    def _at(self, file: File) -> CompressAI:
        """The codec whose network made a file: this one, or that of another quality."""
        if self.architecture.variable_rate or self.source.one_rate or file.header.quality == self.quality:
            return self
        try:
            return dataclasses.replace(self, quality=file.header.quality)
        except ValueError as error:
            raise BitstreamError(f"the file claims a quality that there is not: {error}; it is damaged") from error

    def _do(self, work: Callable[[LearnedCodec], T]) -> T:
        try:
            return work(self._codec())
        except (UnavailableError, DataError) as error:
            raise CodecError(str(error)) from error

    @property
    def _identity(self) -> Identity:
        """That of the weights; for those that were trained here, no network is built."""
        source = self.source
        path = source.path(int(self.quality))
        known = packaged_identity(path, source.architecture.name, sha256_of_file(path)) if source.trained else None
        return known or self._codec().identity

    def _codec(self) -> LearnedCodec:
        source = self.source
        path = source.path(int(self.quality))
        return _built(str(path), source.architecture.name, current_device(), sha256_of_file(path))


@held
def _built(path: str, architecture: str, device: str, sha256: str) -> LearnedCodec:
    from pathlib import Path

    from benchmarks.learned.codec import LearnedCodec
    from benchmarks.learned.networks import load

    return LearnedCodec(load(Path(path), architecture), device)
