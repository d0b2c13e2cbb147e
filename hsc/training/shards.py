"""Training images in memory, and crops of them that follow from a seed and a step alone.

A folder of .npz files, as ``python -m benchmarks.export`` writes them:

images       uint8   (n, H, W, 3)  RGB, one size in a folder
semantic     uint8   (n, H, W)     label maps, 255 for void
boxes_xyxy   float32 (m, 4)        pixels; optional, with ``labels`` int64 (m,), ``ignored`` bool (m,), and ``owner`` int64 (m,), each box's image
classes      str     (k,)          what the labels mean; optional
relit        uint8   (n, H, W, 3)  the same scenes in another light; optional
source       str     ()            where they come from, in words
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hsc.api import Image
from hsc.errors import DataError
from hsc.training.object_maps import object_maps

VOID = 255
_MARGIN = 3.0
_SIDE = 32.0  # objects of this side count ``objects`` times; smaller ones more, larger ones less


@dataclass(frozen=True)
class Frames:
    """All images of a folder. boxes[i]: float32 (k, 4), the objects of image i that a detector is asked for; labels[i]
    int64 (k,), of ``classes`` kinds, 0 where boxes have none. relit: empty where no other light is known.
    """

    images: Sequence[Image]
    semantic: Sequence[npt.NDArray[np.uint8]]
    boxes: Sequence[npt.NDArray[np.float32]]
    source: str
    labels: Sequence[npt.NDArray[np.int64]] = ()
    classes: int = 0
    relit: Sequence[Image] = ()

    @functools.cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """The part of all pixels that each label has: (256,); of void, 0."""
        counts = np.zeros(256, np.int64)
        for labels in self.semantic:
            counts += np.bincount(labels.ravel(), minlength=256)
        counts[VOID] = 0
        shares: npt.NDArray[np.float64] = counts / max(1, counts.sum())
        return shares


class Batch(NamedTuple):
    """images: (B, 3, h, w) float32, -1 to 1. weight: (B, 1, h, w) float32, 1 where no object is. semantic: (B, h, w)
    int64.

    objects: maps of ``objects.object_maps``, of no channels where boxes have no classes. relit: as images, the same
    where nothing else is known.
    """

    images: Tensor
    weight: Tensor
    semantic: Tensor
    objects: Tensor
    relit: Tensor


def read_frames(folder: Path) -> Frames:
    """Read every shard of a folder, in the order of their names.

    Raises:
        DataError: there is none, one is damaged, or they disagree on the image size.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise DataError(f"no .npz shards in {folder}; make them with python -m benchmarks.export")
    images: list[Image] = []
    semantic: list[npt.NDArray[np.uint8]] = []
    boxes: list[npt.NDArray[np.float32]] = []
    sources: list[str] = []
    labels: list[npt.NDArray[np.int64]] = []
    relit: list[Image] = []
    classes: set[int] = set()
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as file:
                shard = dict(file)
            if images and shard["images"].shape[1:] != images[0].shape:
                raise DataError(
                    f"{path.name} has images {shard['images'].shape[1:]}, the shards before {images[0].shape}"
                )
            images += list(shard["images"])
            semantic += list(shard["semantic"])
            boxes += _split(shard, "boxes_xyxy", np.zeros((0, 4), np.float32))
            labels += _split(shard, "labels", np.zeros(0, np.int64))
            classes.add(len(shard["classes"]) if "labels" in shard and "classes" in shard else 0)
            relit += list(shard.get("relit", ()))
            sources.append(str(shard["source"]))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} is not a readable shard: {error}; export it again") from error
    if len(classes) > 1 or len(relit) not in (0, len(images)):
        raise DataError(
            f"the shards in {folder} do not agree on classes of boxes, or on whether scenes are shown in another "
            f"light; export them again"
        )
    return Frames(images, semantic, boxes, "; ".join(sources), labels, classes.pop(), relit)


