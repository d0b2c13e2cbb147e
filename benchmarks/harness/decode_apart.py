"""Decoding a stream in another process than the one that coded it, so that nothing but its bytes can be used."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.harness.codec_answers import checked_image
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.worker import step
from benchmarks.imaging.image_arrays import pixels_sha256
from hsc.api import Codec
from hsc.errors import HscError


@dataclass(frozen=True)
class DecodeApart:
    """A job: one stream to decode.

    cell: number of the operating point in the plan. index: of the image in the data set. image_hw: height and width in
    pixels. decoded_sha256: of the pixels that the stream gave where it was coded. on_device: whether that was on the
    run's device.
    """

    cell: int
    index: int
    codec: Codec
    data: bytes
    image_hw: tuple[int, int]
    decoded_sha256: str
    on_device: bool


def decode_apart(job: DecodeApart) -> str:
    """Why a stream does not decode here as it did where it was coded; empty if it does."""
    try:
        step()
        pixels = checked_image(guarded(job.codec.decode, job.data), job.image_hw)
    except HscError as error:
        return f"it decodes in the process that coded it, and in another it does not: {why(error)}"
    if pixels_sha256(pixels) != job.decoded_sha256:
        return "decoded again, in another process, its stream gives other pixels; decode must depend on the bytes alone"
    return ""
