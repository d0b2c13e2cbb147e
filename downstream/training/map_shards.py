"""Training shards of images and label maps, as ``hsc-bench export-shards`` writes them: a folder of .npz files.

images            uint8 (n, H, W, 3)  RGB, one size in a file
semantic          uint8 (n, H, W)     index into semantic_classes, 255 for void
semantic_classes  str   (k,)          names in the order of the label space
semantic_space    str   ()            the label space's own name
source            str   ()            data set, its revision and the images' indices, in words
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from downstream.api import VOID, LabelSpace
from downstream.training.shards import in_words, read_shards
from hsc.api import Image
from hsc.errors import DataError


@dataclass(frozen=True)
class Maps:
    """All images of a folder, in memory.

    labels[i]: uint8 (H, W), the classes of images[i]; images may differ in size. space: the label space. source: the
    origin of the images, in words.
    """

    images: Sequence[Image]
    labels: Sequence[npt.NDArray[np.uint8]]
    space: LabelSpace
    source: str

    def class_counts(self) -> npt.NDArray[np.int64]:
        """Pixels of each class, int64 (classes,)."""
        counts = np.zeros(256, np.int64)
        for labels in self.labels:
            counts += np.bincount(labels.ravel(), minlength=256)
        return counts[: len(self.space.classes)]


def read_maps(folder: Path) -> Maps:
    """Read every shard of a folder, in the order of their names.

    Raises:
        DataError: there is no shard, a shard is damaged or has no label maps, its labels are outside of its classes, or
        shards differ in their classes.
    """
    images: list[Image] = []
    labels: list[npt.NDArray[np.uint8]] = []
    space: LabelSpace | None = None
    sources: list[str] = []
    for name, shard in read_shards(folder, ("images", "semantic", "semantic_classes", "semantic_space", "source")):
        shard_space = LabelSpace(str(shard["semantic_space"]), tuple(str(n) for n in shard["semantic_classes"]))
        if space not in (None, shard_space):
            raise DataError(
                f"{name} is labelled in {shard_space}, earlier shards in {space}; give each label space its own folder"
            )
        space = shard_space
        semantic, classes = shard["semantic"], len(space.classes)
        if semantic.shape != shard["images"].shape[:3] or ((semantic >= classes) & (semantic != VOID)).any():
            raise DataError(
                f"{name} has images {shard['images'].shape} and label maps {semantic.shape} up to "
                f"{semantic[semantic != VOID].max(initial=0)}, expected for each pixel one label below {classes} or "
                f"{VOID}; export it again"
            )
        images += list(shard["images"])
        labels += list(semantic)
        sources.append(str(shard["source"]))
    assert space is not None
    return Maps(images, labels, space, in_words(sources))
