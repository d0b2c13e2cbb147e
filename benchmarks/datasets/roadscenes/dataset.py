"""The registered data set: splits, label spaces, COCO annotations, and cached rendered images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.api import DATASETS, Sample
from benchmarks.datasets.roadscenes import pixel_hashes
from benchmarks.datasets.roadscenes.materials import OBJECTS, SEMANTIC
from downstream.api import Detections, LabelSpace, Prediction, SegmentationMap

if TYPE_CHECKING:
    from benchmarks.datasets.roadscenes.frame import Frame
    from hsc.api import Image

IMAGES = {"train": 4000, "val": 64, "test": 256}
SPLITS = {"train": 1, "val": 2, "test": 3}


def scene_seed(split: str, seed: int | None) -> int:
    """The renderer's seed: every split has its own residue modulo 4, so no seed of one split meets another's.

    >>> scene_seed("val", None), scene_seed("train", 0), scene_seed("val", 5)
    (2, 5, 26)
    """
    return SPLITS[split] + (0 if seed is None else 4 * (seed + 1))


@lru_cache(maxsize=8)
def _annotations(dataset: Roadscenes) -> dict[str, Any]:
    """The data set's COCO dict, cached here and not on the instance, which must stay cheap to pickle."""
    from benchmarks.datasets.roadscenes.annotations import annotate

    return annotate((dataset.frame(i) for i in range(len(dataset))), dataset.image_ids())


@DATASETS.register("roadscenes")
@dataclass(frozen=True)
class Roadscenes:
    """Rendered street scenes with exact boxes, masks and label maps.

    split: "val" (64 images by default), "train" (4000) or "test" (256). size: width and height in pixels. images: the
    number of images, None for the split's default. seed: selects streets other than the split's own; splits never share
    a scene, whatever their seeds.
    """

    split: Literal["val", "train", "test"] = "val"
    size: tuple[int, int] = (384, 256)
    images: int | None = None
    seed: int | None = None

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None up to the size of the largest split: its labels render every scene, so more would cost too much."""
        images, max_images = settings["images"], max(IMAGES.values())
        too_many = isinstance(images, int) and images > max_images
        return f"it would render {images} scenes, without trust at most {max_images}" if too_many else None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split came as {self.split!r}, expected one of {', '.join(SPLITS)}")
        if len(self.size) != 2 or not all(isinstance(v, int) and 16 <= v <= 4096 for v in self.size):
            raise ValueError(f"size came as {self.size!r}, expected (width, height), each 16 to 4096 pixels")
        if self.images is not None and self.images < 1:
            raise ValueError(
                f"images came as {self.images}, expected at least 1, or nothing for the split's own number"
            )
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"seed came as {self.seed}, expected 0 or more")

    def __len__(self) -> int:
        return IMAGES[self.split] if self.images is None else self.images

    @property
    def revision(self) -> str:
        """Hash of the pinned pixels and of the settings that choose the scenes."""
        text = json.dumps([pixel_hashes.digest(), self.split, list(self.size), len(self), self.seed])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def image_ids(self) -> list[str]:
        """``val-00000`` and so on."""
        return [f"{self.split}-{i:05d}" for i in range(len(self))]

    def frame(self, index: int) -> Frame:
        """Image and labels of scene ``index``, from the cache if it is there.

        Raises:
            DataError: this machine renders other pixels than the pinned ones.
            IndexError: there is no such image.
        """
        from benchmarks.datasets.roadscenes.cache import cached_frame

        if not 0 <= index < len(self):
            raise IndexError(f"image {index} was asked for, roadscenes {self.split} has {len(self)}")
        return cached_frame(scene_seed(self.split, self.seed), index, self.size, on_disk=self.split != "train")

    def relit(self, index: int, light_of: int) -> Image:
        """Image ``index`` in the light of scene ``light_of``: another time of day, haze and film; never cached.

        Raises:
            DataError, IndexError: as ``frame``.
        """
        from benchmarks.datasets.roadscenes.renderer import render

        if not (0 <= index < len(self) and 0 <= light_of < len(self)):
            raise IndexError(
                f"image {index} in the light of {light_of} was asked for, roadscenes {self.split} has {len(self)}"
            )
        pixel_hashes.check()
        return render(scene_seed(self.split, self.seed), index, self.size, light_of=light_of).image

    def load(self, index: int) -> Sample:
        """Image ``index``. Raises as ``frame`` does."""
        return Sample(f"{self.split}-{index:05d}", self.frame(index).image)

    def label_map(self, index: int) -> SegmentationMap:
        """CamVid's eleven classes, 255 where none fits."""
        return SegmentationMap(self.frame(index).semantic)

    def coco(self) -> Mapping[str, Any]:
        """Boxes and masks of all images in COCO format; the package's docstring describes the ``iscrowd`` regions."""
        return _annotations(self)

    def coco_with_masks(self) -> Mapping[str, Any]:
        """The same: every box comes with its mask."""
        return _annotations(self)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """Five object classes for boxes, CamVid's eleven for maps."""
        if kind is Detections:
            return LabelSpace("roadscenes", OBJECTS)
        return LabelSpace("camvid11", SEMANTIC) if kind is SegmentationMap else None

    def available(self) -> str | None:
        """None: it needs only code."""
        return None

    def provenance(self) -> Mapping[str, str]:
        """Origin, licence, and the hash of the pinned pixels."""
        return {
            "source": "rendered by benchmarks.datasets.roadscenes",
            "licence": "Apache-2.0",
            "pins": pixel_hashes.digest(),
            "renderer": str(pixel_hashes.VERSION),
        }
