"""Odd image files: each comes out as documented, or is refused with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps

from benchmarks.imaging.image_arrays import MAX_PIXELS, pixels_sha256, require_image
from benchmarks.imaging.image_decoding import decode_image
from benchmarks.imaging.image_files import SUFFIXES, read_image
from hsc.api import Image
from hsc.errors import ImageError


def colours(height: int = 6, width: int = 9) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def packed(picture: PIL.Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def header_only_png(width: int, height: int) -> bytes:
    """A PNG that promises more pixels than it holds."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (ihdr, idat, b"IEND")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_colour_is_kept(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"image.{kind.lower()}"
    file.write_bytes(packed(PIL.Image.fromarray(colours()), kind))
    image = read_image(file)
    assert image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"]
    assert np.array_equal(image, colours())
    assert file.suffix in SUFFIXES


def test_grey_and_single_bits_become_three_equal_channels() -> None:
    grey = colours()[:, :, 0]
    assert np.array_equal(decode_image(packed(PIL.Image.fromarray(grey))), np.repeat(grey[:, :, None], 3, axis=2))
    bits = PIL.Image.fromarray(grey).convert("1")
    assert np.array_equal(decode_image(packed(bits))[:, :, 1], np.asarray(bits) * np.uint8(255))


def test_palette_becomes_its_colours() -> None:
    picture = PIL.Image.fromarray(colours()).quantize(16)
    assert np.array_equal(decode_image(packed(picture)), np.asarray(picture.convert("RGB")))
    assert decode_image(packed(picture, "GIF")).shape == (6, 9, 3)


def test_alpha_is_laid_over_the_background_and_rounded() -> None:
    rgba = np.dstack([colours(), np.array([0, 1, 127, 128, 255, 64, 3, 200, 254], np.uint8)[None].repeat(6, 0)])
    data = packed(PIL.Image.fromarray(rgba))
    alpha = rgba[:, :, 3:].astype(float) / 255
    for background in ((255, 255, 255), (0, 10, 200)):
        expected = np.floor(rgba[:, :, :3] * alpha + np.array(background) * (1 - alpha) + 0.5)
        assert np.abs(decode_image(data, background=background) - expected).max() == 0
    assert np.array_equal(decode_image(data)[:, 0], np.full((6, 3), 255))


def test_grey_with_alpha_and_transparent_palette() -> None:
    la = PIL.Image.merge("LA", [PIL.Image.new("L", (2, 1), 50), PIL.Image.frombytes("L", (2, 1), b"\0\xff")])
    assert decode_image(packed(la)).tolist() == [[[255] * 3, [50] * 3]]
    palette = PIL.Image.frombytes("P", (2, 1), b"\0\1")
    palette.putpalette([9, 9, 9, 1, 2, 3])
    assert decode_image(packed(palette, transparency=0)).tolist() == [[[255] * 3, [1, 2, 3]]]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_scaled_and_rounded(channels: int) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (5, 4, channels), np.uint16)
    deep[0, 0] = 65535
    deep[0, 1] = 128  # rounds down to 0, as 129 rounds up to 1
    deep[0, 2] = 129
    eight = np.floor(deep / 65535 * 255 + 0.5)
    colour = eight[:, :, :3] if channels >= 3 else eight[:, :, :1].repeat(3, axis=2)
    if channels in (2, 4):
        alpha = eight[:, :, -1:] / 255
        colour = np.floor(colour * alpha + 255 * (1 - alpha) + 0.5)
    data = bytes(imagecodecs.png_encode(deep.squeeze() if channels == 1 else deep))
    assert np.array_equal(decode_image(data), colour)


def test_16_bit_grey_tiff_and_ppm() -> None:
    deep = np.array([[0, 128, 129, 65535]], np.uint16)
    expected = [[0, 0, 1, 255]]
    assert decode_image(packed(PIL.Image.fromarray(deep), "TIFF"))[:, :, 2].tolist() == expected
    assert decode_image(b"P5\n4 1\n65535\n" + deep.astype(">u2").tobytes())[:, :, 0].tolist() == expected


