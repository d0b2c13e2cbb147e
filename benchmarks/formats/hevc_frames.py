"""Planes to H.265 by x265 and back by FFmpeg's decoder, both inside PyAV: no process, no file.

    three planes --encode_intra(x265)--> Annex-B stream --decode_intra(FFmpeg)--> three planes

One picture, intra only, one thread: the bytes depend on the planes and the settings alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np

from benchmarks.formats.hevc import PictureFormat
from benchmarks.imaging.ycbcr import Plane
from hsc.errors import BitstreamError, CodecError

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")

# The qp is that of the I picture itself (ipratio=1); no picture hash or version SEI, and nothing that depends on the
# number of cores.
_X265 = "keyint=1:hash=0:ipratio=1:amp=1:rect=1:wpp=0:frame-threads=1:pools=none:log-level=none:allow-non-conformance=1"
_LAYOUTS = {0: "gray", 1: "yuv420p", 2: "yuv422p", 3: "yuv444p"}


def pixel_layout(chroma: int, bits: int) -> str:
    """FFmpeg's name for planes of this chroma format (0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4) and depth."""
    return _LAYOUTS[chroma] + ("" if bits == 8 else f"{bits}le")


def encode_intra(
    planes: Sequence[Plane], *, chroma: int, bits: int, qp: int, preset: str, min_coding: int = 8, signed: bool = False
) -> bytes:
    """An Annex-B H.265 stream of one picture whose QP is exactly ``qp``.

    planes: uint8 (8 bits) or uint16, full size and, where ``chroma`` says so, half size; sizes a multiple of 8 and at
    least 16. min_coding: smallest coding block, 8 or 16; the luma size must be its multiple. signed: leave x265's SEI
    with its version and settings in the stream.

    Raises:
        CodecError: x265 failed.
    """
    import av

    height, width = planes[0].shape
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height = width, height
    context.pix_fmt = pixel_layout(chroma, bits)
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = {
        "preset": preset,
        "tune": "ssim",
        "x265-params": f"qp={qp}:min-cu-size={min_coding}:info={int(signed)}:{_X265}",
    }
    frame = av.VideoFrame(width, height, context.pix_fmt)
    for target, plane in zip(frame.planes, planes, strict=True):
        stride = target.line_size // plane.itemsize
        np.frombuffer(memoryview(target), plane.dtype).reshape(target.height, stride)[:, : target.width] = plane
    frame.pts = 0
    try:
        packets = [*context.encode(frame), *context.encode(None)]
    except av.FFmpegError as error:
        raise CodecError(f"x265 did not encode a {width}x{height} picture at qp {qp}: {error}") from error
    if not packets:
        raise CodecError(f"x265 gave no data for a {width}x{height} picture at qp {qp}")
    return b"".join(bytes(packet) for packet in packets)


@cache
def x265_version() -> str:
    """The version x265 states in a stream's SEI, such as "x265 (build 216) - 4.2"; "unknown" if it states none."""
    grey = np.full((16, 16), 128, np.uint8)
    stream = encode_intra([grey] * 3, chroma=3, bits=8, qp=51, preset="ultrafast", signed=True)
    version = re.search(rb"x265 \(build \d+\) - [\w.+-]+", stream)
    return version.group().decode() if version else "unknown"


def decode_intra(stream: bytes, coded: PictureFormat) -> list[Plane]:
    """The planes of the single picture in an Annex-B stream, uint8 or uint16: one for grey, else three.

    Damage inside a slice that still parses cannot be detected: such a picture has wrong pixels and the right size.

    Raises:
        BitstreamError: the decoder reports an error, returns no or several pictures, or a size or format other than
        ``coded``.
    """
    import av

    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    try:
        frames = [*context.decode(av.Packet(stream)), *context.decode(None)]
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise BitstreamError(
            f"the H.265 decoder refuses the data: {error}; they are damaged or of a kind it does not support"
        ) from error
    if len(frames) != 1:
        raise BitstreamError(f"the H.265 decoder gave {len(frames)} pictures, expected 1; the data are damaged")
    frame = frames[0]
    expected = (coded.width, coded.height, pixel_layout(coded.chroma, coded.bits))
    came = (frame.width, frame.height, frame.format.name)
    if not isinstance(frame, av.VideoFrame) or came != expected or frame.is_corrupt:
        raise BitstreamError(
            f"the H.265 decoder gave a picture of {came} (corrupt: {frame.is_corrupt}), expected {expected}; "
            f"the data are damaged"
        )
    dtype = np.dtype(np.uint8 if coded.bits == 8 else "<u2")
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        planes.append(rows[:, : plane.width].copy())
    return planes
