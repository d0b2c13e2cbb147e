"""HEIC (HEVC intra in HEIF, ISO/IEC 23008-12) by x265 and libde265, through pillow-heif."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from benchmarks.api import CODECS
from benchmarks.formats.stills import boxes_fit
from benchmarks.imaging.image_arrays import check_size, require_image
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ImageError

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]
_BRANDS = (b"heic", b"heix")
_LONGEST_SIDE = 16384


@CODECS.register("heic")
@dataclass(frozen=True)
class Heic:
    """HEIC, 8 bit, full-range BT.601 YCbCr, one thread so that the bytes are the same on every machine.

    quality: 0 (small) to 100, libheif's own scale. subsampling: chroma format. preset: x265's, from ultrafast to
    placebo.
    """

    quality: int = 50
    subsampling: Subsampling = "4:2:0"
    preset: Preset = "slow"

    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[tuple[Any, ...]] = (5, 12, 20, 28, 36, 48)
    rate_range: ClassVar[tuple[int, int]] = (0, 100)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it runs only libraries that are installed with it."""
        return None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, expected 0 to 100")
        if self.preset not in get_args(Preset):
            raise ValueError(f"preset is {self.preset!r}, expected one of {', '.join(get_args(Preset))}")
        if self.subsampling not in get_args(Subsampling):
            raise ValueError(f"subsampling is {self.subsampling!r}, expected one of {', '.join(get_args(Subsampling))}")

    def encode(self, image: Image) -> bytes:
        import pillow_heif

        height, width = require_image(image).shape[:2]
        if max(height, width) > _LONGEST_SIDE:
            raise CodecError(
                f"HEIC is written up to {_LONGEST_SIDE} pixels a side, the image is {width}x{height}; resize or tile it"
            )
        threads = {"x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0"}
        buffer = io.BytesIO()
        try:
            file = pillow_heif.from_bytes("RGB", (width, height), image.tobytes())
            file.save(
                buffer,
                quality=self.quality,
                subsampling=self.subsampling,
                enc_params={"preset": self.preset, **threads},
            )
        except Exception as error:  # libheif raises RuntimeError, ValueError, OSError
            raise CodecError(f"libheif failed on a {width}x{height} image: {error or type(error).__name__}") from error
        return buffer.getvalue()

    def decode(self, data: bytes) -> Image:
        import pillow_heif

        if not boxes_fit(data) or data[8:12] not in _BRANDS:
            raise BitstreamError(
                f"not a whole HEIC stream: {len(data)} bytes that begin {data[:12].hex() or 'nowhere'}"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a warning of libheif means damage here
                file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
                width, height = file.size
                check_size(height, width, "the HEIC stream")
                if max(height, width) > _LONGEST_SIDE:
                    raise BitstreamError(
                        f"the HEIC stream says {width}x{height} pixels, it may have {_LONGEST_SIDE} a side; "
                        f"it is damaged"
                    )
                if file.mode != "RGB":
                    raise BitstreamError(
                        f"the HEIC stream holds {file.mode} pixels, expected RGB; it is not this codec's"
                    )
                image = np.ascontiguousarray(np.asarray(file))
        except BitstreamError:
            raise
        except ImageError as error:
            raise BitstreamError(str(error)) from error
        except Exception as error:  # as in ``encode``
            raise BitstreamError(
                f"not a valid HEIC stream of {len(data)} bytes: {error or type(error).__name__}"
            ) from error
        if image.dtype != np.uint8 or image.shape != (height, width, 3):
            raise BitstreamError(
                f"the HEIC stream states {width}x{height} RGB but holds {image.dtype} {image.shape}; it is damaged"
            )
        return image

    def available(self) -> str | None:
        try:
            import pillow_heif
        except ImportError:
            return "the package pillow-heif is missing; pip install pillow-heif"
        facts = pillow_heif.libheif_info()
        if "x265" not in facts["encoders"] or "libde265" not in facts["decoders"]:
            return "this pillow-heif was built without x265 or libde265; pip install --force-reinstall pillow-heif"
        return None

    def provenance(self) -> Mapping[str, str]:
        import pillow_heif

        facts = pillow_heif.libheif_info()
        native = {
            "libheif": facts["libheif"],
            "encoder": facts["encoders"].get("x265", ""),
            "decoder": facts["decoders"].get("libde265", ""),
        }
        return {"code": "heic-1", "pillow_heif": pillow_heif.__version__, **native}
