"""Training images in memory, and their crops, which follow from a seed and a step alone.

A folder holds .npz files, as ``hsc-bench export-shards`` writes them:

    images       uint8   (n, H, W, 3)  RGB; another file may have another size
    semantic     uint8   (n, H, W)     label maps, 255 for void; optional, all void without
    boxes_xyxy   float32 (m, 4)        pixels; optional, together with the next three
    labels       int64   (m,)          classes of the boxes
    ignored      bool    (m,)          boxes that a detector need not find
    owner        int64   (m,)          the image of each box
    classes      str     (k,)          names of the boxes' classes; optional
    relit        uint8   (n, H, W, 3)  the same scenes in another light; optional
    source       str     ()            origin of the images, for people
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from PIL.Image import Resampling
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hsc.api import Image
from hsc.errors import DataError
from hsc.training.object_maps import object_maps

VOID = 255
_MARGIN = 3.0
_SIDE = 32.0  # objects of this side have the weight ``objects``, smaller ones more, larger ones less


@dataclass(frozen=True)
class Frames:
    """All images of a folder.

    images, semantic: as in the shards. boxes[i]: float32 (k, 4), the objects of image i that a detector should find.
    source: origin of the images, for people. labels[i]: int64 (k,), their classes. classes: number of classes, 0 where
    boxes have none. relit: the scenes in another light, or empty.
    """

    images: Sequence[Image]
    semantic: Sequence[npt.NDArray[np.uint8]]
    boxes: Sequence[npt.NDArray[np.float32]]
    source: str
    labels: Sequence[npt.NDArray[np.int64]] = ()
    classes: int = 0
    relit: Sequence[Image] = ()

    @functools.cached_property
    def sizes_hw(self) -> frozenset[tuple[int, int]]:
        """The heights and widths that images have."""
        return frozenset((image.shape[0], image.shape[1]) for image in self.images)

    @functools.cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """The fraction of all pixels that have each label, (256,); 0 for void."""
        counts = np.zeros(256, np.int64)
        for labels in self.semantic:
            counts += np.bincount(labels.ravel(), minlength=256)
        counts[VOID] = 0
        shares: npt.NDArray[np.float64] = counts / max(1, counts.sum())
        return shares


class Batch(NamedTuple):
    """The crops of a step.

    images: (B, 3, h, w) float32, -1 to 1. weight: (B, 1, h, w) float32, 1 on the background. semantic: (B, h, w) int64.
    objects: ``object_maps.object_maps`` of each crop, with no channels where boxes have no classes. relit: the crops in
    another light, or again ``images`` where there is none.
    """

    images: Tensor
    weight: Tensor
    semantic: Tensor
    objects: Tensor
    relit: Tensor


def read_frames(folder: Path) -> Frames:
    """Read all shards of a folder in the order of their names.

    Raises:
        DataError: there are no shards, one is damaged, or they disagree on classes or relit scenes.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise DataError(f"no .npz shards in {folder}; make them with hsc-bench export-shards")
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
            images += list(shard["images"])
            semantic += list(shard["semantic"]) if "semantic" in shard else _void_maps(shard["images"])
            boxes += _split(shard, "boxes_xyxy", np.zeros((0, 4), np.float32))
            labels += _split(shard, "labels", np.zeros(0, np.int64))
            classes.add(len(shard["classes"]) if "labels" in shard and "classes" in shard else 0)
            relit += list(shard.get("relit", ()))
            sources.append(str(shard["source"]))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} is not a readable shard: {error}; export it again") from error
    if len(classes) > 1 or len(relit) not in (0, len(images)):
        raise DataError(
            f"the shards in {folder} disagree on the classes of boxes, or only some have scenes in another light; "
            f"export them again"
        )
    return Frames(images, semantic, boxes, "; ".join(dict.fromkeys(sources)), labels, classes.pop(), relit)


