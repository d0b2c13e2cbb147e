"""Arrays as one byte string: what is packed comes back, and damage is one sentence, however large it says it is."""

from __future__ import annotations

import json
import resource
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from downstream.array_bytes import pack, unpack
from hsc.errors import DataError

ARRAYS = {
    "boxes": np.arange(8, dtype=np.float32).reshape(2, 4)[:, ::-1],
    "labels": np.array([3, -1], ">i8"),
    "map": np.repeat(np.arange(4, dtype=np.uint8), 500).reshape(40, 50).T,
    "noise": np.random.default_rng(0).integers(0, 256, 100, np.uint8),
    "flags": np.array([True, False]),
    "nothing": np.zeros((0, 4), np.float32),
    "measure": np.asarray("psnr"),
}


def forged(entries: Any, content: bytes = b"") -> bytes:
    header = json.dumps(entries).encode()
    return struct.pack("<4sI", b"HSCA", len(header)) + header + content


def test_what_is_packed_comes_back() -> None:
    packed = pack(ARRAYS)
    arrays = unpack(packed)
    assert list(arrays) == list(ARRAYS)
    for name, before in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], before)
        assert arrays[name].dtype == before.dtype.newbyteorder("<")
        assert arrays[name].shape == before.shape
        assert arrays[name].flags.writeable
        assert arrays[name].flags.c_contiguous
    assert pack(arrays) == packed


def test_label_maps_are_deflated_and_noise_is_not() -> None:
    sizes = {name: stored for name, _, _, stored in json.loads(pack(ARRAYS)[8:].split(b"]]")[0] + b"]]")}
    assert sizes["map"] < 100
    assert sizes["noise"] == 100
    assert sizes["boxes"] == 32


def test_objects_are_not_packed() -> None:
    with pytest.raises(TypeError, match="'made_up' is of object, expected numbers or texts"):
        pack({"made_up": np.array([{}])})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HSCA",
        struct.pack("<4sI", b"HSCA", 1 << 31),
        forged({"a": 1}),
        forged([["a", "|O", [1], 8]], bytes(8)),
        forged([["a", "<f4", [-1], 4]], bytes(4)),
        forged([["a", "<f4", [True], 4]], bytes(4)),
        forged([["a", "<f4", "2", 8]], bytes(8)),
        forged([["a", "<f4", [2], 4]], bytes(4)),
        forged([["a", "|u1", [2], 3]], bytes(3)),
        forged([["a", "<f4", [2], 8]], bytes(7)),
        forged([["a", "<f4", [2], 8]], bytes(9)),
        forged([["a", "<f4", [1 << 62, 1 << 62], 8]], bytes(8)),
        forged([["a", "|u1", [99], len(zlib.compress(bytes(98)))]], zlib.compress(bytes(98))),
        forged([["a", "|u1", [99], len(zlib.compress(bytes(100)))]], zlib.compress(bytes(100))),
        forged([["a", "|u1", [99], len(zlib.compress(bytes(99))) - 1]], zlib.compress(bytes(99))[:-1]),
        forged([["a", "<f4", [], 4]] * 65, bytes(260)),
        pack(ARRAYS)[:-1],
    ],
)
def test_damage_is_one_sentence(data: bytes) -> None:
    with pytest.raises(DataError, match="packed arrays are damaged: "):
        unpack(data)


def test_what_unpacks_to_gigabytes_is_not_unpacked() -> None:
    deflated = zlib.compress(bytes(200 << 20), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="unpack to more than 536870912 bytes"):
        unpack(forged([["a", "|u1", [1 << 30], len(deflated)]], deflated))
    with pytest.raises(DataError, match="goes on beyond its size"):
        unpack(forged([["a", "|u1", [1 << 20], len(deflated)]], deflated))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
