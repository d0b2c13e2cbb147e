"""JPEG (ITU-T T.81) by libjpeg-turbo, through Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from benchmarks.api import CODECS
from benchmarks.formats.stills import read_still, write_still
from hsc.api import Image

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

_LONGEST_SIDE = 65500


@CODECS.register("jpeg")
@dataclass(frozen=True)
class Jpeg:
    """Baseline JPEG: full-range BT.601 YCbCr, Annex K tables scaled by quality, Huffman tables fitted to the image.

    quality: 1 (small) to 100. subsampling: chroma format. optimize: fit the Huffman tables, which saves bytes and costs
    time.
    """

    quality: int = 75
    subsampling: Subsampling = "4:2:0"
    optimize: bool = True

    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[tuple[Any, ...]] = (5, 10, 20, 35, 50, 75)
    rate_range: ClassVar[tuple[int, int]] = (1, 100)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it runs only libraries that are installed with it."""
        return None

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, expected 1 to 100")
        if self.subsampling not in get_args(Subsampling):
            raise ValueError(f"subsampling is {self.subsampling!r}, expected one of {', '.join(get_args(Subsampling))}")

    def encode(self, image: Image) -> bytes:
        return write_still(
            image,
            "JPEG",
            longest_side=_LONGEST_SIDE,
            quality=self.quality,
            subsampling=self.subsampling,
            optimize=self.optimize,
        )

    def decode(self, data: bytes) -> Image:
        return read_still(data, "JPEG", longest_side=_LONGEST_SIDE)

    def available(self) -> str | None:
        from PIL import features

        if not features.check("jpg"):
            return "this Pillow was built without JPEG; pip install --force-reinstall pillow"
        return None

    def provenance(self) -> Mapping[str, str]:
        import PIL
        from PIL import features

        turbo = features.version("libjpeg_turbo")
        return {
            "code": "jpeg-1",
            "pillow": PIL.__version__,
            "libjpeg": f"turbo {turbo}" if turbo else str(features.version("jpg")),
        }
