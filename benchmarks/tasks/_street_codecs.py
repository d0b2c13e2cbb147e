"""The codecs and anchors of the tasks whose default images are the embedded street scenes."""

from __future__ import annotations

CODECS = (
    "jpeg",
    "webp",
    "avif",
    "jpegxl",
    "jpeg2000",
    "bpg",
    "vvc",
    "compressai(trained=roadscenes, name='hyperprior, MSE')",
    "compressai(trained=roadscenes, loss=machine, name='hyperprior, machine')",
    "hsc",
)
ANCHORS = ("vvc", "compressai(trained=roadscenes)", "compressai(trained=roadscenes, loss=machine)", "jpeg")
"""The usual one, the two that know the same streets, and the one whose second ladder measures the noise floor."""
