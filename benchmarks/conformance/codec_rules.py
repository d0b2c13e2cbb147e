"""The contract of ``hsc.api.Codec`` as checks that every codec must pass.

Our own test suite runs them over every registered codec; ``hsc-bench check-codec`` runs them over one of yours.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import random
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.api import CODECS
from benchmarks.conformance.checks import Contract, Failed, NotApplicable, demand
from benchmarks.imaging.psnr import psnr
from hsc.api import Codec, CodesBatches, DecodesLatents, Image, PreparesImages, Ranged, StagedEncoding
from hsc.errors import BitstreamError, HscError
from hsc.registry import config, parse_spec

CONTRACT = Contract()
SIZES = ((1, 1), (7, 5), (16, 16), (333, 251))
MAX_DECODE_S = 10.0
"""Time limit for decoding a damaged stream."""
MAX_SHIFT = 0.4
"""Limit of the mean error over all samples, in levels. Truncation in one direction shifts the mean by 0.5."""


def at_point(codec: Any, index: int) -> Any:
    """The codec at a point of its ladder, or itself if it has only one point."""
    return dataclasses.replace(codec, **{codec.rate_field: codec.ladder[index]}) if codec.rate_field else codec


def photo(height: int, width: int, seed: int = 0) -> Image:
    """A seeded picture with edges, gradients, texture and grain: uint8 (height, width, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    picture = np.stack([110 + 50 * np.sin(x / 17 + c) + 40 * np.cos(y / 11 - c) for c in range(3)], axis=2)
    for _ in range(12):
        top, left = random.integers(0, height), random.integers(0, width)
        picture[top : top + 1 + height // 4, left : left + 1 + width // 5] += random.uniform(-70, 70, 3)
    picture += 12 * np.sin(x * 1.3)[..., None] * (y > height / 2)[..., None] + random.normal(0, 5, (height, width, 1))
    pixels: Image = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels


def ramps(height: int, width: int) -> Image:
    """Smooth colours far from black and white, so that nothing is clipped and a codec's best point only rounds."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    pixels: Image = np.rint(
        np.stack([128 + 50 * np.sin(x / 19 + 2 * c) * np.cos(y / 23 - c) for c in range(3)], axis=2)
    ).astype(np.uint8)
    return pixels


@CONTRACT.rule(codes=False)
def its_spec_builds_it_again(codec: Any) -> None:
    """Its spec, as text, builds it again at every point of its ladder."""
    for point in {codec, *(at_point(codec, i) for i in range(len(codec.ladder)))}:
        text = str(CODECS.spec(point))
        demand(CODECS.build(text) == point, f"{text} builds {CODECS.build(text)}, not {point}")
        demand(str(CODECS.spec(CODECS.build(parse_spec(text)))) == text, f"{text} comes back as another spec")
        demand(type(point)(**config(point)) == point, f"the fields of {point} do not make it again")


@CONTRACT.rule(codes=False)
def is_a_frozen_value(codec: Any) -> None:
    """It is a frozen value: a pickled copy is equal and has the same hash, and no field can be changed."""
    demand(isinstance(codec, Codec), "it lacks one of rate_field, ladder, encode, decode, available, provenance")
    copy = pickle.loads(pickle.dumps(codec))
    demand(copy == codec and hash(copy) == hash(codec), "a pickled copy is not equal to it")
    for name in config(codec):
        try:
            setattr(codec, name, None)
        except dataclasses.FrozenInstanceError:
            continue
        raise Failed(f"its field {name} can be set; make it a frozen dataclass")


@CONTRACT.rule(codes=False)
def its_ladder_is_of_its_rate_field(codec: Any) -> None:
    """Its ladder holds different values of its rate field; without a rate field the ladder is empty."""
    if not codec.rate_field:
        return demand(tuple(codec.ladder) == (), f"it has no rate field, but the ladder {codec.ladder}")
    demand(codec.rate_field in config(codec), f"its rate field {codec.rate_field} is none of its fields")
    points = {at_point(codec, i) for i in range(len(codec.ladder))}
    return demand(
        len(points) == len(codec.ladder) >= 1, f"its ladder {codec.ladder} holds {len(points)} different points"
    )


@CONTRACT.rule(codes=False)
def its_ladder_lies_within_its_range(codec: Any) -> None:
    """Its ladder lies within the range that it states for its rate field, smallest file first."""
    ranged: object = codec
    if not isinstance(ranged, Ranged):
        raise NotApplicable("it has no rate_range, so its range is its ladder")
    low, high = ranged.rate_range
    ends = {dataclasses.replace(codec, **{codec.rate_field: end}) for end in (low, high)}
    along = [low, *codec.ladder, high]
    demand(
        len(ends) == 2 and along == sorted(along, reverse=low > high),
        f"the ladder {codec.ladder} does not run from {low} to {high}",
    )


@CONTRACT.rule()
def says_what_decides_its_bytes(codec: Any) -> None:
    """Its provenance states as text everything that decides its bytes (versions, hashes), the same each time."""
    facts = codec.provenance()
    are_texts = bool(facts) and all(isinstance(k, str) and isinstance(v, str) and v for k, v in facts.items())
    demand(are_texts, f"provenance gave {facts!r}, expected a mapping of names to text that is not empty")
    demand(dict(codec.provenance()) == dict(facts), "provenance says another thing the second time")


@CONTRACT.rule()
def codes_any_size(codec: Any) -> None:
    """It codes images of any size, also odd sizes and 1x1, leaves its input unchanged, and decodes at any point."""
    for size in SIZES:
        image = photo(*size)
        original = image.copy()
        data = at_point(codec, -1).encode(image)
        demand(type(data) is bytes, f"encode gave {type(data).__name__}, expected bytes")
        demand(np.array_equal(image, original), "encode changed its input")
        decoded = at_point(codec, 0).decode(data)
        demand(
            decoded.dtype == np.uint8 and decoded.shape == image.shape,
            f"decode gave {decoded.dtype} {decoded.shape}, expected uint8 {image.shape}",
        )
        # A network is trained on photographs, and on none of a few pixels.
        learned = isinstance(codec, DecodesLatents)
        min_db = (24 if learned else 26) if min(size) > 16 else 9 if learned else 18
        prepares: object = at_point(codec, -1)
        psnr_db = psnr(decoded, prepares.prepared(image) if isinstance(prepares, PreparesImages) else image)
        demand(
            psnr_db is None or psnr_db > min_db,
            f"{size[0]}x{size[1]} comes back with {psnr_db} dB, expected above {min_db}",
        )


@CONTRACT.rule(slow=True)
def codes_anything_at_both_ends(codec: Any) -> None:
    """It codes noise, flat colour, checks and slivers at both ends of its range, where encoders may fail."""
    random = np.random.default_rng(7)
    checks: Image = np.where(np.indices((40, 40)).sum(0)[..., None] % 2, 255, 0).astype(np.uint8).repeat(3, 2)
    pictures = {
        "flat colour": np.full((48, 32, 3), 200, np.uint8),
        "black": np.zeros((33, 17, 3), np.uint8),
        "checks": checks,
    }
    for height, width in ((64, 96), (16, 16), (1, 1), (1, 97), (97, 1), (7, 5)):
        pictures[f"{height}x{width} of noise"] = random.integers(0, 256, (height, width, 3), np.uint8)
    ranged: object = codec
    ends = ranged.rate_range if isinstance(ranged, Ranged) else codec.ladder[:: max(len(codec.ladder) - 1, 1)]
    points = {f" at {codec.rate_field} {end}": dataclasses.replace(codec, **{codec.rate_field: end}) for end in ends}
    for setting, point in (points or {"": codec}).items():
        for name, image in pictures.items():
            where = f"{name}{setting}"
            try:
                decoded = point.decode(point.encode(image))
            except HscError as error:
                raise Failed(f"it fails on {where}: {error}") from error
            demand(
                decoded.dtype == np.uint8 and decoded.shape == image.shape,
                f"{where} comes back as {decoded.dtype} {decoded.shape}",
            )


@CONTRACT.rule()
def rounds_and_never_truncates(codec: Any) -> None:
    """Colours do not shift at the end of its ladder; truncation between RGB and YCbCr would darken by half a level."""
    if isinstance(codec, DecodesLatents):
        raise NotApplicable("a network makes its colours itself")
    image = ramps(96, 128)
    point = at_point(codec, -1) if codec.ladder else codec
    shift = float(np.mean(point.decode(point.encode(image)).astype(np.float64) - image))
    demand(
        abs(shift) <= MAX_SHIFT,
        f"colours far from black and white shift by {shift:+.2f} levels, expected at most {MAX_SHIFT:g}",
    )


@CONTRACT.rule()
def gives_the_same_bytes_twice(codec: Any) -> None:
    """It gives the same bytes for the same image."""
    image = photo(37, 50)
    point = at_point(codec, 0)
    demand(point.encode(image) == point.encode(image), "two encodes of one image differ")


@CONTRACT.rule()
def codes_a_batch_as_one_by_one(codec: Any) -> None:
    """It codes several images in one call to the same bytes, and decodes them to the same pixels, as one by one."""
    point: object = at_point(codec, 0)
    if not isinstance(point, CodesBatches):
        raise NotApplicable("it codes no batches")
    one: Any = point
    images = [photo(7, 5), photo(37, 50), photo(16, 16, seed=1)]
    streams: list[Any] = list(point.encode_batch(images))
    demand(streams == [one.encode(image) for image in images], "a batch gives other bytes than one by one")
    decoded: list[Any] = list(point.decode_batch([*streams, b"not a stream at all"]))
    demand(len(decoded) == 4, f"a batch of 4 streams gives {len(decoded)} answers")
    same = all(np.array_equal(one.decode(data), image) for data, image in zip(streams, decoded, strict=False))
    demand(same, "a batch gives other pixels than one by one")
    demand(isinstance(decoded[3], BitstreamError), "a foreign stream in a batch is not answered with a BitstreamError")


@CONTRACT.rule()
def encodes_in_stages_as_in_one_call(codec: Any) -> None:
    """Its stages of encoding, one after the other, give the bytes of encode."""
    staged: object = codec
    if not isinstance(staged, StagedEncoding):
        raise NotApplicable("it encodes in one call")
    image = photo(61, 83)
    step: Any = image
    for _, stage in staged.encode_stages():
        step = stage(step)
    demand(step == codec.encode(image), "the last stage gives other bytes than encode")


@CONTRACT.rule()
def reads_views(codec: Any) -> None:
    """It codes a view that is not contiguous to the same bytes as a contiguous copy."""
    image = photo(40, 36)[::2, ::-1]
    point = at_point(codec, 0)
    demand(
        point.encode(image) == point.encode(np.ascontiguousarray(image)),
        "a view gives other bytes than its copy",
    )


@CONTRACT.rule()
def bytes_grow_from_end_to_end(codec: Any) -> None:
    """Its files are larger at the end of its ladder than at the beginning."""
    if not codec.rate_field:
        raise NotApplicable("it has one point")
    image = photo(96, 128)
    first, last = len(at_point(codec, 0).encode(image)), len(at_point(codec, -1).encode(image))
    demand(first < last, f"the ladder's first point takes {first} bytes, its last {last}")


@CONTRACT.rule(slow=True)
def bytes_grow_along_the_whole_ladder(codec: Any) -> None:
    """Its files grow with every step of its ladder."""
    image = photo(256, 256)
    sizes = [len(at_point(codec, i).encode(image)) for i in range(len(codec.ladder))]
    demand(sizes == sorted(set(sizes)), f"along the ladder files take {sizes} bytes")


@CONTRACT.rule()
def refuses_what_is_no_image(codec: Any) -> None:
    """It refuses arrays that are no image (two axes, floats, no pixels) with an HscError."""
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        try:
            codec.encode(wrong)
        except HscError:
            continue
        raise Failed(f"it coded an array of {wrong.dtype} {wrong.shape}")


_DECODER = """
import hashlib, pickle, sys
codec, data = pickle.load(sys.stdin.buffer)
image = codec.decode(data)
print(image.shape, hashlib.sha256(image.tobytes()).hexdigest())
"""


@CONTRACT.rule()
def decodes_in_a_fresh_process(codec: Any) -> None:
    """A fresh process, at another point, decodes the same pixels from the bytes alone."""
    data = at_point(codec, -1).encode(photo(45, 31))
    image = codec.decode(data)
    # Warnings are off: a stray one at interpreter exit would land in the output.
    command = [sys.executable, "-W", "ignore", "-c", _DECODER]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pickled = pickle.dumps((at_point(codec, 0), data))
    process = subprocess.run(command, input=pickled, capture_output=True, check=False, timeout=120, env=env)
    last_line = (process.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
    demand(process.returncode == 0, f"it fails there: {last_line}")
    demand(
        process.stdout.decode().strip() == f"{image.shape} {hashlib.sha256(image.tobytes()).hexdigest()}",
        "its pixels differ there",
    )


def _truncated(data: bytes) -> list[bytes]:
    """The stream truncated at several positions."""
    return [data[: len(data) * tenths // 10] for tenths in (1, 5, 9)] + [data[:-1], data[:4]]


def _flipped(data: bytes, count: int) -> list[bytes]:
    """Copies of the stream with one to twenty flipped bits, more of them near the start."""
    dice = random.Random(len(data))
    copies = []
    for number in range(count):
        copy = bytearray(data)
        for _ in range((1, 1, 4, 20)[number % 4]):
            position = dice.randrange(min(len(copy), 200) if number % 2 else len(copy))
            copy[position] ^= 1 << dice.randrange(8)
        copies.append(bytes(copy))
    return copies


def _is_refused(codec: Any, data: bytes) -> bool:
    """Whether decoding a damaged stream raises BitstreamError; else it must return an image of any size.

    Raises:
        Failed: it returned no image, or took longer than MAX_DECODE_S. Other exceptions of the codec pass through.
    """
    start = time.monotonic()
    try:
        image = codec.decode(data)
    except BitstreamError:
        refused = True
    else:
        refused = False
        demand(
            image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3,
            f"a damaged stream gave {image.dtype} {image.shape}",
        )
    decode_s = time.monotonic() - start
    demand(
        decode_s < MAX_DECODE_S,
        f"a damaged stream was answered after {decode_s:.0f} s, expected under {MAX_DECODE_S:g}",
    )
    return refused


@CONTRACT.rule()
def refuses_empty_and_foreign_streams(codec: Any) -> None:
    """It refuses data that are no stream (empty, text, noise, another file's head) with a BitstreamError."""
    for data in (b"", b"\0", b"not a stream at all", os.urandom(300), b"\x89PNG\r\n\x1a\n" + bytes(100)):
        demand(_is_refused(codec, data), f"it took {data[:20]!r} for a stream")


@CONTRACT.rule()
def refuses_cut_streams(codec: Any) -> None:
    """It refuses a stream that is truncated at any position."""
    data = at_point(codec, 0).encode(photo(48, 64))
    for piece in _truncated(data):
        demand(_is_refused(codec, piece), f"{len(piece)} of {len(data)} bytes were taken for a whole stream")


@CONTRACT.rule()
def survives_flipped_bits(codec: Any) -> None:
    """It answers a damaged stream with a BitstreamError or an image, within the time limit."""
    stream = at_point(codec, 0).encode(photo(48, 64))
    for data in [*_truncated(stream), *_flipped(stream, 12)]:
        _is_refused(codec, data)


@CONTRACT.rule(slow=True)
def survives_many_flipped_bits(codec: Any) -> None:
    """It does so for two hundred streams with flipped bits."""
    stream = at_point(codec, -1).encode(photo(64, 48))
    for data in [*_truncated(stream), *_flipped(stream, 200)]:
        _is_refused(codec, data)


@CONTRACT.rule()
def refuses_other_codecs_streams(codec: Any) -> None:
    """It refuses the streams of other codecs."""
    for name in ("original", "jpeg", "webp"):
        if name != CODECS.spec(codec).name:
            data = CODECS.build(name).encode(photo(20, 20))
            demand(_is_refused(codec, data), f"it took a stream of {name} for its own")
