"""JPEG 2000 part 1 (ITU-T T.800) by OpenJPEG, through Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.api import CODECS
from benchmarks.formats.stills import read_still, write_still
from hsc.api import Image

_LONGEST_SIDE = 2**20


@CODECS.register("jpeg2000")
@dataclass(frozen=True)
class Jpeg2000:
    """A bare JPEG 2000 codestream: 9-7 wavelet, one quality layer, colour transform on (worth 2 dB).

    psnr: the PSNR in dB, by OpenJPEG's own estimate, at which each image's codestream ends; low values give small
    files. So all images of a set have about the same error, not the same rate.
    """

    psnr: float = 30.0

    rate_field: ClassVar[str] = "psnr"
    ladder: ClassVar[tuple[Any, ...]] = (24.0, 26.0, 28.0, 30.0, 33.0, 36.0)
    rate_range: ClassVar[tuple[float, float]] = (10.0, 60.0)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it runs only libraries that are installed with it."""
        return None

    def __post_init__(self) -> None:
        if not 10 <= self.psnr <= 60:
            raise ValueError(f"psnr is {self.psnr}, expected 10 to 60 dB")

    def encode(self, image: Image) -> bytes:
        options = {"quality_mode": "dB", "quality_layers": [self.psnr], "irreversible": True, "mct": 1, "no_jp2": True}
        return write_still(image, "JPEG2000", longest_side=_LONGEST_SIDE, **options)

    def decode(self, data: bytes) -> Image:
        return read_still(data, "JPEG2000", longest_side=_LONGEST_SIDE)

    def available(self) -> str | None:
        from PIL import features

        if not features.check("jpg_2000"):
            return "this Pillow was built without OpenJPEG; pip install --force-reinstall pillow"
        return None

    def provenance(self) -> Mapping[str, str]:
        import PIL
        from PIL import features

        return {"code": "jpeg2000-1", "pillow": PIL.__version__, "openjpeg": str(features.version("jpg_2000"))}
