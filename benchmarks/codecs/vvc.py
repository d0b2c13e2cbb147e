"""VVC (H.266) intra: 4:2:0, 10 bits, coded by libvvenc through the ffmpeg of imageio-ffmpeg, or by programs a user
names.

    image -> [Lanczos down] -> pad -> YCbCr full range, 10 bits -> 4:2:0 -> libvvenc -> header + stream
                  image <- [Lanczos up] <- crop <- RGB <- 4:4:4 <- VVC decoder <- header + stream

The stream is ours only in its first bytes; the rest is a plain H.266 stream less its first start code:

    1 byte   101, 110 or 111 | scale (2 bits: 1, 0.75, 0.5, 0.25) | matrix (1 bit) | a column, a row was added (1 bit each)
    110:     true width and height as ue7, where one added column or row does not explain the coded size
    111:     the same, and the coded picture is four times as tall: its last row goes on below
    1 byte   length of what follows, modulo 256: decoders notice a cut except within the last few bytes, this sees those

Taller pictures: ffmpeg lets libvvenc write one byte a luma sample and no more. Noise below QP 18, and small busy
pictures at higher ones, take up to 2.4. Such a picture is coded with its last row repeated below, which costs some 30
bytes, makes room, and leaves its QP as it is.

Colour: BT.601 and full range by default, as in BPG and JPEG, chroma on the left luma sample, where H.266 expects it. On
the raccoon photo (preset medium) that is 1.9 % of rate better in RGB PSNR than BT.709 at either range; ``matrix=bt709``
gives the other.
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
_LEAST = 16
_FRACTION = 2
_PLAIN, _SIZED, _TALL = 0b101, 0b110, 0b111
_TALLER = 4
"""Times the height of a picture that takes more room than its size is given."""


@CODECS.register("vvc")
@dataclass(frozen=True)
class Vvc:
    """VVC. qp: 0 (large) to 63 (small), the QP of the picture itself.

    preset: libvvenc's; "fast" by default for its speed, reports use "medium", which is close to VTM in 4:2:0 (not to
    the VTM 4:4:4 of some papers). scale: the picture is coded at this size and brought back, both inside the codec.
    encoder, decoder:
    "ffmpeg" or the path of vvencapp and vvdecapp, or of VTM's EncoderApp and DecoderApp; VTM also needs
    ``encoder_config``, the path of its encoder_intra_vtm.cfg.

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
        """The bundled ffmpeg is; other programs are started from where the settings say."""
        return other_than(settings, encoder=["ffmpeg"], decoder=["ffmpeg"], encoder_config=[""])

    def __post_init__(self) -> None:
        if isinstance(self.qp, bool) or not isinstance(self.qp, int) or not 0 <= self.qp <= 63:
            raise ValueError(f"qp came as {self.qp!r}, allowed are whole numbers from 0 to 63")
        for name, allowed in (("preset", PRESETS), ("scale", SCALES), ("matrix", get_args(Matrix))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} came as {getattr(self, name)!r}, allowed are {', '.join(map(str, allowed))}")
        kind_of(self.encoder, ENCODERS)
        kind_of(self.decoder, DECODERS)

    def encode(self, image: Image) -> bytes:
        """Header and H.266 stream.

        Raises:
            ImageError: not uint8 (H, W, 3).
            CodecError: the encoder failed or is not there, or the image is over 2^26 pixels.
        """
        true = require_image(image).shape[0], image.shape[1]
        small_hw = _scaled(true, self.scale)
        coded_hw = _padded(small_hw)
        if max(true[0] * true[1], coded_hw[0] * coded_hw[1]) > MAX_PIXELS:
            raise CodecError(
                f"an image of {true[1]}x{true[0]} pixels is more than the {MAX_PIXELS} that decode() accepts; cut it "
                f"into tiles"
            )
        padded = pad_edge(_resized(image, small_hw), multiple=2, least=_LEAST)
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
        return _write_header(true, coded_hw, self.scale, self.matrix, tall=tall) + bytes([len(body) & 255]) + body

    def _stream(self, planes: Sequence[Plane]) -> bytes:
        """The checked H.266 stream of 4:2:0 planes. Raises CodecError as ``encode``, of the kind ``RoomError`` where
        they take too much room.
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
            BitstreamError: the data are damaged, cut, empty or of another codec.
            CodecError: the decoder is not there.
        """
        header = _read_header(data)
        body = data[header.length + 1 :]
        if data[header.length : header.length + 1] != bytes([len(body) & 255]):
            raise BitstreamError(
                f"a VVC stream of {len(data)} bytes has another length than its header says; the data are cut or "
                f"damaged"
            )
        stream = START_CODE + body
        coded = picture_size(stream)
        true = header.true_hw or (coded[0] - header.added[0], coded[1] - header.added[1])
        small = _scaled(true, header.scale)
        rows, columns = _padded(small)
        expected = (_TALLER * rows, columns) if header.tall else (rows, columns)
        if max(coded[0] * coded[1], true[0] * true[1]) > MAX_PIXELS or coded != expected:
            raise BitstreamError(
                f"a VVC header says {true} at scale {header.scale:g}, the stream {coded}; the data are damaged"
            )
        try:
            raw = decode_planes(self.decoder, stream, coded)
        except UnavailableError as error:
            raise CodecError(str(error)) from error
        except CodecError as error:
            raise BitstreamError(f"the VVC decoder refuses the data: {error}; they are damaged") from error
        return _resized(_picture(raw, coded, header.matrix)[: small[0], : small[1]], true)

    def available(self) -> str | None:
        return why_not(self.encoder, self.decoder, self.encoder_config)

    def provenance(self) -> Mapping[str, str]:
        found = {"code": VERSION}
        for role, program in (("encoder", self.encoder), ("decoder", self.decoder)):
            found[role] = version_of(program)
            found[f"{role}_sha256"] = binary_sha256(find_program(program))
        if self.encoder_config:
            found["encoder_config_sha256"] = binary_sha256(self.encoder_config)
        return found


