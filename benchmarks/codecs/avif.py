"""AVIF (AV1 intra in HEIF) by libaom, through Pillow's libavif."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from benchmarks.api import CODECS
from benchmarks.formats.stills import read_still, write_still
from hsc.api import Image

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

_LONGEST_SIDE = 65535


@CODECS.register("avif")
@dataclass(frozen=True)
class Avif:
    """AVIF, 8 bit, full-range BT.601 YCbCr, one thread so that the bytes are the same on every machine.

    quality: 0 (small) to 100. subsampling: chroma format. speed: 0 (thorough) to 10.
    """

    quality: int = 50
    subsampling: Subsampling = "4:4:4"
    speed: int = 6

    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[tuple[Any, ...]] = (5, 15, 30, 40, 55, 70)
    rate_range: ClassVar[tuple[int, int]] = (0, 100)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it runs only libraries that are installed with it."""
        return None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, expected 0 to 100")
        if not 0 <= self.speed <= 10:
            raise ValueError(f"speed is {self.speed}, expected 0 to 10")
        if self.subsampling not in get_args(Subsampling):
            raise ValueError(f"subsampling is {self.subsampling!r}, expected one of {', '.join(get_args(Subsampling))}")

    def encode(self, image: Image) -> bytes:
        options = {
            "quality": self.quality,
            "subsampling": self.subsampling,
            "speed": self.speed,
            "codec": "aom",
            "max_threads": 1,
        }
        return write_still(image, "AVIF", longest_side=_LONGEST_SIDE, **options)

    def decode(self, data: bytes) -> Image:
        return read_still(data, "AVIF", longest_side=_LONGEST_SIDE)

    def available(self) -> str | None:
        from PIL import features

        if not features.check("avif"):
            return "this Pillow was built without AVIF; pip install --force-reinstall 'pillow>=11.3'"
        from PIL import _avif

        if not _avif.encoder_codec_available("aom"):
            return "this Pillow's libavif has no libaom encoder; pip install --force-reinstall pillow"
        return None

    def provenance(self) -> Mapping[str, str]:
        import PIL
        from PIL import features

        facts = {"code": "avif-1", "pillow": PIL.__version__, "libavif": str(features.version("avif"))}
        if features.check("avif"):
            from PIL import _avif

            facts["codecs"] = _avif.codec_versions()
        return facts
