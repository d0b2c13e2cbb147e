"""The BPG file format: header fields, and the H.265 data between them. No pixels here.

    BpgPicture --write_bpg--> bytes --read_bpg--> BpgPicture --annexb--> an H.265 stream any decoder takes

Source: F. Bellard, "BPG Specification", version 0.9.5 (2015). The reader supports 8 to 14 bits; grey, 4:2:0, 4:2:2 and
4:4:4 with both chroma positions; all colour spaces of the format; both ranges. Of an animation it reads the first
frame, as the specification asks of players without animation. An alpha plane beside plain colour is dropped;
premultiplied alpha and CMYK are refused, because their colour depends on the plane.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.formats.annexb import join_nals, split_nals
from benchmarks.formats.bits import BitReader, BitWriter, read_ue7, write_ue7
from benchmarks.formats.hevc import (
    PPS,
    PREFIX_SEI,
    SUFFIX_SEI,
    PictureFormat,
    SpsTools,
    layer_id,
    nal_type,
    read_pcm,
    read_range_tools,
    write_pcm,
    write_range_tools,
    write_sps,
    write_vps,
)
from benchmarks.imaging.ycbcr import Matrix
from hsc.errors import BitstreamError

MAGIC = b"BPG\xfb"
MAX_PIXELS = 1 << 26
MAX_SIDE = 1 << 16

# pixel_format: (chroma format of H.265, chroma lies left as in MPEG-2)
_PIXEL_FORMATS = {0: (0, False), 1: (1, False), 2: (2, False), 3: (3, False), 4: (1, True), 5: (2, True)}
COLOUR_SPACES: tuple[Matrix, ...] = ("bt601", "gbr", "ycgco", "bt709", "bt2020")

_IRAP = range(16, 24)
_SLICES = range(32)


@dataclass(frozen=True)
class BpgPicture:
    """One picture of a BPG file.

    width, height: true size in pixels. chroma: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4. nals: PPS, SEI and slices of the
    colour picture, without VPS and SPS. colour_space: index in ``COLOUR_SPACES``. left: chroma samples lie on the left
    luma sample, else between two.
    """

    width: int
    height: int
    chroma: int
    bits: int
    tools: SpsTools
    nals: tuple[bytes, ...]
    colour_space: int = 0
    limited_range: bool = False
    left: bool = False

    @property
    def coded(self) -> PictureFormat:
        """The format in the SPS: sizes rounded up to the smallest coding block."""
        block = self.tools.min_coding_size
        return PictureFormat(-(-self.width // block) * block, -(-self.height // block) * block, self.chroma, self.bits)

    def annexb(self) -> bytes:
        """A complete H.265 stream with its parameter sets rebuilt."""
        return join_nals([write_vps(), write_sps(self.coded, self.tools), *self.nals])


def write_bpg(picture: BpgPicture) -> bytes:
    """The BPG file of one picture.

    It states the length of its data, so that readers notice a truncated file; this costs 1 to 3 bytes.
    """
    pixel_format = {v: k for k, v in _PIXEL_FORMATS.items()}[picture.chroma, picture.left]
    data = join_nals(picture.nals)[4:]  # the first start code is left out
    body = _write_tools(picture.tools) + data
    flags = bytes([pixel_format << 5 | picture.bits - 8, picture.colour_space << 4 | picture.limited_range << 1])
    return MAGIC + flags + write_ue7(picture.width) + write_ue7(picture.height) + write_ue7(len(body)) + body


def _write_tools(tools: SpsTools) -> bytes:
    w = BitWriter()
    for value in (
        tools.log2_min_coding_minus3,
        tools.log2_range_coding,
        tools.log2_min_transform_minus2,
        tools.log2_range_transform,
        tools.transform_depth_intra,
    ):
        w.ue(value)
    w.u(1, tools.sample_adaptive_offset)
    write_pcm(w, tools.pcm)
    w.u(1, tools.strong_intra_smoothing)
    write_range_tools(w, tools.range_tools)
    header = w.bytes(stop_bit=False)
    return write_ue7(len(header)) + header


@dataclass(frozen=True)
class _Header:
    pixel_format: int
    bits: int
    colour_space: int
    limited_range: bool
    alpha: bool
    animation: bool
    width: int
    height: int


def read_bpg(data: bytes) -> BpgPicture:
    """Read and check a BPG file; nothing is decoded and nothing larger than ``data`` is allocated.

    Raises:
        BitstreamError: it is damaged, truncated, empty, not BPG, larger than 2^26 pixels, or of a kind that is not read
        (see the module's docstring).
    """
    header, position, end = _read_header(data)
    tools = None
    for _ in range(2 if header.alpha else 1):  # the alpha plane's header comes first
        tools, position = _read_tools(data, position, end)
    assert tools is not None
    chroma, left = _PIXEL_FORMATS[header.pixel_format]
    nals = _first_picture(split_nals(b"\x00\x00\x01" + data[position:end]), header)
    picture = BpgPicture(
        header.width,
        header.height,
        chroma,
        header.bits,
        tools,
        tuple(nals),
        header.colour_space,
        header.limited_range,
        left,
    )
    if picture.coded.width * picture.coded.height > MAX_PIXELS:
        raise BitstreamError(f"a BPG file's coded picture is over {MAX_PIXELS} pixels; the data are damaged")
    return picture


def _read_header(data: bytes) -> tuple[_Header, int, int]:
    """The fixed fields, and the positions where the H.265 part starts and ends."""
    if data[:4] != MAGIC or len(data) < 6:
        raise BitstreamError(
            f"{len(data)} bytes that start with {data[:4]!r} are not a BPG file, which starts with {MAGIC!r}"
        )
    pixel_format, bits = data[4] >> 5, (data[4] & 15) + 8
    colour_space = data[5] >> 4
    alpha1, alpha2 = bool(data[4] & 16), bool(data[5] & 4)
    if (
        pixel_format not in _PIXEL_FORMATS
        or bits > 14
        or colour_space >= len(COLOUR_SPACES)
        or (pixel_format == 0 and colour_space)
    ):
        raise BitstreamError(
            f"a BPG header has pixel format {pixel_format}, {bits} bits, colour space {colour_space}, "
            f"which the format does not define"
        )
    if alpha2:
        kind = "premultiplied alpha" if alpha1 else "CMYK colour"
        raise BitstreamError(f"a BPG file with {kind} is not read; convert it to plain RGB first")
    width, position = read_ue7(data, 6)
    height, position = read_ue7(data, position)
    if not (0 < width < MAX_SIDE and 0 < height < MAX_SIDE and width * height <= MAX_PIXELS):
        raise BitstreamError(
            f"a BPG header says {width}x{height} pixels, 1 to {MAX_PIXELS} are read; the data are damaged"
        )
    length, position = read_ue7(data, position)
    if data[5] & 8:
        extension, position = read_ue7(data, position)
        position += extension
    left = len(data) - position
    if left < 0 or (length and length != left):
        raise BitstreamError(
            f"a BPG header announces {length} bytes of picture and {max(left, 0)} follow; the file is cut or damaged"
        )
    header = _Header(pixel_format, bits, colour_space, bool(data[5] & 2), alpha1, bool(data[5] & 1), width, height)
    return header, position, len(data)


def _read_tools(data: bytes, position: int, end: int) -> tuple[SpsTools, int]:
    length, position = read_ue7(data[:end], position)
    if not 0 < length <= end - position:
        raise BitstreamError(
            f"a BPG file announces {length} bytes of H.265 header and {end - position} follow; it is cut or damaged"
        )
    r = BitReader(data[position : position + length])
    sizes = [r.ue() for _ in range(5)]
    tools = SpsTools(
        sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], r.flag(), read_pcm(r), r.flag(), read_range_tools(r)
    )
    if r.left >= 8 or r.u(r.left):
        raise BitstreamError("a BPG file's H.265 header is longer than its fields; the data are damaged")
    coding, transform = 3 + sizes[0], 2 + sizes[2]
    if (
        coding + sizes[1] > 6
        or transform >= coding
        or transform + sizes[3] > 5
        or sizes[4] > coding + sizes[1] - transform
    ):
        raise BitstreamError(
            f"a BPG file's H.265 header has block sizes that H.265 does not allow ({sizes}); the data are damaged"
        )
    return tools, position + length


def _first_picture(nals: list[bytes], header: _Header) -> list[bytes]:
    """The NAL units of the first colour picture: parameter set, then slices of one IRAP picture.

    Raises:
        BitstreamError: units of other kinds or in another order.
    """
    kept: list[bytes] = []
    slices = 0
    for nal in nals:
        kind, layer = nal_type(nal), layer_id(nal)
        if layer == 1 and header.alpha:
            continue
        if layer:
            raise BitstreamError(f"a BPG file has an H.265 unit of layer {layer}; the data are damaged")
        if kind in _SLICES:
            first = len(nal) > 2 and bool(nal[2] & 0x80)
            if first and slices:
                if header.animation:
                    return kept
                raise BitstreamError("a BPG file without animation holds a second picture; the data are damaged")
            if kind not in _IRAP or first != (slices == 0) or not any(nal_type(k) == PPS for k in kept):
                raise BitstreamError(
                    f"a BPG file has an H.265 slice of type {kind} where it cannot stand; the data are damaged"
                )
            slices += 1
        elif kind not in (PPS, PREFIX_SEI, SUFFIX_SEI):
            raise BitstreamError(
                f"a BPG file has an H.265 unit of type {kind}, which it may not hold; the data are damaged"
            )
        kept.append(nal)
    if not slices:
        raise BitstreamError("a BPG file holds no picture; the data are cut or damaged")
    return kept
