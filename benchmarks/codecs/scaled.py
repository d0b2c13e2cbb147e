"""Another codec on a smaller picture, brought back to its size after: spatial resampling as a codec.

image --Lanczos--> smaller picture --codec.encode--> its file --codec.decode--> smaller picture --Lanczos--> image
                                     + size and percent

The simplest pre-processing for machines that ISO/IEC TR 23888-3 (2026) describes. Whether a rate is better spent on
fewer samples is a question to each codec; a curve of several factors, or ``--anchor 'front(of=scaled)'``, answers it.
VVC scales inside its own files by ``vvc(scale=0.5)``; here any codec does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks.api import CODECS
from benchmarks.codecs._inner_codec import Value, inner_codec, inner_ladder, inner_range, is_swept
from benchmarks.codecs._of_each import OfEach
from benchmarks.formats.bits import read_ue7, write_ue7
from benchmarks.imaging.image_arrays import check_size, require_image
from benchmarks.programs.data_only import why_not_spec
from hsc.api import Image
from hsc.errors import BitstreamError, ImageError

VERSION = "1"


@CODECS.register("scaled")
@dataclass(frozen=True)
class Scaled:
    """A codec's file of the picture at a part of its size, with the picture's own size and the factor.

    of: the codec. value: a value of its rate field, such as quality or qp. factor: 0.01 to 0.99 in hundredths, of both
    sides; each side keeps at least one pixel.
    """

    of: str = "jpeg"
    value: Value = None
    factor: float = 0.5

    rate_field: ClassVar[Any] = OfEach(lambda codec: "value" if is_swept(codec.of) else "", "value")
    ladder: ClassVar[Any] = OfEach(lambda codec: inner_ladder(codec.of), (5, 10, 20, 35, 50, 75))
    rate_range: ClassVar[Any] = OfEach(lambda codec: inner_range(codec.of), (1, 100))

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the codec inside."""
        return why_not_spec(CODECS, settings["of"])

    def __post_init__(self) -> None:
        hundredths = 100 * self.factor
        if not (1 <= round(hundredths) <= 99 and abs(hundredths - round(hundredths)) < 1e-9):
            raise ValueError(f"factor came as {self.factor}, expected 0.01 to 0.99 in hundredths, such as 0.5 or 0.75")
        if isinstance(inner_codec(self.of, self.value), Scaled):
            raise ValueError(f"{self.of} is scaled already; name the codec itself, with the product of both factors")

    def encode(self, image: Image) -> bytes:
        """The codec's file of the smaller picture, behind width, height and percent. Raises as the codec does."""
        height, width = require_image(image).shape[:2]
        percent = round(100 * self.factor)
        coded = _resized(image, _scaled((height, width), percent))
        header = write_ue7(width) + write_ue7(height) + bytes([percent])
        return header + inner_codec(self.of, self.value).encode(coded)

    def decode(self, data: bytes) -> Image:
        """The picture at its own size, whatever the factor of this instance.

        Raises:
            BitstreamError: the data are damaged, cut, empty, or not a file of this codec.
        """
        width, position = read_ue7(data, 0)
        height, position = read_ue7(data, position)
        percent = data[position] if position < len(data) else 0
        if not 1 <= percent <= 99:
            raise BitstreamError("the data hold no factor of 1 to 99 %; they are cut, damaged, or of another codec")
        try:
            check_size(height, width, "the stream")
        except ImageError as error:
            raise BitstreamError(str(error)) from error
        coded = inner_codec(self.of, self.value).decode(data[position + 1 :])
        if coded.shape[:2] != (expected := _scaled((height, width), percent)):
            raise BitstreamError(
                f"a picture of {width}x{height} at {percent} % is {expected[1]}x{expected[0]}, the file inside has "
                f"{coded.shape[1]}x{coded.shape[0]}; the data are damaged"
            )
        return _resized(coded, (height, width))

    def prepared(self, image: Image) -> Image:
        """The picture made smaller and brought back, without any loss of the codec inside."""
        hw = image.shape[0], image.shape[1]
        return _resized(_resized(image, _scaled(hw, round(100 * self.factor))), hw)

    def available(self) -> str | None:
        return inner_codec(self.of, self.value).available()

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, the version of this wrapper and that of Pillow, which resizes."""
        import PIL

        return {**inner_codec(self.of, self.value).provenance(), "scaled": VERSION, "resized_by": PIL.__version__}


def _scaled(hw: tuple[int, int], percent: int) -> tuple[int, int]:
    """Height and width at so many percent, rounded half up, at least 1."""
    height, width = (max(1, (side * percent + 50) // 100) for side in hw)
    return height, width


def _resized(image: Image, hw: tuple[int, int]) -> Image:
    """The image resized by Pillow's Lanczos, which averages where it shrinks; unchanged if the size fits."""
    if image.shape[:2] == hw:
        return np.ascontiguousarray(image)
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(np.ascontiguousarray(image)).resize((hw[1], hw[0]), Pillow.Resampling.LANCZOS))
