"""Another codec on the picture as a detector sees it, enlarged before it is coded and brought back after.

image --resize--> detector's input --codec.encode--> its file --codec.decode--> detector's input --resize--> image
                                     + size of the image

TransTIC (Chen et al., ICCV 2023) and Adapt-ICMH (Li et al., ECCV 2024) code this input, so a codec takes another part
of its curve than on the picture itself. They hand the decoded input to the detector; here every decoded image has the
size of its original, so there is one resize more. Both are bilinear, by Pillow, which averages where it shrinks.
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
from downstream.ops.shortest_side import check_sides, resized_hw
from hsc.api import Image
from hsc.errors import BitstreamError, ImageError

VERSION = "1"


@CODECS.register("enlarged")
@dataclass(frozen=True)
class Enlarged:
    """A codec's file of the picture after the resize of Faster and Mask R-CNN, and the picture's own size.

    Its ``bpp`` is over the pixels of the original; a run with ``--rate enlarged(...)`` has it over those coded, too.

    of: the codec. value: a value of its rate field, such as quality or qp. short: the length that the shorter side is
    brought to, in pixels. most: the most that the longer side may then have.
    """

    of: str = "jpeg"
    value: Value = None
    short: int = 800
    most: int = 1333

    rate_field: ClassVar[Any] = OfEach(lambda codec: "value" if is_swept(codec.of) else "", "value")
    ladder: ClassVar[Any] = OfEach(lambda codec: inner_ladder(codec.of), (5, 10, 20, 35, 50, 75))
    rate_range: ClassVar[Any] = OfEach(lambda codec: inner_range(codec.of), (1, 100))

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the codec inside."""
        return why_not_spec(CODECS, settings["of"])

    def __post_init__(self) -> None:
        check_sides(self.short, self.most)
        if isinstance(inner_codec(self.of), Enlarged):
            raise ValueError(f"{self.of} enlarges already; name the codec itself")

    def encode(self, image: Image) -> bytes:
        """The codec's file of the enlarged picture behind the picture's width and height. Raises as the codec does."""
        height, width = require_image(image).shape[:2]
        coded = _resized(image, resized_hw(height, width, self.short, self.most))
        return write_ue7(width) + write_ue7(height) + inner_codec(self.of, self.value).encode(coded)

    def decode(self, data: bytes) -> Image:
        """The picture at its own size.

        Raises:
            BitstreamError: the data are damaged, cut, empty, or of another ``short`` or ``most``.
        """
        width, position = read_ue7(data, 0)
        height, position = read_ue7(data, position)
        try:
            check_size(height, width, "the stream")
        except ImageError as error:
            raise BitstreamError(str(error)) from error
        coded = inner_codec(self.of, self.value).decode(data[position:])
        if coded.shape[:2] != (expected := resized_hw(height, width, self.short, self.most)):
            raise BitstreamError(
                f"a picture of {width}x{height} is coded as {expected[1]}x{expected[0]}, the file inside has "
                f"{coded.shape[1]}x{coded.shape[0]}; the data are damaged, or of another short or most"
            )
        return _resized(coded, (height, width))

    def available(self) -> str | None:
        return inner_codec(self.of, self.value).available()

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, the version of this wrapper and that of Pillow, which resizes."""
        import PIL

        return {**inner_codec(self.of, self.value).provenance(), "enlarged": VERSION, "resized_by": PIL.__version__}


def _resized(image: Image, hw: tuple[int, int]) -> Image:
    """The image resized bilinearly; unchanged if the size fits."""
    if image.shape[:2] == hw:
        return np.ascontiguousarray(image)
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(np.ascontiguousarray(image)).resize((hw[1], hw[0]), Pillow.Resampling.BILINEAR))
