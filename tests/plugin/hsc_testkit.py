"""A codec, a head and a data set as somebody else's distribution would bring them: small, quick, and real enough to
score.

The data set shows bright squares on a dark ground; the head finds bright blobs; the codec averages over blocks, so that
small squares are lost at coarse settings.
"""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import ndimage

from benchmarks.api import CODECS, DATASETS, Sample
from downstream.api import HEADS, Detections, LabelSpace
from downstream.ops.masks import pack
from hsc.errors import BitstreamError
from hsc.registry import other_than

SPACE = LabelSpace("squares", ("square", "unseen"))


@CODECS.register("blocks")
@dataclass(frozen=True)
class Blocks:
    """Means of blocks, deflated. size: pixels a side of a block. slow_s: time an encode takes on purpose."""

    size: int = 4
    slow_s: float = 0.0

    rate_field: ClassVar[str] = "size"
    ladder: ClassVar[tuple[int, ...]] = (16, 12, 8, 6, 4, 2)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Nothing but sums."""
        return None

    def encode(self, image: np.ndarray) -> bytes:
        time.sleep(self.slow_s)
        h, w = image.shape[:2]
        s = self.size
        padded = np.pad(image, ((0, -h % s), (0, -w % s), (0, 0)), mode="edge").astype(np.float64)
        means = padded.reshape(padded.shape[0] // s, s, padded.shape[1] // s, s, 3).mean(axis=(1, 3))
        return struct.pack("<HHB", h, w, s) + zlib.compress(np.round(means).astype(np.uint8).tobytes(), 9)

    def decode(self, data: bytes) -> np.ndarray:
        try:
            h, w, s = struct.unpack_from("<HHB", data)
            means = np.frombuffer(zlib.decompress(data[5:]), np.uint8).reshape(-(-h // s), -(-w // s), 3)
        except (struct.error, zlib.error, ValueError, ZeroDivisionError) as error:
            raise BitstreamError(f"not a stream of blocks: {error}") from error
        return np.ascontiguousarray(means.repeat(s, axis=0).repeat(s, axis=1)[:h, :w])

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "blocks-1"}


@HEADS.register("squares")
@dataclass(frozen=True)
class FindSquares:
    """Blobs brighter than ``threshold``, scored by their mean brightness. masks: whether it says which pixels, too.

    weights: a file that holds the threshold in its stead.
    """

    threshold: int = 120
    masks: bool = False
    weights: str = ""

    output: ClassVar[type] = Detections
    regime: ClassVar[str] = "frozen"
    label_space: ClassVar[LabelSpace] = SPACE

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Its weights may be any file."""
        return other_than(settings, weights=[""])

    @property
    def gives_masks(self) -> bool:
        return self.masks

    def predict(self, images: Any) -> list[Detections]:
        return [self._one(image) for image in images]

    def _one(self, image: np.ndarray) -> Detections:
        grey = image.mean(axis=2)
        blobs, count = ndimage.label(grey > (int(Path(self.weights).read_text()) if self.weights else self.threshold))
        places = ndimage.find_objects(blobs)
        boxes = [(x.start, y.start, x.stop, y.stop) for y, x in places]
        scores = [grey[place].mean() / 255 for place in places]
        masks = pack(blobs == np.arange(1, count + 1)[:, None, None]) if self.masks else None
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.zeros(count, np.int64), masks
        )

    def available(self) -> str | None:
        return f"the weights {self.weights} are not here" if self.weights and not Path(self.weights).is_file() else None

    def provenance(self) -> dict[str, str]:
        hashes = {"weights_sha256": hashlib.sha256(Path(self.weights).read_bytes()).hexdigest()} if self.weights else {}
        return {"code": "squares-1", **hashes}


@DATASETS.register("squares")
@dataclass(frozen=True)
class Squares:
    """Bright squares of 4 to 24 pixels on noise. broken: the index of an image that does not load, -1 for none."""

    images: int = 6
    labels: bool = True
    broken: int = -1
    split: ClassVar[str] = "test"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Drawn here."""
        return None

    @property
    def revision(self) -> str:
        return "1"

    def __len__(self) -> int:
        return self.images

    def image_ids(self) -> list[str]:
        return [f"squares-{i}" for i in range(self.images)]

    def _boxes(self, index: int) -> list[tuple[int, int, int, int]]:
        rng = np.random.default_rng(index)
        return [
            (16 + 40 * k, 4 + int(rng.integers(0, 16)), int(s), int(s)) for k, s in enumerate(rng.integers(4, 24, 3))
        ]

    def load(self, index: int) -> Sample:
        if index == self.broken:
            raise ValueError("this one is broken on purpose")
        image = np.random.default_rng(index + 1000).integers(0, 60, (56, 144, 3)).astype(np.uint8)
        for x, y, w, h in self._boxes(index):
            image[y : y + h, x : x + w] = 200 + index % 40
        return Sample(f"squares-{index}", image, 1000)

    def label_space(self, kind: type) -> LabelSpace | None:
        return SPACE if self.labels else None

    def coco(self) -> dict[str, Any]:
        annotations = [
            {
                "id": 10 * i + k + 1,
                "image_id": i + 1,
                "category_id": 1,
                "bbox": list(map(float, b)),
                "area": float(b[2] * b[3]),
                "iscrowd": 0,
            }
            for i in range(self.images)
            for k, b in enumerate(self._boxes(i))
        ]
        images = [{"id": i + 1, "file_name": f"{i}.png", "height": 56, "width": 144} for i in range(self.images)]
        return {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "unseen"}],
        }

    def coco_with_masks(self) -> dict[str, Any]:
        coco = self.coco()
        for one in coco["annotations"]:
            left, top, width, height = map(int, one["bbox"])
            mask = np.zeros((1, 56, 144), bool)
            mask[0, top : top + height, left : left + width] = True
            one["segmentation"] = {"size": [56, 144], "counts": pack(mask).counts[0].decode("ascii")}
        return coco

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"source": "made here"}
