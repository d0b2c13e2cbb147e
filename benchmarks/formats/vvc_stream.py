"""The part of H.266 needed to check a one-picture stream: its NAL units, and the picture size in its SPS.

Source: ITU-T H.266 (04/2022), clauses 7.3.1.2 (NAL header), 7.3.2.4 (SPS), 7.3.3.1 and 7.3.3.2 (profile, tier,
constraints), table 5.
"""

from __future__ import annotations

from benchmarks.formats.annexb import payload, split_nals
from benchmarks.formats.bits import BitReader
from hsc.errors import BitstreamError

_IRAP = (7, 8, 9)
_SLICES = range(12)
_SPS, _PPS = 15, 16
_PARAMETERS = (13, 14, _SPS, _PPS, 17, 18, 19, 20, 21, 22, 23, 24)
_CHROMA_420 = 1


def picture_size(stream: bytes) -> tuple[int, int]:
    """(H, W) of the picture that an Annex-B H.266 stream holds, cropping taken into account.

    Raises:
        BitstreamError: the units are damaged, in a wrong order, or not those of one 4:2:0 intra picture.
    """
    sizes: list[tuple[int, int]] = []
    slices, has_pps = 0, False
    for nal in split_nals(stream):
        kind = _nal_type(nal)
        if kind in _SLICES:
            if kind not in _IRAP or not sizes or not has_pps:
                raise BitstreamError(f"an H.266 slice of type {kind} stands where it cannot; the data are damaged")
            slices += 1
        elif kind == _SPS:
            sizes.append(_sps_size(nal))
        elif kind not in _PARAMETERS:
            raise BitstreamError(f"an H.266 unit of type {kind} is not part of a picture; the data are damaged")
        has_pps = has_pps or kind == _PPS
    if not slices or len(sizes) != 1:
        raise BitstreamError(
            f"an H.266 stream has {slices} slices and {len(sizes)} SPS, expected some and one; "
            f"the data are cut or damaged"
        )
    return sizes[0]


def _nal_type(nal: bytes) -> int:
    if len(nal) < 2:
        raise BitstreamError(f"an H.266 NAL unit of {len(nal)} bytes is shorter than its header; the data are cut")
    if nal[0] or not nal[1] & 7:
        raise BitstreamError(
            "an H.266 NAL unit header has reserved bits, another layer or no temporal id; the data are damaged"
        )
    return nal[1] >> 3


def _sps_size(nal: bytes) -> tuple[int, int]:
    r = BitReader(payload(nal))
    r.u(4 + 4)
    sub_layers = r.u(3)
    chroma = r.u(2)
    r.u(2)
    if r.flag():
        _skip_profile(r, sub_layers)
    r.u(1)
    if r.flag():
        r.u(1)
    width, height = r.ue(), r.ue()
    if chroma != _CHROMA_420:
        raise BitstreamError(
            f"an H.266 stream has chroma format {chroma}, only 4:2:0 ({_CHROMA_420}) is read; "
            f"the data are damaged or foreign"
        )
    if r.flag():
        left, right, top, bottom = (2 * r.ue() for _ in range(4))
        width, height = width - left - right, height - top - bottom
    if width <= 0 or height <= 0:
        raise BitstreamError(f"an H.266 stream says {width}x{height} pixels; the data are damaged")
    return height, width


def _skip_profile(r: BitReader, sub_layers: int) -> None:
    """Read past profile_tier_level(1, sub_layers)."""
    r.u(7 + 1 + 8 + 2)
    if r.flag():
        r.u(71)
        r.u(r.u(8))
    _align(r)
    present = [r.flag() for _ in range(sub_layers)]
    _align(r)
    r.u(8 * sum(present))
    r.u(32 * r.u(8))


def _align(r: BitReader) -> None:
    r.u(-r.position % 8)
