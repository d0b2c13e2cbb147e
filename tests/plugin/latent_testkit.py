"""A codec that hands out its latents and a head that reads them, as somebody else's distribution would bring them.

The codec keeps means of 4x4 blocks in two layers, first those of 8x8 blocks and then what they miss; the means are its
latent ``y_hat``. The head finds bright blobs among them and never sees a pixel.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from hsc_testkit import SPACE
from scipy import ndimage

from benchmarks.api import CODECS
from benchmarks.imaging.image_arrays import require_image
from downstream.api import HEADS, Detections, LabelSpace
from hsc.api import Latents, LatentSpec
from hsc.errors import BitstreamError, UsageError

STRIDE = 4
FINGERPRINT = hashlib.sha256(b"grid-1").hexdigest()
_HEADER = struct.Struct("<4sHHBBI")


@CODECS.register("grid")
@dataclass(frozen=True)
class Grid:
    """Means of blocks, coarsened and deflated. step: grey levels a step of the quantiser."""

    step: int = 8

    rate_field: ClassVar[str] = "step"
    ladder: ClassVar[tuple[int, ...]] = (64, 48, 32, 16, 8, 4)
    layers: ClassVar[tuple[str, ...]] = ("coarse", "fine")

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Nothing but sums."""
        return None

    def encode(self, image: np.ndarray) -> bytes:
        height, width = require_image(image).shape[:2]
        padded = np.pad(image, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge").astype(np.float64)
        fine, coarse = _means(padded, STRIDE), _means(padded, 2 * STRIDE)
        first = np.rint(coarse / self.step)
        second = np.rint((fine - _doubled(first * self.step)) / self.step)
        return _pack((height, width), self.step, [first, second])

    def decode(self, data: bytes) -> np.ndarray:
        means, (height, width) = _unpack(data)[:2]
        pixels = np.clip(np.rint(means), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return np.ascontiguousarray(pixels.repeat(STRIDE, 0).repeat(STRIDE, 1)[:height, :width])

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "grid-1"}

    def cut(self, data: bytes, n: int) -> bytes:
        _, image_hw, step, parts = _unpack(data)
        if not 1 <= n <= len(parts):
            raise UsageError(f"cannot cut to {n} layers, expected 1 to {len(parts)}")
        return _pack(image_hw, step, parts[:n])

    def latent_specs(self) -> Sequence[LatentSpec]:
        return (LatentSpec("y_hat", (3, None, None), STRIDE, FINGERPRINT),)

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        means, (height, width) = _unpack(data)[:2]
        return Latents(
            {"y_hat": means[:, : -(-height // STRIDE), : -(-width // STRIDE)].astype(np.float32)}, (height, width)
        )

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        return [self.decode_latents(data) for data in streams]


def _means(padded: np.ndarray, side: int) -> np.ndarray:
    height, width = padded.shape[0] // side, padded.shape[1] // side
    return padded.reshape(height, side, width, side, 3).mean(axis=(1, 3)).transpose(2, 0, 1)


def _doubled(means: np.ndarray) -> np.ndarray:
    return means.repeat(2, 1).repeat(2, 2)


def _pack(image_hw: tuple[int, int], step: int, parts: Sequence[np.ndarray]) -> bytes:
    payload = b"".join(zlib.compress(part.astype("<i2").tobytes(), 9) for part in parts)
    return _HEADER.pack(b"grid", *image_hw, step, len(parts), zlib.crc32(payload)) + payload


def _unpack(data: bytes) -> tuple[np.ndarray, tuple[int, int], int, list[np.ndarray]]:
    """Means (3, h, w), image size, step, and the layers' integers."""
    try:
        magic, height, width, step, count, check = _HEADER.unpack_from(data)
        left = data[_HEADER.size :]
        if magic != b"grid" or zlib.crc32(left) != check:
            raise ValueError("wrong magic or checksum")
        parts, sides = [], [(-(-height // 8), -(-width // 8)), (-(-height // 8) * 2, -(-width // 8) * 2)]
        for rows, columns in sides[:count]:
            inflate = zlib.decompressobj()
            parts.append(np.frombuffer(inflate.decompress(left), "<i2").reshape(3, rows, columns).astype(np.float64))
            left = inflate.unused_data
    except (struct.error, zlib.error, ValueError) as error:
        raise BitstreamError(f"not a stream of a grid: {error}") from error
    means = _doubled(parts[0] * step)
    return (means + parts[1] * step if count > 1 else means), (height, width), step, parts


@HEADS.register("grid_squares")
@dataclass(frozen=True)
class GridSquares:
    """Blobs of means brighter than ``threshold``. space: of the latents it was made for."""

    threshold: int = 120
    space: str = FINGERPRINT

    output: ClassVar[type] = Detections
    regime: ClassVar[str] = "adapted"
    label_space: ClassVar[LabelSpace] = SPACE

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Nothing but sums."""
        return None

    @property
    def needs(self) -> Sequence[LatentSpec]:
        return (LatentSpec("y_hat", (3, None, None), STRIDE, self.space),)

    def predict_latents(self, latents: Sequence[Latents]) -> list[Detections]:
        return [self._one(one.maps["y_hat"].mean(0)) for one in latents]

    def _one(self, grey: np.ndarray) -> Detections:
        blobs, count = ndimage.label(grey > self.threshold)
        places = ndimage.find_objects(blobs)
        boxes = STRIDE * np.array([(x.start, y.start, x.stop, y.stop) for y, x in places], np.float32).reshape(-1, 4)
        scores = np.array([min(grey[place].mean() / 255, 1.0) for place in places], np.float32)
        return Detections(boxes, scores, np.zeros(count, np.int64))

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "grid-squares-1"}
