"""What codecs share that code a picture at another size and bring it back.

image --resize--> picture of another size --codec.encode--> its file --codec.decode--> ... --resize--> image
                                            + size of the image, settings of the wrapper
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from benchmarks.codecs._wrapper import Wrapper
from benchmarks.formats.bits import read_ue7, write_ue7
from benchmarks.imaging.image_arrays import check_size, require_image
from hsc.api import Image
from hsc.errors import BitstreamError, ImageError

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class ResizingWrapper(Wrapper):
    """A codec's file of the picture at another size, behind width, height and ``settings`` of the picture itself.

    filter: the name of Pillow's resampling filter, which averages where it shrinks. settings_bytes: the length of
    ``settings``.
    """

    filter: ClassVar[Literal["BILINEAR", "LANCZOS"]]
    settings_bytes: ClassVar[int] = 0

    @property
    def settings(self) -> bytes:
        """What ``decode`` needs to know beside the size, so that it depends on no setting of an instance."""
        return b""

    def coded_hw(self, hw: Size, settings: bytes) -> Size:
        """The size at which a picture is coded.

        Raises:
            BitstreamError: no codec of this kind writes such settings.
        """
        raise NotImplementedError

    def encode(self, image: Image) -> bytes:
        """The codec's file of the resized picture, behind the size and the settings. Raises as the codec does."""
        height, width = require_image(image).shape[:2]
        coded = self._resized(image, self.coded_hw((height, width), self.settings))
        return write_ue7(width) + write_ue7(height) + self.settings + self.inner.encode(coded)

    def decode(self, data: bytes) -> Image:
        """The picture at its own size.

        Raises:
            BitstreamError: the data are damaged, cut, empty, or not a file of this codec.
        """
        width, position = read_ue7(data, 0)
        height, position = read_ue7(data, position)
        try:
            check_size(height, width, "the stream")
        except ImageError as error:
            raise BitstreamError(str(error)) from error
        end = position + self.settings_bytes
        expected = self.coded_hw((height, width), data[position:end])
        coded = self.inner.decode(data[end:])
        if coded.shape[:2] != expected:
            raise BitstreamError(
                f"a picture of {width}x{height} is coded as {expected[1]}x{expected[0]}, the file inside has "
                f"{coded.shape[1]}x{coded.shape[0]}; the data are damaged, or of other settings of this codec"
            )
        return self._resized(coded, (height, width))

    def prepared(self, image: Image) -> Image:
        """The picture resized and brought back, without any loss of the codec inside."""
        hw = image.shape[0], image.shape[1]
        return self._resized(self._resized(image, self.coded_hw(hw, self.settings)), hw)

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, and the version of Pillow, which resizes."""
        import PIL

        return {**super().provenance(), "resized_by": PIL.__version__}

    def _resized(self, image: Image, hw: Size) -> Image:
        """The image resized; unchanged if the size fits."""
        if image.shape[:2] == hw:
            return np.ascontiguousarray(image)
        from PIL import Image as Pillow

        picture = Pillow.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.resize((hw[1], hw[0]), Pillow.Resampling[self.filter]))