def _void_maps(images: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    """Label maps of images (n, H, W, 3) without labels, which take no memory."""
    void: npt.NDArray[np.uint8] = np.broadcast_to(np.uint8(VOID), images.shape[1:3])
    return [void] * len(images)


def _split(shard: dict[str, npt.NDArray[Any]], name: str, none: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """An array of a shard's boxes by image, without ignored boxes. none: the array of an image without boxes."""
    count = len(shard["images"])
    if name not in shard:
        return [none] * count
    wanted = ~shard["ignored"].astype(bool)
    values, owner = shard[name][wanted].astype(none.dtype), shard["owner"][wanted]
    return [values[owner == i] for i in range(count)]


def batch_of(
    frames: Frames,
    *,
    seed: int,
    step: int,
    batch: int,
    crop: tuple[int, int],
    objects: float,
    rarity: float = 0.0,
    enlarged: float = 1.0,
) -> Batch:
    """The crops of one step, half of them mirrored; every image comes once per epoch, in a new order.

    Images smaller than the crop are continued by their reflection. crop: height and width. objects: weight of a pixel
    on an object of 32x32 pixels. rarity: see ``class_weight``; a pixel's weight is the larger of the two. enlarged: the
    highest factor by which images are enlarged, with log-uniform factors from 1 up; the crop is of the enlarged image.

    Raises:
        DataError: all images are smaller than the crop.
    """
    if not any(height >= crop[0] and width >= crop[1] for height, width in frames.sizes_hw):
        height, width = max(frames.sizes_hw)
        raise DataError(
            f"the images are {height}x{width} and less, smaller than crops of {crop[0]}x{crop[1]}; choose smaller crops"
        )
    random = np.random.default_rng([seed, 1, step])
    count = len(frames.images)
    rare = class_weight(frames.shares, rarity) if rarity else np.ones(256, np.float32)
    samples = []
    for position in range(step * batch, (step + 1) * batch):
        order = np.random.default_rng([seed, 2, position // count]).permutation(count)
        scale = enlarged ** random.random() if enlarged > 1 else 1.0
        samples.append(_crop(frames, int(order[position % count]), crop, random, objects, rare, scale))
    pixels = _pixels([sample.image for sample in samples])
    return Batch(
        pixels,
        torch.from_numpy(np.stack([sample.weight for sample in samples]))[:, None],
        torch.from_numpy(np.stack([sample.semantic for sample in samples])).long(),
        torch.from_numpy(np.stack([sample.objects for sample in samples])),
        _pixels([sample.relit for sample in samples]) if frames.relit else pixels,
    )


class _Crop(NamedTuple):
    """One sample of a ``Batch``, as arrays with the channels last."""

    image: Image
    weight: npt.NDArray[np.float32]
    semantic: npt.NDArray[np.uint8]
    objects: npt.NDArray[np.float32]
    relit: Image


class _Window(NamedTuple):
    """The place of a crop in an image. top, left: below 0 where the image is smaller."""

    top: int
    left: int
    size_hw: tuple[int, int]

    def of(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The crop of an image (H, W, ...), which its reflection continues at its borders."""
        rows, columns = (
            slice(first, first + count) if first >= 0 and first + count <= side else _reflected(first, count, side)
            for first, count, side in zip((self.top, self.left), self.size_hw, image.shape, strict=False)
        )
        return image[rows][:, columns]


def _reflected(first: int, count: int, side: int) -> npt.NDArray[np.int64]:
    """Indices of ``count`` samples from ``first`` on, of a row of ``side`` that is mirrored at its first and last."""
    period = max(1, 2 * (side - 1))
    folded = np.arange(first, first + count) % period
    return np.minimum(folded, period - folded)


def _crop(
    frames: Frames,
    i: int,
    size_hw: tuple[int, int],
    random: np.random.Generator,
    objects: float,
    rare: npt.NDArray[np.float32],
    scale: float,
) -> _Crop:
    """A random crop of image i enlarged by ``scale``, mirrored or not. rare: weight of each label, (256,)."""
    source_hw = (math.ceil(size_hw[0] / scale), math.ceil(size_hw[1] / scale))
    spare = [side - crop_side for side, crop_side in zip(frames.images[i].shape, source_hw, strict=False)]
    top, left = (int(random.integers(min(0, s), max(0, s) + 1)) for s in spare)
    window = _Window(top, left, source_hw)
    step_x = int(random.choice((-1, 1)))  # -1 mirrors
    image = _resized(window.of(frames.images[i]), size_hw, Resampling.BICUBIC)[:, ::step_x]
    semantic = _resized(window.of(frames.semantic[i]), size_hw, Resampling.NEAREST)
    rise, stretch = size_hw[0] / source_hw[0], size_hw[1] / source_hw[1]
    boxes = frames.boxes[i] - np.array([left, top, left, top], np.float32)
    boxes = boxes * np.array([stretch, rise, stretch, rise], np.float32)
    weight = np.maximum(object_weight(boxes, size_hw, objects), rare[semantic])
    maps = np.zeros((0, 1, 1), np.float32)
    if frames.classes:
        if step_x < 0:
            boxes = np.stack([size_hw[1] - boxes[:, 2], boxes[:, 1], size_hw[1] - boxes[:, 0], boxes[:, 3]], 1)
        maps = object_maps(boxes, frames.labels[i], size_hw, frames.classes)
    relit = image
    if frames.relit:
        relit = _resized(window.of(frames.relit[i]), size_hw, Resampling.BICUBIC)[:, ::step_x]
    return _Crop(image, weight[:, ::step_x], semantic[:, ::step_x], maps, relit)


def _resized(image: npt.NDArray[np.uint8], size_hw: tuple[int, int], resampling: Resampling) -> npt.NDArray[np.uint8]:
    """An image or map (H, W, ...) at another size."""
    if image.shape[:2] == size_hw:
        return image
    return np.asarray(PIL.Image.fromarray(image).resize((size_hw[1], size_hw[0]), resampling))


@dataclass(frozen=True)
class Crops(Dataset[Batch]):
    """The batches of all steps: entry i is ``batch_of`` of step i, with the same fields.

    Other processes can prepare them while this one trains.
    """

    frames: Frames
    seed: int
    batch: int
    crop: tuple[int, int]
    objects: float
    rarity: float = 0.0
    enlarged: float = 1.0

    def __getitem__(self, step: int) -> Batch:
        return batch_of(
            self.frames,
            seed=self.seed,
            step=step,
            batch=self.batch,
            crop=self.crop,
            objects=self.objects,
            rarity=self.rarity,
            enlarged=self.enlarged,
        )

    def of(self, steps: range, workers: int) -> Iterator[Batch]:
        """The batches of these steps in order. workers: processes that prepare them in advance, 0 for none."""
        if workers < 1:
            return map(self.__getitem__, steps)
        if self.rarity:
            _ = self.frames.shares  # computed once here instead of in every process
        return iter(
            DataLoader(
                self, None, sampler=steps, num_workers=workers, prefetch_factor=4, pin_memory=torch.cuda.is_available()
            )
        )


def _pixels(images: Sequence[Image]) -> Tensor:
    """(B, 3, h, w) float32, -1 to 1, channels last in memory."""
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return pixels.contiguous(memory_format=torch.channels_last)


def class_weight(shares: npt.NDArray[np.float64], rarity: float) -> npt.NDArray[np.float32]:
    """The weight of a pixel of each label, float32 (256,): (largest share / share) ** rarity, and 1 for void.

    A segmenter is scored by the mean over classes. With a rarity of 1 all classes count the same, which leaves little
    for the common ones; with 0 all pixels count the same.
    """
    weight = np.ones(256, np.float32)
    present = shares > 0
    weight[present] = (shares.max() / shares[present]) ** rarity
    return weight


def object_weight(
    boxes_xyxy: npt.NDArray[np.float32], size_hw: tuple[int, int], objects: float
) -> npt.NDArray[np.float32]:
    """The weight of each pixel, float32 (h, w): 1 on the background, about ``objects`` up to 3 pixels around objects.

    Detectors are scored by objects, not by pixels, so the pixels of a small object count more, by the square root of
    its side.
    """
    weight = np.ones(size_hw, np.float32)
    for x0, y0, x1, y1 in boxes_xyxy.tolist():
        side = max(1.0, (x1 - x0) * (y1 - y0)) ** 0.5
        box_weight = 1 + (objects - 1) * min(1.5, max(0.4, (_SIDE / side) ** 0.5))
        rows = slice(max(0, round(y0 - _MARGIN)), max(0, round(y1 + _MARGIN)))
        columns = slice(max(0, round(x0 - _MARGIN)), max(0, round(x1 + _MARGIN)))
        weight[rows, columns] = np.maximum(weight[rows, columns], box_weight)
    return weight
