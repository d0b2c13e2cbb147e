"""WebP, lossy (RFC 9649; the VP8 key frame of RFC 6386) by libwebp, through Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.api import CODECS
from benchmarks.formats.stills import read_still, write_still
from hsc.api import Image

_LONGEST_SIDE = 16383


@CODECS.register("webp")
@dataclass(frozen=True)
class WebP:
    """Lossy WebP, always 4:2:0, limited-range BT.601. quality: 0 (small) to 100. method: 0 (fast) to 6 (thorough)."""

    quality: int = 75
    method: int = 6

    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[tuple[Any, ...]] = (0, 5, 15, 35, 60, 80)
    rate_range: ClassVar[tuple[int, int]] = (0, 100)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it runs only libraries that are installed with it."""
        return None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, expected 0 to 100")
        if not 0 <= self.method <= 6:
            raise ValueError(f"method is {self.method}, expected 0 to 6")

    def encode(self, image: Image) -> bytes:
        return write_still(image, "WEBP", longest_side=_LONGEST_SIDE, quality=self.quality, method=self.method)

    def decode(self, data: bytes) -> Image:
        return read_still(data, "WEBP", longest_side=_LONGEST_SIDE)

    def available(self) -> str | None:
        from PIL import features

        if not features.check("webp"):
            return "this Pillow was built without WebP; pip install --force-reinstall pillow"
        return None

    def provenance(self) -> Mapping[str, str]:
        import PIL
        from PIL import features

        return {"code": "webp-1", "pillow": PIL.__version__, "libwebp": str(features.version("webp"))}
