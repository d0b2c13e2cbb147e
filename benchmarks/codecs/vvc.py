"""VVC (H.266) intra: 4:2:0, 10 bits, encoded by libvvenc through imageio-ffmpeg's binary, or by the user's programs.

    image -> [Lanczos down] -> pad -> YCbCr full range, 10 bits -> 4:2:0 -> libvvenc -> header + stream
                  image <- [Lanczos up] <- crop <- RGB <- 4:4:4 <- VVC decoder <- header + stream

Only the first bytes are our own; the rest is a plain H.266 stream without its first start code:

    1 byte   101, 110 or 111 | scale (2 bits: 1, 0.75, 0.5, 0.25) | matrix (1 bit) | column, row added (1 bit each)
    110:     true width and height as ue7, if one added column or row does not explain the coded size
    111:     the same, and the coded picture is four times as tall: its last row is repeated below
    1 byte   length of the rest, modulo 256: decoders notice a truncation except within the last few bytes, this does

Taller pictures: ffmpeg lets libvvenc write at most one byte a luma sample. Noise below QP 18, and small busy pictures
at higher QPs, take up to 2.4. Such a picture is coded with its last row repeated below, which costs about 30 bytes,
makes room, and leaves its QP as it is.

Colour: BT.601 and full range by default, as in BPG and JPEG, chroma on the left luma sample, where H.266 expects it. On
the raccoon photo (preset medium) this saves 1.9 % of rate at equal RGB PSNR against BT.709 at either range;
``matrix=bt709`` selects the latter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from benchmarks.api import CODECS
from benchmarks.formats.annexb import START_CODE
from benchmarks.formats.bits import read_ue7, write_ue7
from benchmarks.formats.vvc_programs import (
    DECODERS,
    ENCODERS,
    PRESETS,
    RoomError,
    decode_planes,
    encode_planes,
    find_program,
    kind_of,
    version_of,
    why_not,
)
from benchmarks.formats.vvc_stream import picture_size
from benchmarks.imaging.image_arrays import require_image
from benchmarks.imaging.ycbcr import (
    Plane,
    decimate,
    interpolate,
    pad_edge,
    padded_size,
    planes_to_rgb,
    rgb_to_planes,
)
from benchmarks.programs.external_program import binary_sha256
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, UnavailableError
from hsc.registry import other_than

VERSION = "1"
SCALES = (1.0, 0.75, 0.5, 0.25)
MAX_PIXELS = 1 << 26

Matrix = Literal["bt601", "bt709"]

_BITS = 10
_MIN_SIDE = 16
_FRACTION = 2
_PLAIN, _SIZED, _TALL = 0b101, 0b110, 0b111
_TALLER = 4
"""Factor on the height of a picture that needs more room than ffmpeg gives to its size."""


@CODECS.register("vvc")
@dataclass(frozen=True)
class Vvc:
    """The VVC codec. qp: 0 (large) to 63 (small), the QP of the picture itself.

    preset: libvvenc's; "fast" by default for its speed; reports use "medium", which is close to VTM in 4:2:0 (not to
    the VTM 4:4:4 of some papers). scale: the picture is coded at this fraction of its size and scaled back, both inside
    the codec. encoder, decoder: "ffmpeg" or the path of vvencapp and vvdecapp, or of VTM's EncoderApp and DecoderApp;
    VTM also needs ``encoder_config``, the path of its encoder_intra_vtm.cfg.

    A damaged stream raises BitstreamError where header, units or decoder show it. H.266 slices have no checksum:
    flipped bits inside them may decode to a wrong picture of the right size.
    """

    qp: int = 37
    preset: str = "fast"
    scale: float = 1.0
    matrix: Matrix = "bt601"
    encoder: str = "ffmpeg"
    decoder: str = "ffmpeg"
    encoder_config: str = ""

    rate_field: ClassVar[str] = "qp"
    ladder: ClassVar[tuple[int, ...]] = (52, 47, 42, 37, 32, 27)
    rate_range: ClassVar[tuple[int, int]] = (63, 0)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for the bundled ffmpeg; other settings would start programs of the user's choice."""
        return other_than(settings, encoder=["ffmpeg"], decoder=["ffmpeg"], encoder_config=[""])

    def __post_init__(self) -> None:
        if isinstance(self.qp, bool) or not isinstance(self.qp, int) or not 0 <= self.qp <= 63:
            raise ValueError(f"qp came as {self.qp!r}, allowed are whole numbers from 0 to 63")
        for name, value, allowed in (
            ("preset", self.preset, PRESETS),
            ("scale", self.scale, SCALES),
            ("matrix", self.matrix, get_args(Matrix)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} came as {value!r}, allowed are {', '.join(map(str, allowed))}")
        kind_of(self.encoder, ENCODERS)
        kind_of(self.decoder, DECODERS)

    def encode(self, image: Image) -> bytes:
        """Header and H.266 stream.

        Raises:
            ImageError: not uint8 (H, W, 3).
            CodecError: the encoder failed or is not available, or the image is over 2^26 pixels.
        """
        true_hw = require_image(image).shape[0], image.shape[1]
        small_hw = _scaled(true_hw, self.scale)
        coded_hw = _padded(small_hw)
        if max(true_hw[0] * true_hw[1], coded_hw[0] * coded_hw[1]) > MAX_PIXELS:
            raise CodecError(
                f"an image of {true_hw[1]}x{true_hw[0]} pixels is more than the {MAX_PIXELS} that decode() accepts; "
                f"cut it into tiles"
            )
        padded = pad_edge(_resized(image, small_hw), multiple=2, min_size=_MIN_SIDE)
        luma, *chroma = rgb_to_planes(padded, self.matrix, bits=_BITS)
        planes = [luma, *(decimate(plane, bits=_BITS, siting="left") for plane in chroma)]
        tall = False
        try:
            stream = self._stream(planes)
        except RoomError as error:
            tall, room = True, _TALLER * coded_hw[0] * coded_hw[1]
            if room > MAX_PIXELS:
                raise CodecError(
                    f"{error}; with more room it would be {room} pixels, over {MAX_PIXELS}: take a higher qp, or cut it"
                ) from error
            stream = self._stream(
                [np.pad(plane, ((0, (_TALLER - 1) * len(plane)), (0, 0)), mode="edge") for plane in planes]
            )
        body = stream[len(START_CODE) :]
        return _write_header(true_hw, coded_hw, self.scale, self.matrix, tall=tall) + bytes([len(body) & 255]) + body

    def _stream(self, planes: Sequence[Plane]) -> bytes:
        """The checked H.266 stream of 4:2:0 planes.

        Raises:
            CodecError: as ``encode``; ``RoomError`` if the stream takes more room than ffmpeg gives.
        """
        raw, hw = b"".join(plane.astype("<u2").tobytes() for plane in planes), (planes[0].shape[0], planes[0].shape[1])
        try:
            stream = encode_planes(self.encoder, raw, hw, qp=self.qp, preset=self.preset, config=self.encoder_config)
        except UnavailableError as error:
            raise CodecError(str(error)) from error
        if not stream.startswith(START_CODE) or picture_size(stream) != hw:
            raise CodecError(f"{self.encoder} left a stream that is not one picture of {hw}; is it a VVC encoder?")
        return stream

    def decode(self, data: bytes) -> Image:
        """The picture, at its true size.

        Raises:
            BitstreamError: the data are damaged, truncated, empty or of another codec.
            CodecError: the decoder is not available.
        """
        header = _read_header(data)
        body = data[header.length + 1 :]
        if data[header.length : header.length + 1] != bytes([len(body) & 255]):
            raise BitstreamError(
                f"a VVC stream of {len(data)} bytes has another length than its header says; "
                f"the data are cut or damaged"
            )
        stream = START_CODE + body
        coded_hw = picture_size(stream)
        true_hw = header.true_hw or (coded_hw[0] - header.added[0], coded_hw[1] - header.added[1])
        small_hw = _scaled(true_hw, header.scale)
        rows, columns = _padded(small_hw)
        expected_hw = (_TALLER * rows, columns) if header.tall else (rows, columns)
        if max(coded_hw[0] * coded_hw[1], true_hw[0] * true_hw[1]) > MAX_PIXELS or coded_hw != expected_hw:
            raise BitstreamError(
                f"a VVC header says {true_hw} at scale {header.scale:g}, the stream {coded_hw}; the data are damaged"
            )
        try:
            raw = decode_planes(self.decoder, stream, coded_hw)
        except UnavailableError as error:
            raise CodecError(str(error)) from error
        except CodecError as error:
            raise BitstreamError(f"the VVC decoder refuses the data: {error}; they are damaged") from error
        picture = _picture(raw, coded_hw, header.matrix)
        return _resized(picture[: small_hw[0], : small_hw[1]], true_hw)

    def available(self) -> str | None:
        return why_not(self.encoder, self.decoder, self.encoder_config)

    def provenance(self) -> Mapping[str, str]:
        facts = {"code": VERSION}
        for role, program in (("encoder", self.encoder), ("decoder", self.decoder)):
            facts[role] = version_of(program)
            facts[f"{role}_sha256"] = binary_sha256(find_program(program))
        if self.encoder_config:
            facts["encoder_config_sha256"] = binary_sha256(self.encoder_config)
        return facts


@dataclass(frozen=True)
class _Header:
    """The fields of our header.

    true_hw: None if it follows from the coded size and ``added`` (rows, columns). length: of the header in bytes. tall:
    whether rows were added below.
    """

    true_hw: tuple[int, int] | None
    added: tuple[int, int]
    scale: float
    matrix: Matrix
    length: int
    tall: bool = False


def _write_header(
    true_hw: tuple[int, int], coded_hw: tuple[int, int], scale: float, matrix: Matrix, *, tall: bool = False
) -> bytes:
    added = coded_hw[0] - true_hw[0], coded_hw[1] - true_hw[1]
    plain = scale == 1 and max(added) <= 1 and not tall
    low = SCALES.index(scale) << 3 | get_args(Matrix).index(matrix) << 2
    if plain:
        return bytes([_PLAIN << 5 | low | added[1] << 1 | added[0]])
    return bytes([(_TALL if tall else _SIZED) << 5 | low]) + write_ue7(true_hw[1]) + write_ue7(true_hw[0])


def _read_header(data: bytes) -> _Header:
    if not data:
        raise BitstreamError("a VVC stream came empty")
    kind, scale, matrix = data[0] >> 5, SCALES[data[0] >> 3 & 3], get_args(Matrix)[data[0] >> 2 & 1]
    added = data[0] & 1, data[0] >> 1 & 1
    if kind == _PLAIN and scale == 1:
        return _Header(None, added, scale, matrix, 1)
    if kind not in (_SIZED, _TALL) or any(added):
        raise BitstreamError(
            f"a VVC stream starts with the byte {data[0]:#04x}, which our header never does; "
            f"the data are damaged or foreign"
        )
    width, position = read_ue7(data, 1)
    height, position = read_ue7(data, position)
    if not 0 < width * height <= MAX_PIXELS:
        raise BitstreamError(
            f"a VVC header says {width}x{height} pixels, 1 to {MAX_PIXELS} are read; the data are damaged"
        )
    return _Header((height, width), (0, 0), scale, matrix, position, kind == _TALL)


def _scaled(hw: tuple[int, int], scale: float) -> tuple[int, int]:
    """Sizes times ``scale``, rounded half up, at least 1."""
    return max(1, int(hw[0] * scale + 0.5)), max(1, int(hw[1] * scale + 0.5))


def _padded(hw: tuple[int, int]) -> tuple[int, int]:
    return padded_size(hw[0], multiple=2, min_size=_MIN_SIDE), padded_size(hw[1], multiple=2, min_size=_MIN_SIDE)


def _resized(image: Image, hw: tuple[int, int]) -> Image:
    """The image resized by Pillow's Lanczos (three lobes, widened when it shrinks); unchanged if the size fits."""
    if image.shape[:2] == hw:
        return np.ascontiguousarray(image)
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(image).resize((hw[1], hw[0]), Pillow.Resampling.LANCZOS))


def _picture(raw: bytes, hw: tuple[int, int], matrix: Matrix) -> Image:
    """RGB of the coded size from 4:2:0 planes of 10 bits in 16-bit words."""
    samples: npt.NDArray[np.uint16] = np.frombuffer(raw, "<u2")
    count = hw[0] * hw[1]
    if samples.max(initial=0) >= 1 << _BITS:
        raise BitstreamError("a VVC decoder gave samples over 10 bits; the data are damaged")
    luma = samples[:count].reshape(hw)
    chroma = samples[count:].reshape(2, hw[0] // 2, hw[1] // 2)
    full = [interpolate(plane, hw, bits=_BITS, siting="left", fraction=_FRACTION) for plane in chroma]
    return planes_to_rgb([luma, *full], matrix, bits=_BITS, chroma_fraction=_FRACTION)
