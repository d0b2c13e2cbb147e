"""Bits, NAL units and parameter sets: written and read back, and the ways in which damaged ones are refused."""

from __future__ import annotations

import dataclasses
import random

import pytest

from benchmarks.formats.annexb import join_nals, make_nal, payload, split_nals
from benchmarks.formats.bits import BitReader, BitWriter, read_ue7, write_ue7
from benchmarks.formats.hevc import Pcm, PictureFormat, RangeTools, SpsTools, read_sps, write_sps, write_vps
from hsc.errors import BitstreamError

PLAIN = SpsTools(0, 3, 0, 3, 2, True, None, True, None)
RICH = SpsTools(1, 2, 0, 2, 1, False, Pcm(7, 7, 0, 2, True), False, RangeTools(*(i % 2 == 0 for i in range(9))))


def test_bits_and_exp_golomb_come_back() -> None:
    dice = random.Random(1)
    values = [(dice.choice(["u", "ue"]), dice.randrange(1 << dice.randrange(1, 33))) for _ in range(500)]
    w = BitWriter()
    for kind, value in values:
        if kind == "u":
            w.u(32, value)
        else:
            w.ue(value)
    r = BitReader(w.bytes(stop_bit=True))
    assert [r.u(32) if kind == "u" else r.ue() for kind, _ in values] == [value for _, value in values]
    assert r.flag()
    assert r.u(r.left) == 0


def test_signed_exp_golomb_of_the_standard() -> None:
    assert [BitReader(bytes([byte])).se() for byte in (0b10000000, 0b01000000, 0b01100000, 0b00100000)] == [0, 1, -1, 2]


def test_bits_that_are_not_there() -> None:
    for data in (b"", b"\x00", bytes(8)):
        with pytest.raises(BitstreamError):
            BitReader(data).ue()
    with pytest.raises(ValueError, match="does not fit"):
        BitWriter().u(3, 8)


@pytest.mark.parametrize(
    ("data", "value"), [("08", 8), ("841e", 542), ("acbe17", 728855), ("8fffffff7f", (1 << 32) - 1)]
)
def test_ue7_as_in_the_bpg_specification(data: str, value: int) -> None:
    assert write_ue7(value).hex() == data
    assert read_ue7(bytes.fromhex("ff" + data + "ff"), 1) == (value, 1 + len(data) // 2)


@pytest.mark.parametrize("data", ["", "84", "8008", "9080808000", "ffffffffff01"])
def test_ue7_refuses(data: str) -> None:
    with pytest.raises(BitstreamError):
        read_ue7(bytes.fromhex(data), 0)


def test_nal_units_hide_start_codes() -> None:
    for rbsp in (b"\x00\x00\x01\x80", b"\x00\x00\x00\x00\x00\x03\x80", b"\x00\x00\x02\x01" * 5, bytes(20) + b"\x80"):
        nal = make_nal(b"\x40\x01", rbsp)
        assert all(bad not in nal for bad in (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02"))
        assert payload(nal) == rbsp
        assert split_nals(join_nals([nal, nal])) == [nal, nal]


@pytest.mark.parametrize("stream", [b"", b"\x01", b"abc\x00\x00\x01ab"])
def test_streams_begin_with_a_start_code(stream: bytes) -> None:
    with pytest.raises(BitstreamError):
        split_nals(stream)


@pytest.mark.parametrize("tools", [PLAIN, RICH])
@pytest.mark.parametrize(
    "picture", [PictureFormat(16, 16, 3, 8), PictureFormat(4096, 24, 1, 10), PictureFormat(8, 80, 0, 14)]
)
def test_sps_comes_back(picture: PictureFormat, tools: SpsTools) -> None:
    nal = write_sps(picture, tools)
    assert read_sps(nal) == (picture, tools)


def test_a_cut_sps_is_refused() -> None:
    nal = write_sps(PictureFormat(4096, 24, 1, 10), dataclasses.replace(PLAIN, range_tools=RICH.range_tools))
    for length in range(2, len(nal) - 3):
        with pytest.raises(BitstreamError):
            read_sps(nal[:length])


def test_parameter_sets_are_accepted_by_a_decoder() -> None:
    """FFmpeg reads the VPS and SPS we write without complaint (it has no picture to give)."""
    import av

    context = av.CodecContext.create("hevc", "r")
    context.options = {"err_detect": "explode"}
    stream = join_nals([write_vps(), write_sps(PictureFormat(64, 48, 3, 8), PLAIN)])
    assert list(context.decode(av.Packet(stream))) == []
