"""The part of H.265 that a BPG file needs: NAL unit headers, and the parameter sets of one intra picture.

    NAL unit (SPS) --read_sps--> PictureFormat, SpsTools
    PictureFormat, SpsTools --write_vps, write_sps--> NAL units again

BPG keeps only the coding tools of VPS and SPS (``SpsTools``); everything else is fixed by its specification or stated
in its header.
Source: ITU-T H.265 (08/2021), clauses 7.3.1 (NAL), 7.3.2.1 (VPS), 7.3.2.2 (SPS), 7.3.3 (profile, tier, level).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from benchmarks.formats.annexb import make_nal, payload
from benchmarks.formats.bits import BitReader, BitWriter
from hsc.errors import BitstreamError

VPS, SPS, PPS, PREFIX_SEI, SUFFIX_SEI = 32, 33, 34, 39, 40

_EXTENDED_SAR = 255
_RANGE_EXTENSIONS_PROFILE = 4
_LEVEL_8_5 = 255


@dataclass(frozen=True)
class RangeTools:
    """The nine flags of sps_range_extension(), in coding order."""

    transform_skip_rotation: bool = False
    transform_skip_context: bool = False
    implicit_rdpcm: bool = False
    explicit_rdpcm: bool = False
    extended_precision: bool = False
    intra_smoothing_disabled: bool = False
    high_precision_offsets: bool = False
    persistent_rice: bool = False
    bypass_alignment: bool = False


@dataclass(frozen=True)
class Pcm:
    """The PCM fields of an SPS. Bit depths and sizes as coded (minus one, minus three)."""

    luma_bits_minus1: int
    chroma_bits_minus1: int
    log2_min_minus3: int
    log2_range: int
    loop_filter_disabled: bool


@dataclass(frozen=True)
class SpsTools:
    """The coding tools of an SPS that a BPG header carries. Block sizes as coded (log2, minus three or two)."""

    log2_min_coding_minus3: int
    log2_range_coding: int
    log2_min_transform_minus2: int
    log2_range_transform: int
    transform_depth_intra: int
    sample_adaptive_offset: bool
    pcm: Pcm | None
    strong_intra_smoothing: bool
    range_tools: RangeTools | None

    @property
    def min_coding_size(self) -> int:
        """Smallest coding block, in luma samples; picture sizes are its multiples."""
        return 8 << self.log2_min_coding_minus3


@dataclass(frozen=True)
class PictureFormat:
    """The sample format in an SPS.

    width, height: coded size in luma samples. chroma: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4. bits: of each sample.
    """

    width: int
    height: int
    chroma: int
    bits: int


def nal_type(nal: bytes) -> int:
    """Type of a NAL unit, 0 to 63.

    Raises:
        BitstreamError: it is shorter than its header, or its header breaks the rules.
    """
    if len(nal) < 2:
        raise BitstreamError(f"an H.265 NAL unit of {len(nal)} bytes is shorter than its header; the data are cut")
    if nal[0] & 0x80 or not nal[1] & 7:
        raise BitstreamError(
            "an H.265 NAL unit header has its forbidden bit set or no temporal id; the data are damaged"
        )
    return nal[0] >> 1 & 0x3F


def layer_id(nal: bytes) -> int:
    """nuh_layer_id of a NAL unit; BPG marks its alpha plane with 1."""
    return (nal[0] & 1) << 5 | nal[1] >> 3


def _header(kind: int) -> bytes:
    return bytes([kind << 1, 1])


def read_sps(nal: bytes) -> tuple[PictureFormat, SpsTools]:
    """Sample format and coding tools of a single-layer, single-sublayer SPS without scaling lists.

    Raises:
        BitstreamError: it is damaged, or uses what a BPG file cannot say (sub-layers, cropping, scaling lists).
    """
    r = BitReader(payload(nal))
    r.u(4)
    if sub_layers := r.u(3):
        raise BitstreamError(f"an SPS has {sub_layers + 1} sub-layers, BPG has one; encode without temporal layers")
    r.u(1 + 88 + 8)  # nesting flag, profile and level
    r.ue()
    chroma = r.ue()
    if chroma == 3 and r.flag():
        raise BitstreamError("an SPS codes its colour planes separately, which BPG does not allow")
    width, height = r.ue(), r.ue()
    if r.flag():
        raise BitstreamError(
            "an SPS crops its picture, which BPG leaves to its own header; pad the picture before encoding"
        )
    bits, chroma_bits = r.ue() + 8, r.ue() + 8
    if bits != chroma_bits:
        raise BitstreamError(f"an SPS has {bits} bits for luma and {chroma_bits} for chroma, BPG has one depth")
    poc_bits = r.ue() + 4
    r.u(1)
    for _ in range(3):
        r.ue()
    sizes = [r.ue() for _ in range(4)]
    r.ue()
    depth = r.ue()
    if r.flag():
        raise BitstreamError("an SPS has scaling lists, which BPG cannot carry; encode without them")
    r.u(1)
    sao = r.flag()
    pcm = read_pcm(r)
    _skip_references(r, poc_bits)
    strong = r.flag()
    if r.flag():
        _skip_vui(r)
    return PictureFormat(width, height, chroma, bits), SpsTools(
        sizes[0], sizes[1], sizes[2], sizes[3], depth, sao, pcm, strong, read_range_tools(r)
    )


def read_pcm(r: BitReader) -> Pcm | None:
    """Reads pcm_enabled_flag and the fields after it: the same bits in an SPS and in a BPG header."""
    return Pcm(r.u(4), r.u(4), r.ue(), r.ue(), r.flag()) if r.flag() else None


def write_pcm(w: BitWriter, pcm: Pcm | None) -> None:
    """The inverse of ``read_pcm``."""
    w.u(1, pcm is not None)
    if pcm is not None:
        w.u(4, pcm.luma_bits_minus1)
        w.u(4, pcm.chroma_bits_minus1)
        w.ue(pcm.log2_min_minus3)
        w.ue(pcm.log2_range)
        w.u(1, pcm.loop_filter_disabled)


def read_range_tools(r: BitReader) -> RangeTools | None:
    """Reads sps_extension_present_flag and the fields after it: the same bits in an SPS and in a BPG header.

    Raises:
        BitstreamError: an extension other than the range extension is present.
    """
    if not r.flag():
        return None
    in_range, others = r.flag(), r.u(7)
    if others:
        raise BitstreamError(
            f"an SPS has extensions beyond the range extension (flags {others:07b}), which BPG does not have"
        )
    return RangeTools(*(r.flag() for _ in range(9))) if in_range else None


def write_range_tools(w: BitWriter, tools: RangeTools | None) -> None:
    """The inverse of ``read_range_tools``."""
    w.u(1, tools is not None)
    if tools is not None:
        w.u(8, 0x80)
        for flag in dataclasses.astuple(tools):
            w.u(1, flag)


def _skip_references(r: BitReader, poc_bits: int) -> None:
    if r.ue():
        raise BitstreamError("an SPS lists reference picture sets, which a single intra picture does not need")
    if r.flag():
        for _ in range(min(r.ue(), 33)):
            r.u(poc_bits + 1)
    r.u(1)


def _skip_vui(r: BitReader) -> None:
    """Read past vui_parameters() (annex E.2.1)."""
    if r.flag() and r.u(8) == _EXTENDED_SAR:
        r.u(32)
    if r.flag():
        r.u(1)
    if r.flag():
        r.u(4)
        if r.flag():
            r.u(24)
    if r.flag():
        r.ue()
        r.ue()
    r.u(3)
    if r.flag():
        for _ in range(4):
            r.ue()
    if r.flag():
        r.u(64)
        if r.flag():
            r.ue()
        if r.flag():
            raise BitstreamError("an SPS carries buffer (HRD) parameters, which are not read; encode without them")
    if r.flag():
        r.u(3)
        for _ in range(5):
            r.ue()


def _profile_tier_level(w: BitWriter) -> None:
    """Writes the format range extensions profile at level 8.5, still picture, which BPG demands of its streams."""
    w.u(2 + 1, 0)
    w.u(5, _RANGE_EXTENSIONS_PROFILE)
    w.u(32, 1 << (31 - _RANGE_EXTENSIONS_PROFILE))
    w.u(4, 0b1001)  # progressive, frames only
    w.u(9, 0)  # upper bounds not claimed: any bit depth and chroma format
    w.u(34 + 1, 0)
    w.u(8, _LEVEL_8_5)


def write_vps() -> bytes:
    """A VPS NAL unit of one layer and one sub-layer."""
    w = BitWriter()
    w.u(4, 0)
    w.u(2, 0b11)
    w.u(6, 0)
    w.u(3, 0)
    w.u(1, 1)
    w.u(16, 0xFFFF)
    _profile_tier_level(w)
    w.u(1, 1)
    for value in (1, 0, 0):  # decoded picture buffer of two, no reordering, no latency limit
        w.ue(value)
    w.u(6, 0)
    w.ue(0)
    w.u(2, 0)  # no timing, no extension
    return make_nal(_header(VPS), w.bytes(stop_bit=True))


def write_sps(picture: PictureFormat, tools: SpsTools) -> bytes:
    """An SPS NAL unit with the fields that a BPG reader has to assume (BPG specification 0.9.5, section 3.2)."""
    w = BitWriter()
    w.u(4 + 3, 0)
    w.u(1, 1)
    _profile_tier_level(w)
    w.ue(0)
    w.ue(picture.chroma)
    if picture.chroma == 3:
        w.u(1, 0)
    w.ue(picture.width)
    w.ue(picture.height)
    w.u(1, 0)
    w.ue(picture.bits - 8)
    w.ue(picture.bits - 8)
    w.ue(4)  # log2_max_pic_order_cnt_lsb_minus4
    w.u(1, 1)
    for value in (1, 0, 0):
        w.ue(value)
    for value in (
        tools.log2_min_coding_minus3,
        tools.log2_range_coding,
        tools.log2_min_transform_minus2,
        tools.log2_range_transform,
    ):
        w.ue(value)
    w.ue(tools.transform_depth_intra)  # BPG: the inter depth equals the intra depth
    w.ue(tools.transform_depth_intra)
    w.u(1, 0)  # no scaling lists
    w.u(1, 1)  # asymmetric motion partitions
    w.u(1, tools.sample_adaptive_offset)
    write_pcm(w, tools.pcm)
    w.ue(0)  # no reference picture sets
    w.u(1, 0)  # no long-term references
    w.u(1, 1)  # temporal motion vectors
    w.u(1, tools.strong_intra_smoothing)
    w.u(1, 0)  # no VUI: BPG's header states the colour
    write_range_tools(w, tools.range_tools)
    return make_nal(_header(SPS), w.bytes(stop_bit=True))