@dataclass(frozen=True)
class _Header:
    """true_hw: None where the coded size and ``added`` (rows, columns) give it. length: bytes of the header. tall:
    coded with rows below.
    """

    true_hw: tuple[int, int] | None
    added: tuple[int, int]
    scale: float
    matrix: Matrix
    length: int
    tall: bool = False


def _write_header(
    true: tuple[int, int], coded: tuple[int, int], scale: float, matrix: Matrix, *, tall: bool = False
) -> bytes:
    added = coded[0] - true[0], coded[1] - true[1]
    plain = scale == 1 and max(added) <= 1 and not tall
    low = SCALES.index(scale) << 3 | get_args(Matrix).index(matrix) << 2
    if plain:
        return bytes([_PLAIN << 5 | low | added[1] << 1 | added[0]])
    return bytes([(_TALL if tall else _SIZED) << 5 | low]) + write_ue7(true[1]) + write_ue7(true[0])


def _read_header(data: bytes) -> _Header:
    if not data:
        raise BitstreamError("a VVC stream came empty")
    kind, scale, matrix = data[0] >> 5, SCALES[data[0] >> 3 & 3], get_args(Matrix)[data[0] >> 2 & 1]
    added = data[0] & 1, data[0] >> 1 & 1
    if kind == _PLAIN and scale == 1:
        return _Header(None, added, scale, matrix, 1)
    if kind not in (_SIZED, _TALL) or any(added):
        raise BitstreamError(
            f"a VVC stream starts with the byte {data[0]:#04x}, which our header never does; the data are damaged or "
            f"foreign"
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
    return padded_size(hw[0], multiple=2, least=_LEAST), padded_size(hw[1], multiple=2, least=_LEAST)


def _resized(image: Image, hw: tuple[int, int]) -> Image:
    """By Pillow's Lanczos (three lobes, widened when it shrinks); as it is where the size fits."""
    if image.shape[:2] == hw:
        return np.ascontiguousarray(image)
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(image).resize((hw[1], hw[0]), Pillow.Resampling.LANCZOS))


def _picture(raw: bytes, hw: tuple[int, int], matrix: Matrix) -> Image:
    """RGB of the coded size from 4:2:0 planes of 10 bits."""
    samples: npt.NDArray[np.uint16] = np.frombuffer(raw, "<u2")
    count = hw[0] * hw[1]
    if samples.max(initial=0) >= 1 << _BITS:
        raise BitstreamError("a VVC decoder gave samples over 10 bits; the data are damaged")
    luma = samples[:count].reshape(hw)
    chroma = samples[count:].reshape(2, hw[0] // 2, hw[1] // 2)
    full = [interpolate(plane, hw, bits=_BITS, siting="left", fraction=_FRACTION) for plane in chroma]
    return planes_to_rgb([luma, *full], matrix, bits=_BITS, chroma_fraction=_FRACTION)
