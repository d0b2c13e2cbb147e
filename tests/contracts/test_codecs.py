"""What every registered codec keeps, whatever it is made of. New codecs are tested by being registered.

A codec that needs constructor arguments, or that is not available here, is skipped with the reason.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from hsc.api import Codec, DecodesLatents, Image, Ranged
from hsc.errors import BitstreamError, SpecError
from hsc.registry import config, parse_spec

NAMES = [name for name in CODECS.names() if CODECS.get(name).__module__ != "hsc_testkit"]
"""All but the test kit's toy, which keeps only what the harness's own tests need."""

SIZES = ((1, 1), (7, 5), (16, 16), (333, 251))
SLOWEST_DECODE_S = 10.0
"""A damaged stream must be answered within this."""


def at(codec: Any, index: int) -> Any:
    """The codec at a point of its ladder, or itself where it has one point."""
    return dataclasses.replace(codec, **{codec.rate_field: codec.ladder[index]}) if codec.rate_field else codec


def psnr(a: Image, b: Image) -> float:
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def build(name: str) -> Codec:
    try:
        return CODECS.build(name)
    except SpecError as error:
        pytest.skip(f"{name} has no defaults: {error}")


@pytest.fixture(params=NAMES)
def codec(request: pytest.FixtureRequest) -> Any:
    found = build(request.param)
    reason = found.available()
    if reason:
        pytest.skip(f"{request.param}: {reason}")
    return found


@pytest.fixture(params=NAMES)
def any_codec(request: pytest.FixtureRequest) -> Any:
    """Also those that cannot run here: their config must work all the same."""
    return build(request.param)


def test_no_codec_file_is_broken() -> None:
    CODECS.names()
    assert CODECS.broken == {}


def test_config_round_trip(any_codec: Any) -> None:
    for codec in {any_codec, *(at(any_codec, i) for i in range(len(any_codec.ladder)))}:
        text = str(CODECS.spec(codec))
        assert CODECS.build(text) == codec
        assert str(CODECS.spec(CODECS.build(parse_spec(text)))) == text
        assert type(codec)(**config(codec)) == codec


def test_is_a_frozen_value(any_codec: Any) -> None:
    assert isinstance(any_codec, Codec)
    again = pickle.loads(pickle.dumps(any_codec))
    assert again == any_codec
    assert hash(again) == hash(any_codec)
    for name in config(any_codec):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(any_codec, name, None)


def test_ladder(any_codec: Any) -> None:
    if not any_codec.rate_field:
        assert any_codec.ladder == ()
        return
    assert any_codec.rate_field in config(any_codec)
    assert len({at(any_codec, i) for i in range(len(any_codec.ladder))}) == len(any_codec.ladder) >= 1


def test_ladder_lies_within_the_range(any_codec: Any) -> None:
    ranged: object = any_codec
    if not isinstance(ranged, Ranged):
        pytest.skip("its range is its ladder")
    low, high = ranged.rate_range
    assert len({dataclasses.replace(any_codec, **{any_codec.rate_field: end}) for end in (low, high)}) == 2
    along = [low, *any_codec.ladder, high]
    assert along == sorted(along, reverse=low > high)


def test_provenance(codec: Any) -> None:
    facts = codec.provenance()
    assert facts
    assert all(isinstance(k, str) and isinstance(v, str) and v for k, v in facts.items()), facts
    assert dict(codec.provenance()) == dict(facts)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_round_trip(codec: Any, size: tuple[int, int], photo: Callable[[int, int], Image]) -> None:
    image = photo(*size)
    kept = image.copy()
    data = at(codec, -1).encode(image)
    assert type(data) is bytes
    assert np.array_equal(image, kept), "encode changed its input"
    decoded = at(codec, 0).decode(data)
    assert decoded.dtype == np.uint8
    assert decoded.shape == image.shape
    learned = isinstance(codec, DecodesLatents)  # a network knows no pictures of a few pixels; what it may lose there is colour
    assert psnr(image, decoded) > (26 if min(size) > 16 else 10 if learned else 18)


def test_same_bytes_twice(codec: Any, photo: Callable[[int, int], Image]) -> None:
    image = photo(37, 50)
    assert at(codec, 0).encode(image) == at(codec, 0).encode(image)


def test_reads_a_view_that_is_not_contiguous(codec: Any, photo: Callable[[int, int], Image]) -> None:
    image = photo(40, 36)[::2, ::-1]
    assert at(codec, 0).encode(image) == at(codec, 0).encode(np.ascontiguousarray(image))


@pytest.mark.slow
def test_bytes_grow_along_the_whole_ladder(codec: Any, photo: Callable[[int, int], Image]) -> None:
    image = photo(256, 256)
    sizes = [len(at(codec, i).encode(image)) for i in range(len(codec.ladder))]
    assert sizes == sorted(set(sizes))


def test_bytes_grow_from_end_to_end(codec: Any, photo: Callable[[int, int], Image]) -> None:
    if not codec.rate_field:
        pytest.skip("one point")
    image = photo(96, 128)
    assert len(at(codec, 0).encode(image)) < len(at(codec, -1).encode(image))


def test_refuses_what_is_no_image(codec: Any) -> None:
    from hsc.errors import HscError

    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(HscError):
            codec.encode(wrong)


_DECODER = """
import hashlib, sys
from benchmarks.api import CODECS
image = CODECS.build(sys.argv[1]).decode(sys.stdin.buffer.read())
print(image.shape, hashlib.sha256(image.tobytes()).hexdigest())
"""


def test_decodes_in_a_fresh_process_at_another_point(codec: Any, photo: Callable[[int, int], Image]) -> None:
    import hashlib

    data = at(codec, -1).encode(photo(45, 31))
    here = codec.decode(data)
    other = str(CODECS.spec(at(codec, 0)))
    # warnings off: a stray one at interpreter exit would land in the output
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", _DECODER, other], input=data, capture_output=True, check=True, timeout=120, env=env)
    assert run.stdout.decode().strip() == f"{here.shape} {hashlib.sha256(here.tobytes()).hexdigest()}"


def damaged(data: bytes, flips: int) -> list[bytes]:
    """Cuts at several points, and streams with one to twenty flipped bits, more of them near the start."""
    dice = random.Random(len(data))
    cuts = [data[: len(data) * part // 10] for part in (1, 5, 9)] + [data[:-1], data[:4]]
    flipped = []
    for number in range(flips):
        copy = bytearray(data)
        for _ in range((1, 1, 4, 20)[number % 4]):
            position = dice.randrange(min(len(copy), 200) if number % 2 else len(copy))
            copy[position] ^= 1 << dice.randrange(8)
        flipped.append(bytes(copy))
    return cuts + flipped


def survives(codec: Any, data: bytes) -> bool:
    """True if the stream was refused; an image of some size is fine too, any other exception or a long wait is not."""
    start = time.monotonic()
    try:
        image = codec.decode(data)
    except BitstreamError:
        refused = True
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        refused = False
    assert time.monotonic() - start < SLOWEST_DECODE_S
    return refused


def test_refuses_empty_and_foreign_streams(codec: Any) -> None:
    for data in (b"", b"\0", b"not a stream at all", os.urandom(300), b"\x89PNG\r\n\x1a\n" + bytes(100)):
        assert survives(codec, data), data[:20]


def test_refuses_cut_streams(codec: Any, photo: Callable[[int, int], Image]) -> None:
    data = at(codec, 0).encode(photo(48, 64))
    for piece in damaged(data, 0):
        assert survives(codec, piece), f"{len(piece)} of {len(data)} bytes were taken for a whole stream"


def test_survives_flipped_bits(codec: Any, photo: Callable[[int, int], Image]) -> None:
    for data in damaged(at(codec, 0).encode(photo(48, 64)), 12):
        survives(codec, data)


@pytest.mark.slow
def test_survives_many_flipped_bits(codec: Any, photo: Callable[[int, int], Image]) -> None:
    for data in damaged(at(codec, -1).encode(photo(64, 48)), 200):
        survives(codec, data)


def test_refuses_other_codecs_streams(codec: Any, photo: Callable[[int, int], Image]) -> None:
    for name in ("original", "jpeg", "webp"):
        if name != codec.spec_name:
            assert survives(codec, CODECS.build(name).encode(photo(20, 20))), name
