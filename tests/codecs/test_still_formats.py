"""File-format codecs: settings, limits of the formats, and headers that promise more than anyone should allocate."""

from __future__ import annotations

import csv
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.imaging.image_files import read_image
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, SpecError

FORMATS = ("jpeg", "jpeg2000", "webp", "avif", "jpegxl", "heic")


def build(spec: str) -> Any:
    codec = CODECS.build(spec)
    reason = codec.available()
    if reason:
        pytest.skip(reason)
    return codec


@pytest.mark.parametrize(
    "spec",
    [
        "jpeg(quality=0)", "jpeg(quality=101)", "jpeg(subsampling=420)", "jpeg2000(psnr=5)", "webp(quality=101)",
        "webp(method=7)", "avif(quality=-1)", "avif(speed=11)", 'avif(subsampling="4:1:1")', "jpegxl(distance=0)",
        "jpegxl(effort=10)", "heic(quality=200)", "heic(preset=lazy)",
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(spec: str) -> None:
    with pytest.raises(SpecError, match="expected"):
        CODECS.build(spec)


@pytest.mark.parametrize(("name", "side"), [("jpeg", 65501), ("webp", 16384), ("heic", 16385)])
def test_a_format_says_what_it_cannot_hold(name: str, side: int) -> None:
    with pytest.raises(CodecError, match=r"pixels a side.*resize or tile"):
        build(name).encode(np.zeros((1, side, 3), np.uint8))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["black", "white", "noise", "strip"])
def test_extreme_pictures(name: str, kind: str) -> None:
    image = {
        "black": np.zeros((40, 40, 3), np.uint8),
        "white": np.full((40, 40, 3), 255, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
        "strip": np.full((2, 3000, 3), 90, np.uint8),
    }[kind]
    codec = build(name)
    decoded = codec.decode(codec.encode(image))
    assert decoded.shape == image.shape
    if kind != "noise":
        assert np.abs(decoded.astype(int) - image).max() <= 16


@pytest.mark.parametrize("name", ["jpeg", "avif", "heic"])
def test_full_chroma_costs_more_and_keeps_more(name: str, photo: Callable[[int, int], Image]) -> None:
    image = photo(64, 64)
    image[::2, :, 0] //= 3  # colour detail that half-size chroma cannot hold
    error, size = {}, {}
    for chroma in ("4:4:4", "4:2:0"):
        codec = build(f'{name}(quality=90, subsampling="{chroma}")')
        data = codec.encode(image)
        size[chroma] = len(data)
        error[chroma] = float(np.mean((codec.decode(data).astype(float) - image) ** 2))
    assert size["4:4:4"] > size["4:2:0"]
    assert error["4:4:4"] < error["4:2:0"] / 2


def patch_jpeg(data: bytes) -> bytes:
    offset = data.index(b"\xff\xc0") + 5
    return data[:offset] + struct.pack(">HH", 65000, 65000) + data[offset + 4 :]


def patch_jpeg2000(data: bytes) -> bytes:
    offset = data.index(b"\xff\x51") + 6
    return data[:offset] + struct.pack(">II", 1_000_000, 1_000_000) + data[offset + 8 :]


def patch_webp(data: bytes) -> bytes:
    offset = data.index(b"\x9d\x01\x2a") + 3
    return data[:offset] + struct.pack("<HH", 16383, 16383) + data[offset + 4 :]


def patch_jpegxl(data: bytes) -> bytes:
    size = 0b0 | 3 << 1 | (2**30 - 1) << 3 | 1 << 33  # not small, 30-bit height, width equal to it
    return data[:2] + size.to_bytes(5, "little") + data[7:]


def patch_jpegxl_to_a_line(data: bytes) -> bytes:
    """One row of 2**27 pixels: no more than are read, and eight times as many in whole blocks."""
    size = (
        0b0 | 0 << 1 | 0 << 3 | 0 << 12 | 3 << 15 | (2**27 - 1) << 17
    )  # not small, height 1 of 9 bits, no ratio, width of 30 bits
    return data[:2] + size.to_bytes(6, "little") + data[8:]


def patch_jpeg2000_to_a_line(data: bytes) -> bytes:
    offset = data.index(b"\xff\x51") + 6
    return (
        data[:offset]
        + struct.pack(">II", 2**21, 1)
        + data[offset + 8 : offset + 16]
        + struct.pack(">II", 2**21, 1)
        + data[offset + 24 :]
    )


def patch_sizes_in_boxes(data: bytes) -> bytes:
    offset = data.index(b"ispe") + 8
    return data[:offset] + struct.pack(">II", 60000, 60000) + data[offset + 8 :]


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("jpeg", patch_jpeg), ("jpeg2000", patch_jpeg2000), ("webp", patch_webp), ("jpegxl", patch_jpegxl),
        ("jpegxl", patch_jpegxl_to_a_line), ("jpeg2000", patch_jpeg2000_to_a_line), ("avif", patch_sizes_in_boxes),
        ("heic", patch_sizes_in_boxes),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_a_header_that_promises_too_much_costs_nothing(
    name: str, patch: Callable[[bytes], bytes], photo: Callable[[int, int], Image]
) -> None:
    codec = build(name)
    data = patch(codec.encode(photo(64, 48)))
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(BitstreamError):
        codec.decode(data)
    assert time.monotonic() - start < 2
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_the_format_in_other_colours_is_not_the_codecs(name: str) -> None:
    """Grey and transparent files are legal, but no stream of ours."""
    import io

    import PIL.Image

    kind = {"jpeg": "JPEG", "jpeg2000": "JPEG2000", "webp": "WEBP", "avif": "AVIF"}.get(name)
    if kind is None:
        pytest.skip("written without Pillow")
    buffer = io.BytesIO()
    mode = "L" if kind in ("JPEG", "JPEG2000") else "RGBA"
    PIL.Image.new(mode, (20, 20)).save(buffer, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
    with pytest.raises(BitstreamError, match="expected RGB"):
        build(name).decode(buffer.getvalue())


@pytest.mark.parametrize(
    ("spec", "codec", "quality"),
    [
        ("jpeg(quality=10)", "JPEG Pillow(turbo) 420 optimize", 10),
        ("jpeg(quality=75)", "JPEG Pillow(turbo) 420 optimize", 75),
        ("jpeg2000(psnr=29)", "JPEG2000 imagecodecs (dB)", 29), ("webp(quality=25)", "WebP Pillow method6", 25),
        ("avif(quality=35)", "AVIF Pillow(aom) 444 speed6", 35),
        ("jpegxl(distance=8)", "JPEG XL imagecodecs effort7", 8),
        ("heic(quality=25)", "HEIC pillow-heif(x265) 420", 25),
    ],
)  # fmt: skip
def test_agrees_with_figures_measured_elsewhere(spec: str, codec: str, quality: int, shared: Path) -> None:
    """Bytes and PSNR of the reference photo, from another day and other library versions."""
    folder = shared / "data" / "raccoon"
    with (folder / "reference.csv").open(newline="") as file:
        row = next(r for r in csv.DictReader(file) if (r["codec"], r["quality"]) == (codec, str(quality)))
    image = read_image(folder / "raccoon_768x512.png")
    ours = build(spec)
    data = ours.encode(image)
    error = float(np.mean((ours.decode(data).astype(float) - image) ** 2))
    assert len(data) == pytest.approx(int(row["size_bytes"]), rel=0.03)
    assert 10 * np.log10(255**2 / error) == pytest.approx(float(row["psnr_rgb_db"]), abs=0.15)


def test_of_a_film_in_jpeg_xl_one_frame_is_decoded() -> None:
    """Forty frames in some kilobytes: each takes memory, and only one is promised."""
    imagecodecs = pytest.importorskip("imagecodecs")
    frames = np.zeros((40, 300, 300, 3), np.uint8)
    frames[0] += 90
    data = imagecodecs.jpegxl_encode(frames, photometric="RGB", usecontainer=False, numthreads=1, effort=1)
    start = time.monotonic()
    try:
        image = build("jpegxl").decode(data)
    except BitstreamError:
        image = np.full((300, 300, 3), 90, np.uint8)
    assert time.monotonic() - start < 2
    assert image.shape == (300, 300, 3)
    assert np.abs(image.astype(int) - 90).max() <= 2
