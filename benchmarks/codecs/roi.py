"""Another codec on a picture whose background is made cheap: regions of interest as a codec.

    image --detector, at the sender--> boxes --margin--> regions
      |                                                    |
      +--background blurred, coarser or flat outside of them--> picture --codec.encode--> 1 byte + its file

Pre-processing by regions of interest, as ISO/IEC TR 23888-3 (2026) describes it. The receiver needs no regions: it
decodes the codec's file, and the byte in front says whose it is. The detector runs inside ``encode``, so a run's encode
times count it.

Regions from labels, an oracle, are left out on purpose: a codec is handed pixels alone, in a run as in use, and has no
way to a data set's labels. A run says it where the head that chooses regions is the one that scores them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from benchmarks.api import CODECS
from benchmarks.codecs._wrapper import Wrapper
from benchmarks.imaging.image_arrays import require_image
from benchmarks.programs.data_only import why_not_spec
from downstream.api import HEADS, Detections, PredictsFromImages
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, HscError

VERSION = "1"
Background = Literal["blur", "levels", "flat"]
_MARK = b"\xa7"
"""The first byte of a file, which is that of no other codec here."""


@CODECS.register("roi")
@dataclass(frozen=True)
class Roi(Wrapper):
    """A codec's file of the picture with its objects as they are and its background made cheap.

    of: the codec. value: a value of its rate field, such as quality or qp. regions: the detector that finds the objects
    at the sender, by its spec. score: boxes below this score are background. margin: pixels added around each box.
    background: "blur" (Gaussian of ``strength`` pixels), "levels" (each sample rounded to a multiple of ``strength``)
    or "flat" (the mean colour of the background). strength: of either, above 0; "flat" has none.
    """

    regions: str = "small(arch=hourglass)"
    score: float = 0.3
    margin: int = 8
    background: Background = "blur"
    strength: float = 8.0

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answers of the codec inside and of the detector."""
        return why_not_spec(CODECS, settings["of"]) or why_not_spec(HEADS, settings["regions"])

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regions == "truth":
            raise ValueError(
                "regions came as truth, but a codec is handed pixels alone and knows no labels; name a detector, as in "
                "regions=small"
            )
        if self.background not in get_args(Background):
            raise ValueError(f"background is {self.background!r}, expected one of {', '.join(get_args(Background))}")
        if not 0 <= self.score <= 1 or self.margin < 0 or not 0 < self.strength <= 255:
            raise ValueError(
                f"score came as {self.score:g}, margin as {self.margin} and strength as {self.strength:g}; expected 0 "
                f"to 1, 0 or more, and above 0 up to 255"
            )

    @property
    def sender_heads(self) -> Sequence[str]:
        """The detector that finds the regions."""
        return (self.regions,)

    def encode(self, image: Image) -> bytes:
        """The codec's file of the picture with a cheap background, behind one byte.

        Raises:
            CodecError: the detector cannot run here; or as the codec does.
        """
        return _MARK + self.inner.encode(self.prepared(image))

    def decode(self, data: bytes) -> Image:
        """The codec's image. Raises BitstreamError for data that are not a file of this codec, else as the codec."""
        if not data.startswith(_MARK):
            raise BitstreamError(f"these {len(data)} bytes are not a file with regions of interest")
        return self.inner.decode(data[1:])

    def prepared(self, image: Image) -> Image:
        """The picture with a cheap background, as the codec inside is given it. Raises as ``regions_of``."""
        regions = self.regions_of(require_image(image))
        return np.ascontiguousarray(np.where(regions[:, :, None], image, self._background(image, regions)))

    def regions_of(self, image: Image) -> npt.NDArray[np.bool_]:
        """Where the picture stays as it is: bool (H, W), the detector's boxes and the margin around each.

        Raises:
            CodecError: the detector cannot run here, or answers something other than boxes.
        """
        try:
            (found,) = _detector(self.regions).predict([image])
        except HscError as error:
            raise CodecError(f"the detector {self.regions} finds no regions: {error}") from error
        if not isinstance(found, Detections):
            raise CodecError(f"{self.regions} answers {type(found).__name__}, expected boxes; name a detector")
        height, width = image.shape[:2]
        mask = np.zeros((height, width), bool)
        boxes = found.boxes_xyxy[found.scores >= self.score].astype(np.float64)
        boxes = boxes[np.isfinite(boxes).all(1)]
        grown = np.concatenate([np.floor(boxes[:, :2]) - self.margin, np.ceil(boxes[:, 2:]) + self.margin], axis=1)
        for left, top, right, bottom in np.clip(grown, 0, [width, height, width, height]).astype(int):
            mask[top:bottom, left:right] = True
        return mask

    def _background(self, image: Image, regions: npt.NDArray[np.bool_]) -> Image:
        """The whole picture as its background is to be: uint8 (H, W, 3)."""
        if self.background == "flat":
            outside = image[~regions]
            colour = np.rint(outside.mean(0)) if len(outside) else np.zeros(3)
            return np.broadcast_to(colour.astype(np.uint8), image.shape)
        if self.background == "levels":
            levels: Image = np.clip(np.rint(image / self.strength) * self.strength, 0, 255).astype(np.uint8)
            return levels
        from PIL import Image as Pillow
        from PIL import ImageFilter

        picture = Pillow.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.filter(ImageFilter.GaussianBlur(self.strength)))

    def available(self) -> str | None:
        if reason := super().available():
            return reason
        head = _detector(self.regions)
        reads_images: object = head
        if not isinstance(reads_images, PredictsFromImages) or head.output is not Detections:
            return f"regions={self.regions} is no detector on images; name one, as in regions=small"
        return None if (reason := head.available()) is None else f"the detector {self.regions} cannot run: {reason}"

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, the detector's, the version of this wrapper and that of Pillow, which blurs."""
        import PIL

        detector = {f"regions_{key}": value for key, value in _detector(self.regions).provenance().items()}
        facts = {**super().provenance(), **detector, "roi": VERSION}
        return {**facts, "blurred_by": PIL.__version__} if self.background == "blur" else facts


@functools.lru_cache(maxsize=16)
def _detector(regions: str) -> Any:
    """The head of a spec. Raises UnknownNameError, SpecError."""
    return HEADS.build(HEADS.parse(regions))
