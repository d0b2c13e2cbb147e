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
from typing import Any, ClassVar, Literal

from benchmarks.api import CODECS
from benchmarks.codecs._resizing_wrapper import ResizingWrapper, Size
from benchmarks.programs.data_only import why_not_spec
from hsc.errors import BitstreamError

VERSION = "1"


@CODECS.register("scaled")
@dataclass(frozen=True)
class Scaled(ResizingWrapper):
    """A codec's file of the picture at a part of its size, with the picture's own size and the factor.

    of: the codec. value: a value of its rate field, such as quality or qp. factor: 0.01 to 0.99 in hundredths, of both
    sides; each side keeps at least one pixel.
    """

    factor: float = 0.5

    filter: ClassVar[Literal["LANCZOS"]] = "LANCZOS"
    settings_bytes: ClassVar[int] = 1

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the codec inside."""
        return why_not_spec(CODECS, settings["of"])

    def __post_init__(self) -> None:
        super().__post_init__()
        hundredths = 100 * self.factor
        if not (1 <= round(hundredths) <= 99 and abs(hundredths - round(hundredths)) < 1e-9):
            raise ValueError(f"factor came as {self.factor}, expected 0.01 to 0.99 in hundredths, such as 0.5 or 0.75")

    @property
    def settings(self) -> bytes:
        """The factor in percent, one byte."""
        return bytes([round(100 * self.factor)])

    def coded_hw(self, hw: Size, settings: bytes) -> Size:
        """Height and width at so many percent, rounded half up, at least 1. Raises BitstreamError for other factors."""
        if not 1 <= (percent := settings[0] if settings else 0) <= 99:
            raise BitstreamError("the data hold no factor of 1 to 99 %; they are cut, damaged, or of another codec")
        height, width = (max(1, (side * percent + 50) // 100) for side in hw)
        return height, width

    def provenance(self) -> Mapping[str, str]:
        """The codec's provenance, the version of this wrapper and that of Pillow, which resizes."""
        return {**super().provenance(), "scaled": VERSION}
