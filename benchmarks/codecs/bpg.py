"""BPG: one H.265 intra picture in F. Bellard's container (2014), encoded by x265, with our own container code.

    image -> pad -> YCbCr (BT.601, full range) -> [4:2:0] -> x265 -> H.265 units -> BPG file
                                 image <- crop <- RGB <- [4:4:4] <- FFmpeg's H.265 decoder <- BPG file

Files of other encoders are read too; benchmarks/formats/bpg_container.py lists what is supported.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from benchmarks.api import CODECS
from benchmarks.formats.annexb import split_nals
from benchmarks.formats.bpg_container import COLOUR_SPACES, MAX_PIXELS, MAX_SIDE, BpgPicture, read_bpg, write_bpg
from benchmarks.formats.hevc import PPS, SPS, nal_type, read_sps
from benchmarks.formats.hevc_frames import PRESETS, decode_intra, encode_intra, x265_version
from benchmarks.imaging.image_arrays import require_image
from benchmarks.imaging.image_files import read_image
from benchmarks.imaging.ycbcr import Plane, Siting, decimate, interpolate, pad_edge, planes_to_rgb, rgb_to_planes
from benchmarks.programs.external_program import binary_sha256, private_folder, run_program
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ImageError, ProcessError
from hsc.registry import other_than

Chroma = Literal["4:4:4", "4:2:0"]

VERSION = "1"
_FORMATS = {"4:4:4": 3, "4:2:0": 1}
_FRACTION = 4
_SLICE_TYPES = range(16, 24)


@CODECS.register("bpg")
@dataclass(frozen=True)
class Bpg:
    """The BPG codec. qp: 0 (large) to 51 (small).

    chroma: "4:4:4" or "4:2:0". bits: 8 or 10 a sample. preset: of x265. encoder: with "x265", qp is the QP of the I
    picture itself. With "bpgenc", it is the option ``-q`` of that program, which must be on PATH with ``bpgdec``; built
    with x265 it codes the picture at ``q - 3``, so equal numbers are not equal qualities.

    A damaged file raises BitstreamError where the container, the units or the decoder show it. H.265 slices have no
    checksum: flipped bits inside them may decode to a wrong picture of the right size.
    """

    qp: int = 37
    chroma: Chroma = "4:4:4"
    bits: int = 8
    preset: str = "veryslow"
    encoder: str = "x265"

    rate_field: ClassVar[str] = "qp"
    ladder: ClassVar[tuple[int, ...]] = (47, 42, 37, 32, 27, 22)
    rate_range: ClassVar[tuple[int, int]] = (51, 0)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for x265; ``bpgenc`` could be any program of that name on PATH."""
        return other_than(settings, encoder=["x265"])

    def __post_init__(self) -> None:
        if isinstance(self.qp, bool) or not isinstance(self.qp, int) or not 0 <= self.qp <= 51:
            raise ValueError(f"qp came as {self.qp!r}, allowed are whole numbers from 0 to 51")
        for name, value, allowed in (
            ("chroma", self.chroma, get_args(Chroma)),
            ("bits", self.bits, (8, 10)),
            ("preset", self.preset, PRESETS),
            ("encoder", self.encoder, ("x265", "bpgenc")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} came as {value!r}, allowed are {', '.join(map(str, allowed))}")

    def encode(self, image: Image) -> bytes:
        """A BPG file.

        Raises:
            ImageError: not uint8 (H, W, 3).
            CodecError: x265 or bpgenc failed, or the image is larger than the format's readers accept.
        """
        height, width = require_image(image).shape[:2]
        if max(height, width) >= MAX_SIDE - 16 or (height + 16) * (width + 16) > MAX_PIXELS:
            raise CodecError(
                f"an image of {width}x{height} pixels is more than the {MAX_PIXELS} that decode() accepts; "
                f"cut it into tiles"
            )
        return self._encode_with_bpgenc(image) if self.encoder == "bpgenc" else self._encode_with_x265(image)

    def _encode_with_x265(self, image: Image) -> bytes:
        # Readers round the size up to the smallest coding block, and x265 needs sides of 16 or more: small pictures
        # get blocks of 16.
        block = 16 if min(image.shape[:2]) <= 8 else 8
        padded = pad_edge(image, multiple=block, min_size=16)
        planes = rgb_to_planes(padded, "bt601", bits=self.bits)
        chroma = _FORMATS[self.chroma]
        if chroma == 1:
            planes = [planes[0], *(decimate(plane, bits=self.bits) for plane in planes[1:])]
        stream = encode_intra(planes, chroma=chroma, bits=self.bits, qp=self.qp, preset=self.preset, min_coding=block)
        return write_bpg(_picture(stream, image.shape[0], image.shape[1]))

    def _encode_with_bpgenc(self, image: Image) -> bytes:
        from PIL import Image as Pillow

        chroma = self.chroma.replace(":", "")
        options = f"-q {self.qp} -f {chroma} -c ycbcr -b {self.bits} -o out.bpg in.png".split()
        with private_folder() as folder:
            Pillow.fromarray(image).save(folder / "in.png")
            run = run_program([_bpg_program("bpgenc"), *options], folder=folder, outputs=("out.bpg",))
            return run.files["out.bpg"]

    def decode(self, data: bytes) -> Image:
        """The picture of a BPG file of any supported kind, in plain RGB.

        Raises:
            BitstreamError: the file is damaged, truncated, not BPG, or of a kind that is not read.
        """
        picture = read_bpg(data)
        if self.encoder == "bpgenc":
            return _decode_with_bpgdec(data, (picture.height, picture.width))
        planes = decode_intra(picture.annexb(), picture.coded)
        return _to_rgb(planes, picture)

    def available(self) -> str | None:
        if self.encoder == "bpgenc":
            missing = [name for name in ("bpgenc", "bpgdec") if shutil.which(name) is None]
            cure = "install libbpg or use bpg(encoder=x265)"
            return f"{' and '.join(missing)} not found on PATH; {cure}" if missing else None
        return _why_no_x265()

    def provenance(self) -> Mapping[str, str]:
        if self.encoder == "bpgenc":
            hashes = {f"{name}_sha256": binary_sha256(_bpg_program(name)) for name in ("bpgenc", "bpgdec")}
            return {"code": VERSION, "coded_by": "bpgenc", **hashes}
        return {"code": VERSION, "coded_by": "x265 in our BPG container", **_library_versions()}


def _picture(stream: bytes, height: int, width: int) -> BpgPicture:
    """The BPG picture of x265's stream: the tools of its SPS, its PPS and its slices."""
    nals = split_nals(stream)
    coded, tools = next(read_sps(nal) for nal in nals if nal_type(nal) == SPS)
    picture_nals = tuple(nal for nal in nals if nal_type(nal) == PPS or nal_type(nal) in _SLICE_TYPES)
    picture = BpgPicture(width, height, coded.chroma, coded.bits, tools, picture_nals)
    if picture.coded != coded:
        raise CodecError(
            f"x265 coded {coded}, a BPG reader would expect {picture.coded}; report this with the image's size"
        )
    return picture


def _to_rgb(planes: list[Plane], picture: BpgPicture) -> Image:
    """RGB of the true size. Planes are cropped first, as the specification demands, so padding has no influence."""
    hw = picture.height, picture.width
    luma = planes[0][: hw[0], : hw[1]]
    if picture.chroma == 0:
        planes = [luma] + [np.full_like(luma, 1 << (picture.bits - 1))] * 2
    fraction = 0
    if picture.chroma in (1, 2):
        fraction, vertical = _FRACTION, picture.chroma == 1
        rows = (hw[0] + 1) // 2 if vertical else hw[0]
        siting: Siting = "left" if picture.left else "centre"
        chroma = [
            interpolate(
                plane[:rows, : (hw[1] + 1) // 2],
                hw,
                bits=picture.bits,
                siting=siting,
                vertical=vertical,
                fraction=fraction,
            )
            for plane in planes[1:]
        ]
        planes = [luma, *chroma]
    if picture.chroma == 3:
        planes = [plane[: hw[0], : hw[1]] for plane in planes]
    matrix = COLOUR_SPACES[picture.colour_space]
    return planes_to_rgb(
        planes, matrix, full_range=not picture.limited_range, bits=picture.bits, chroma_fraction=fraction
    )


def _bpg_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise CodecError(f"{name} is not on PATH; install libbpg or use bpg(encoder=x265)")
    return path


def _decode_with_bpgdec(data: bytes, hw: tuple[int, int]) -> Image:
    """The image that bpgdec writes as a PNG. hw: the size in the file's header."""
    with private_folder() as folder:
        (folder / "in.bpg").write_bytes(data)
        try:
            run_program([_bpg_program("bpgdec"), "-o", "out.png", "in.bpg"], folder=folder, outputs=("out.png",))
        except ProcessError as error:
            raise BitstreamError(f"bpgdec refuses the data: {error}") from error
        try:
            image = read_image(folder / "out.png")
        except ImageError as error:
            raise BitstreamError(f"bpgdec left no usable picture: {error}") from error
    if image.shape[:2] != hw:
        raise BitstreamError(f"bpgdec gave a picture of {image.shape[:2]}, the header says {hw}; the data are damaged")
    return image


@cache
def _why_no_x265() -> str | None:
    try:
        import av

        av.Codec("libx265", "w")
        av.Codec("hevc", "r")
    except Exception as error:  # a broken wheel may raise anything on import
        return f"PyAV with libx265 is missing ({type(error).__name__}: {error}); pip install 'av>=14'"
    return None


@cache
def _library_versions() -> dict[str, str]:
    import av

    return {
        "x265": x265_version(),
        "av": av.__version__,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
    }
