"""Files of images as the world leaves them: long texts, odd names, pipes, links, folders that are closed, and small
files that ask for much.
"""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from benchmarks.cli.run import main
from benchmarks.datasets.camvid import CamVid
from benchmarks.datasets.images import Images
from benchmarks.formats.coco_json import read_coco
from benchmarks.formats.label_maps import Pair, labelled_files, read_numbers
from benchmarks.imaging.image_decoding import decode_image
from benchmarks.imaging.image_files import SUFFIXES, read_image, shown
from hsc.cli.image_files import read_picture
from hsc.errors import AnnotationError, ImageError
from hsc.files.image_file_checks import without_text

PIXELS = np.random.default_rng(4).integers(0, 256, (6, 9, 3), np.uint8)
MANY = 3_000_000


def png(**options: Any) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """The chunk right after the header."""
    return data[:33] + chunk(kind, content) + data[33:]


def texts() -> dict[str, bytes]:
    """PNGs with more text than Pillow takes, one of each kind that editors write."""
    packed = zlib.compress(bytes(MANY))
    info = PIL.PngImagePlugin.PngInfo()
    for number in range(70):
        info.add_text(f"part {number}", "x" * 1_000_000, zip=True)
    return {
        "zTXt": with_chunk(png(), b"zTXt", b"workflow\0\0" + packed),
        "iTXt": with_chunk(png(), b"iTXt", b"prompt\0\1\0\0\0" + packed),
        "tEXt": with_chunk(png(), b"tEXt", b"Comment\0" + b"x" * 70_000_000),
        "iCCP": with_chunk(png(), b"iCCP", b"profile\0\0" + packed),
        "XMP": with_chunk(png(), b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
        "many": png(pnginfo=info),
        "damaged": with_chunk(png(), b"zTXt", b"workflow\0\0not deflated"),
    }


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "tEXt", "iCCP", "XMP", "many", "damaged"])
def test_a_png_with_much_text_is_its_pixels(kind: str, tmp_path: Path) -> None:
    data = texts()[kind]
    assert np.array_equal(decode_image(data), PIXELS)
    assert np.array_equal(read_picture(data, "x.png"), PIXELS)
    deep = (PIXELS.astype(np.uint16) << 8) | PIXELS
    text = data[33 : data.index(b"IDAT") - 4]
    deep_data = bytes(imagecodecs.png_encode(deep))
    assert np.array_equal(decode_image(deep_data[:33] + text + deep_data[33:]), PIXELS)


def test_a_label_map_with_much_text_is_read(tmp_path: Path) -> None:
    labels = np.arange(54, dtype=np.uint8).reshape(6, 9)
    buffer = io.BytesIO()
    PIL.Image.fromarray(labels).save(buffer, "PNG")
    (tmp_path / "labels.png").write_bytes(
        with_chunk(buffer.getvalue(), b"zTXt", b"history\0\0" + zlib.compress(bytes(MANY)))
    )
    (tmp_path / "image.png").write_bytes(texts()["iTXt"])
    assert np.array_equal(read_numbers(tmp_path / "labels.png", tmp_path / "image.png"), labels)


@pytest.mark.parametrize("long", [0, 2_000_000])
@pytest.mark.parametrize("packed", [False, True])
def test_the_cameras_turn_is_kept_wherever_a_program_wrote_it(long: int, packed: bool) -> None:
    xmp = b'<rdf:Description tiff:Orientation="6"/>' + b" " * long
    data = with_chunk(
        png(),
        b"iTXt",
        b"XML:com.adobe.xmp\0" + (b"\1" if packed else b"\0") + b"\0\0\0" + (zlib.compress(xmp) if packed else xmp),
    )
    turned = np.rot90(PIXELS, -1)
    assert np.array_equal(decode_image(data), turned)
    assert np.array_equal(read_picture(data, "x.png"), turned)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    raw = b"\nexif\n%8d\n" % len(exif.tobytes()) + exif.tobytes().hex().encode()
    old = with_chunk(texts()["zTXt"], b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))
    assert np.array_equal(decode_image(old), turned)
    assert np.array_equal(decode_image(old, orientation="ignore"), PIXELS)


def test_nothing_but_text_is_taken_out() -> None:
    data = png(dpi=(72, 72))
    assert without_text(data) == data
    assert without_text(b"GIF89a") == b"GIF89a"
    assert without_text(with_chunk(data, b"tEXt", b"a\0b")) == data
    for kept in range(len(data)):
        assert without_text(data[:kept]) == data[:kept]