def _split(shard: dict[str, npt.NDArray[Any]], name: str, none: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """What a shard says of boxes, by image, of those that a detector is asked for."""
    count = len(shard["images"])
    if name not in shard:
        return [none] * count
    asked = ~shard["ignored"].astype(bool)
    values, owner = shard[name][asked].astype(none.dtype), shard["owner"][asked]
    return [values[owner == i] for i in range(count)]


def batch_of(
    frames: Frames, *, seed: int, step: int, batch: int, crop: tuple[int, int], objects: float, rarity: float = 0.0
) -> Batch:
    """Crops of one step, half of them mirrored; every image comes once an epoch, in a new order.

    crop: height and width. objects: weight of a pixel on an object of 32x32 pixels. rarity: see ``class_weight``; a
    pixel's weight is the larger of the two.

    Raises:
        DataError: the images are smaller than the crop.
    """
    random = np.random.default_rng([seed, 1, step])
    count = len(frames.images)
    images, weights, labels, objects_there, relit = [], [], [], [], []
    rare = class_weight(frames.shares, rarity)
    for position in range(step * batch, (step + 1) * batch):
        order = np.random.default_rng([seed, 2, position // count]).permutation(count)
        i = int(order[position % count])
        spare = [have - want for have, want in zip(frames.images[i].shape[:2], crop, strict=True)]
        if min(spare) < 0:
            raise DataError(
                f"the images are {frames.images[i].shape[0]}x{frames.images[i].shape[1]}, smaller than crops of "
                f"{crop[0]}x{crop[1]}"
            )
        top, left = (int(random.integers(0, s + 1)) for s in spare)
        window = (slice(top, top + crop[0]), slice(left, left + crop[1]))
        step_x = int(random.choice((-1, 1)))  # -1 mirrors
        images.append(frames.images[i][window][:, ::step_x])
        if frames.relit:
            relit.append(frames.relit[i][window][:, ::step_x])
        labels.append(frames.semantic[i][window][:, ::step_x])
        boxes = frames.boxes[i] - np.array([left, top, left, top], np.float32)
        weight = object_weight(boxes, crop, objects)
        weights.append(np.maximum(weight, rare[frames.semantic[i][window]])[:, ::step_x])
        if frames.classes and step_x < 0:
            boxes = np.stack([crop[1] - boxes[:, 2], boxes[:, 1], crop[1] - boxes[:, 0], boxes[:, 3]], 1)
        found = (
            object_maps(boxes, frames.labels[i], crop, frames.classes)
            if frames.classes
            else np.zeros((0, 1, 1), np.float32)
        )
        objects_there.append(found)
    pixels = _pixels(images)
    return Batch(
        pixels,
        torch.from_numpy(np.stack(weights))[:, None],
        torch.from_numpy(np.stack(labels)).long(),
        torch.from_numpy(np.stack(objects_there)),
        _pixels(relit) if relit else pixels,
    )


@dataclass(frozen=True)
class Crops(Dataset[Batch]):
    """Entry i is ``batch_of`` of step i, so that other processes can make batches while this one trains. Fields as
    there.
    """

    frames: Frames
    seed: int
    batch: int
    crop: tuple[int, int]
    objects: float
    rarity: float = 0.0

    def __getitem__(self, step: int) -> Batch:
        return batch_of(
            self.frames,
            seed=self.seed,
            step=step,
            batch=self.batch,
            crop=self.crop,
            objects=self.objects,
            rarity=self.rarity,
        )

    def of(self, steps: range, workers: int) -> Iterator[Batch]:
        """The batches of these steps, in their order, made by ``workers`` processes ahead of time; 0: by this one, each
        when it is asked for.
        """
        if workers < 1:
            return map(self.__getitem__, steps)
        _ = self.frames.shares  # counted once, not by every process
        return iter(
            DataLoader(
                self, None, sampler=steps, num_workers=workers, prefetch_factor=4, pin_memory=torch.cuda.is_available()
            )
        )


def _pixels(images: Sequence[Image]) -> Tensor:
    """(B, 3, h, w) float32, -1 to 1, channels last in memory."""
    return (
        torch.from_numpy(np.stack(images))
        .permute(0, 3, 1, 2)
        .float()
        .div_(127.5)
        .sub_(1)
        .contiguous(memory_format=torch.channels_last)
    )


def class_weight(shares: npt.NDArray[np.float64], rarity: float) -> npt.NDArray[np.float32]:
    """How much a pixel of each label counts: float32 (256,), 1 for the commonest and for void, for others (share of the
    commonest / share) ** rarity.

    A segmenter is scored by the mean over classes: at 1 all count alike, which leaves nothing for the common ones; at 0
    all pixels do.
    """
    weight = np.ones(256, np.float32)
    there = shares > 0
    weight[there] = (shares.max() / shares[there]) ** rarity
    return weight


def object_weight(
    boxes_xyxy: npt.NDArray[np.float32], size_hw: tuple[int, int], objects: float
) -> npt.NDArray[np.float32]:
    """How much each pixel counts: float32 (h, w), 1 on the background, about ``objects`` on an object and three pixels
    around it.

    Detectors are asked for objects, not for pixels: a small one counts more a pixel, by the square root of its side.
    """
    weight = np.ones(size_hw, np.float32)
    for x0, y0, x1, y1 in boxes_xyxy.tolist():
        side = max(1.0, (x1 - x0) * (y1 - y0)) ** 0.5
        own = 1 + (objects - 1) * min(1.5, max(0.4, (_SIDE / side) ** 0.5))
        rows = slice(max(0, round(y0 - _MARGIN)), max(0, round(y1 + _MARGIN)))
        columns = slice(max(0, round(x0 - _MARGIN)), max(0, round(x1 + _MARGIN)))
        weight[rows, columns] = np.maximum(weight[rows, columns], own)
    return weight
