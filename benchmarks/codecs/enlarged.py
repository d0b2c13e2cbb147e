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
from typing import Any, ClassVar, Literal

from benchmarks.api import CODECS
from benchmarks.codecs._resizing_wrapper import ResizingWrapper, Size
from benchmarks.programs.data_only import why_not_spec
from downstream.ops.shortest_side import check_sides, resized_hw

VERSION = "1"


@CODECS.register("enlarged")
@dataclass(frozen=True)
class Enlarged(ResizingWrapper):
    """A codec's file of the picture after the resize of Faster and Mask R-CNN, and the picture's own size.

    Its ``bpp`` is over the pixels of the original; a run with ``--rate enlarged(...)`` has it over those coded, too.

    of: the codec. value: a value of its rate field, such as quality or qp. short: the length that the shorter side is
    brought to, in pixels. most: the most that the longer side may then have.
    """

    short: int = 800
    most: int = 1333

    filter: ClassVar[Literal["BILINEAR"]] = "BILINEAR"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the codec inside."""
        return why_not_spec(CODECS, settings["of"])

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sides(self.short, self.most)

    def coded_hw(self, hw: Size, settings: bytes) -> Size:
        """The size of the detector's input; a receiver knows ``short`` and ``most``, as the detector's settings."""
        return resized_hw(*hw, self.short, self.most)

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, the version of this wrapper and that of Pillow, which resizes."""
        return {**super().provenance(), "enlarged": VERSION}