def deep_tiff() -> bytes:
    """A 1x1 TIFF of three 16-bit samples, by hand: no writer here makes one."""
    tags = [
        (256, 3, 1, 1),
        (257, 3, 1, 1),
        (258, 3, 3, 134),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 140),
        (277, 3, 1, 3),
        (278, 3, 1, 1),
    ]
    tags.append((279, 4, 1, 6))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    data = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    return data.ljust(134, b"\0") + struct.pack("<HHH", 16, 16, 16) + struct.pack("<HHH", 1000, 2000, 3000)


@pytest.mark.parametrize(
    "data",
    [
        packed(PIL.Image.fromarray(np.zeros((3, 3), np.float32)), "TIFF"),
        packed(PIL.Image.fromarray(np.zeros((3, 3), np.int32)), "TIFF"),
        deep_tiff(),
    ],
    ids=["float", "int32", "deep colour tiff"],
)
def test_samples_that_are_not_read_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"32 bits|16-bit PNG"):
        decode_image(data)


def test_cmyk() -> None:
    picture = PIL.Image.fromarray(colours()).convert("CMYK")
    assert np.array_equal(decode_image(packed(picture, "TIFF")), colours())
    assert np.abs(decode_image(packed(picture, "JPEG", quality=95)).astype(int).mean() - colours().mean()) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turn_is_applied_or_ignored(orientation: int) -> None:
    picture = PIL.Image.fromarray(colours())
    exif = picture.getexif()
    exif[0x0112] = orientation
    data = packed(picture, exif=exif)
    with PIL.Image.open(io.BytesIO(data)) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(decode_image(data), upright)
    assert np.array_equal(decode_image(data, orientation="ignore"), colours())


def test_colour_profile_is_ignored() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(decode_image(packed(PIL.Image.fromarray(colours()), icc_profile=profile)), colours())


def test_first_frame_of_several() -> None:
    frames = [PIL.Image.fromarray(np.full((2, 2, 3), v, np.uint8)) for v in (10, 200)]
    data = packed(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert (decode_image(data) == 10).all()


def test_too_large_is_refused_before_decoding() -> None:
    for width, height in ((100_000, 100_000), (2**31 - 1, 1), (MAX_PIXELS + 1, 1)):
        with pytest.raises(ImageError, match=r"tiles|cannot be decoded"):
            decode_image(header_only_png(width, height))


def test_pillows_own_limit_is_left_alone() -> None:
    before = PIL.Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError):
        decode_image(
            header_only_png(11_000, 11_000)
        )  # above Pillow's warning, below its error and ours: cut, not too large
    assert before == PIL.Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM"])
def test_cut_files_are_refused(kind: str) -> None:
    data = packed(PIL.Image.fromarray(colours(40, 50)), kind)
    for kept in (len(data) // 10, len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(ImageError, match=r"street\.x"):
            decode_image(data[:kept], name="street.x")


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"%PDF-1.4\n", b"<svg/>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "thing.png"
    file.write_bytes(data)
    with pytest.raises(ImageError, match=r"thing\.png"):
        read_image(file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ImageError, match="cannot read"):
            read_image(path)


def test_pixels_sha256_sees_shape_and_pixels_only() -> None:
    image = colours(4, 6)
    assert pixels_sha256(image) == pixels_sha256(np.asfortranarray(image))
    assert pixels_sha256(image) != pixels_sha256(image.reshape(6, 4, 3))
    assert pixels_sha256(image) != pixels_sha256(image[::-1])
    assert len(pixels_sha256(image)) == 64


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [[1]],
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2, 3)),
        np.zeros((0, 2, 3), np.uint8),
    ],
)
def test_require_image(wrong: object) -> None:
    with pytest.raises(ImageError):
        require_image(wrong)