@pytest.mark.parametrize("name", ["a.jfif", "a.JPE", "a.jif", "a.apng", "a.dib", "a.pbm", "a.JPEG", "a.tif"])
def test_every_name_of_a_kind_that_is_read_is_found(name: str, tmp_path: Path) -> None:
    kind = {"apng": "PNG", "dib": "BMP", "pbm": "PPM", "tif": "TIFF"}.get(name.split(".")[1], "JPEG")
    PIL.Image.fromarray(PIXELS).convert("1" if name.endswith("pbm") else "RGB").save(tmp_path / name, kind)
    dataset = Images(str(tmp_path))
    assert dataset.image_ids() == [name]
    assert dataset.load(0).image.shape == (6, 9, 3)
    assert Path(name).suffix.lower() in SUFFIXES


def save(folder: Path, *names: str | bytes) -> None:
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name)))).write_bytes(png())


def test_what_looks_like_images_and_is_not_read_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, "a.png", "b.HEIC", "c.heic", "d.avif", "e.jxl", "f.cr2", "notes.txt", ".hidden.heic")
    (tmp_path / "loop").symlink_to(tmp_path)
    dataset = Images(str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert dataset.image_ids() == ["a.png"]
    expected = (
        "images of kinds that are not read (1 .avif, 1 .cr2, 2 .heic, 1 .jxl); convert them to PNG; "
        "1 linked folder, which are not followed; give the path of one itself"
    )
    assert expected in caplog.text
    assert dataset.provenance()["passed_over"] == expected
    only = tmp_path / "only"
    only.mkdir()
    save(only, "x.heic")
    assert "1 .heic" in str(Images(str(only)).available())


def test_names_that_are_not_utf8_are_read_under_a_name_that_can_be_written(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/stra\xdfe"))
    folder.mkdir()
    save(folder, b"caf\xe9.png", "café.png", b"\xff\xfe.png")
    dataset = Images(str(tmp_path))
    ids = dataset.image_ids()
    assert sorted(ids) == sorted(["stra\\xdfe/caf\\xe9.png", "stra\\xdfe/café.png", "stra\\xdfe/\\xff\\xfe.png"])
    assert all(name.encode("utf-8") for name in ids)
    assert all(np.array_equal(dataset.load(n).image, PIXELS) and dataset.load(n).image_id == ids[n] for n in range(3))
    assert dataset.revision
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no image")
    with pytest.raises(ImageError) as caught:
        dataset.load(ids.index("stra\\xdfe/caf\\xe9.png"))
    assert str(caught.value).encode("utf-8")
    assert "caf\\" in str(caught.value)
    assert shown("café") == "café"


@pytest.mark.parametrize(
    "words",
    [["--out", "caf\udce9"], ["--dataset", 'images(path="\udce9")'], ["--name", "\udcff"], ["--cache", "a/\udce9/b"]],
)
def test_a_command_line_that_is_not_utf8_is_refused_before_anything_is_coded(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--quiet"]) == 2
    message = capsys.readouterr().err
    assert message.encode("utf-8")
    assert "holds bytes that are not UTF-8; rename the file or folder" in message


def test_labelled_folders_and_coco_files_have_names_that_can_be_written(tmp_path: Path) -> None:
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
    save(tmp_path / "val", b"caf\xe9.png")
    labels = io.BytesIO()
    PIL.Image.fromarray(np.zeros((6, 9), np.uint8)).save(labels, "PNG")
    (tmp_path / "valannot" / os.fsdecode(b"caf\xe9.png")).write_bytes(labels.getvalue())
    dataset = CamVid(str(tmp_path))
    assert list(dataset.image_ids()) == [dataset.load(0).image_id] == ["caf\\xe9"]
    assert dataset.label_map(0).labels.shape == (6, 9)
    pairs = [Pair("caf\udce9", tmp_path / "val" / "caf\udce9.png", tmp_path / "valannot" / "caf\udce9.png")]
    assert labelled_files(pairs, "a set", "get it").image_ids() == ["caf\\xe9"]
    images: list[dict[str, Any]] = [{"id": 1, "file_name": "caf\udce9.png"}]
    categories = [{"id": 1, "name": "car"}]
    for content in (
        {"images": images, "annotations": [], "categories": categories},
        {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": [{"id": 1, "name": "\ud83d"}]},
    ):
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(AnnotationError, match="that is no text") as caught:
            read_coco(tmp_path / "a.json", tmp_path)
        assert str(caught.value).encode("utf-8")
    os.mkfifo(tmp_path / "b.json")
    with pytest.raises(AnnotationError, match="no plain file"):
        read_coco(tmp_path / "b.json", tmp_path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


NO_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (pipe, "it is a pipe, expected a file"),
    "a socket": (sock, "it is a socket, expected a file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, expected a file"),
    "a link to itself": (lambda path: path.symlink_to(path), "Too many levels"),
    "a dangling link": (lambda path: path.symlink_to(path.with_name("gone")), "No such file"),
    "a huge hole": (lambda path: path.touch() or os.truncate(path, 2**40), "more than the 2,147,483,648 that are read"),  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_plain_file_is_refused_and_never_waited_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make, complaint = NO_FILES[kind]
    save(tmp_path, "a.png")
    make(Path("b.png"))
    answers: list[Any] = []

    def ask() -> None:
        answers.append(Images(str(tmp_path)).available())
        for read in (
            read_image,
            lambda path: read_numbers(path, tmp_path / "a.png"),
            lambda path: read_numbers(tmp_path / "a.png", path),
        ):
            try:
                read(tmp_path / "b.png")
            except (ImageError, AnnotationError) as error:
                answers.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert len(answers) == 4
    assert all(complaint in answer and "b.png" in answer for answer in answers)


def as_nobody(question: Callable[[], str | None]) -> str:
    """Errors that an account without rights gets, from a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        os.write(writing, str(question()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as answer:
        return answer.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
def test_a_subfolder_that_cannot_be_read_is_not_left_out_in_silence() -> None:
    import tempfile

    from benchmarks.datasets.cityscapes import Cityscapes

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("open", "closed", "leftImg8bit/val/aachen", "leftImg8bit/val/bonn"):
            (folder / part).mkdir(parents=True)
        save(folder / "open", "a.png")
        save(folder / "leftImg8bit/val/aachen", "aachen_1_leftImg8bit.png")
        for closed in (folder / "closed", folder / "leftImg8bit/val/bonn"):
            closed.chmod(0)
        assert "closed' cannot be read: Permission denied" in as_nobody(Images(str(folder)).available)
        assert "bonn' cannot be read: Permission denied" in as_nobody(Cityscapes(str(folder)).available)


def peak_mb(task: Callable[[], Any]) -> int:
    """The most memory that a process of its own takes for a task beyond what it began with, in MB."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            task()
        finally:
            os.write(writing, str((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024).encode())
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return int(answer.read())


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_take_a_small_multiple_of_what_they_decode_to(channels: int) -> None:
    side = 4096
    data = bytes(imagecodecs.png_encode(np.full((side, side, channels), 40_000, np.uint16).squeeze()))
    assert len(data) < 1_000_000
    rgb_mb = 3 * side * side // 2**20
    assert peak_mb(lambda: decode_image(data)) < 7 * rgb_mb


def deep_header(width: int, height: int, colour_type: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_deep_images_are_limited_by_the_bytes_they_decode_to() -> None:
    for colour_type in (2, 6):
        with pytest.raises(
            ImageError, match=r"16 bits a sample, [0-9,]+ bytes once decoded, more than the 402,653,184"
        ):
            decode_image(deep_header(9000, 9000, colour_type))


def tiled_tiff(side: int) -> bytes:
    """A 16x16 grey TIFF in one tile of side x side, deflated, of which nothing is there."""
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 200), (325, 4, 1, 12)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)).ljust(200, b"\0") + zlib.compress(
        bytes(64)
    )


@pytest.mark.parametrize("read", [decode_image, lambda data: read_picture(data, "x.tif")])
def test_tiles_far_larger_than_the_picture_are_refused_before_memory_is_taken(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(ImageError, match="16x16 pixels in tiles of 60000x60000"):
        read(tiled_tiff(60_000))
    whole = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(whole, "TIFF")
    assert np.array_equal(read(whole.getvalue()), PIXELS)


def bombs() -> dict[str, bytes]:
    """Small files whose headers promise more than they may."""
    bmp = bytearray(54)
    bmp[:2], bmp[10:14], bmp[14:18] = b"BM", struct.pack("<I", 54), struct.pack("<I", 40)
    bmp[18:30] = struct.pack("<iiHH", 2**31 - 1, -(2**31), 1, 24)
    return {
        "bmp": bytes(bmp),
        "ppm": b"P6\n999999 999999\n255\n",
        "gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
        "png": deep_header(2**31 - 1, 2**31 - 1, 6),
    }


@pytest.mark.parametrize("kind", ["bmp", "ppm", "gif", "png"])
def test_absurd_headers_are_refused_in_one_sentence(kind: str) -> None:
    for read in (lambda data: decode_image(data, name="x"), lambda data: read_picture(data, "x")):
        with pytest.raises(ImageError, match=r"tiles|code it in parts|cannot be decoded|not an image|at least 1x1"):
            read(bombs()[kind])


def test_of_a_gif_with_many_frames_one_is_decoded() -> None:
    frames = [PIL.Image.fromarray(np.full((64, 64), value, np.uint8)) for value in (10, *range(20, 220))]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert (decode_image(buffer.getvalue()) == 10).all()


def test_a_palette_with_degrees_of_transparency_lies_over_the_background() -> None:
    picture = PIL.Image.frombytes("P", (3, 1), b"\0\1\2")
    picture.putpalette([0, 0, 0, 100, 0, 0, 9, 9, 9])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes([0, 128, 255]))
    assert decode_image(buffer.getvalue()).tolist() == [[[255] * 3, [177, 127, 127], [9, 9, 9]]]
