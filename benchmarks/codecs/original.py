"""The uncompressed image, the upper bound in every table."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks.api import CODECS
from benchmarks.imaging.image_arrays import check_size, require_image
from hsc.api import Image
from hsc.errors import BitstreamError, ImageError

_HEADER = struct.Struct(">4sII")
_MAGIC = b"RGB8"


@CODECS.register("original")
@dataclass(frozen=True)
class Original:
    """Uncompressed pixels: 24 bits a pixel and a header of 12 bytes (magic, height, width).

    The size of the file that an image came from is another number; the harness reports it from ``Sample.source_bytes``.
    """

    rate_field: ClassVar[str] = ""
    ladder: ClassVar[tuple[Any, ...]] = ()

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None: it only copies pixels."""
        return None

    def encode(self, image: Image) -> bytes:
        height, width = require_image(image).shape[:2]
        return _HEADER.pack(_MAGIC, height, width) + image.tobytes()

    def decode(self, data: bytes) -> Image:
        if len(data) < _HEADER.size or data[:4] != _MAGIC:
            raise BitstreamError(
                f"not a stream of the codec 'original': {len(data)} bytes that begin {data[:4].hex() or 'nowhere'}"
            )
        _, height, width = _HEADER.unpack_from(data)
        try:
            check_size(height, width, "the stream")
        except ImageError as error:
            raise BitstreamError(str(error)) from error
        if len(data) != _HEADER.size + 3 * height * width:
            raise BitstreamError(
                f"{width}x{height} pixels need {_HEADER.size + 3 * height * width} bytes, {len(data)} came"
            )
        return np.frombuffer(data, np.uint8, offset=_HEADER.size).reshape(height, width, 3).copy()

    def available(self) -> str | None:
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "original-1"}
