"""Training shards of images with boxes, as ``hsc-bench export-shards`` writes them: a folder of .npz files.

images       uint8   (n, H, W, 3)  RGB, one size in a folder
boxes_xyxy   float32 (m, 4)        pixels
labels       int64   (m,)          index into classes
ignored      bool    (m,)          a region that the loss leaves out (a COCO crowd)
owner        int64   (m,)          the image that a box belongs to, 0 to n - 1
classes      str     (k,)          names in the order of the label space
source       str     ()            data set, its revision and the images' indices, in words
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hsc.api import Image
from hsc.errors import DataError

_RANGE = re.compile(r"(.* images )([0-9]+) to ([0-9]+)(.*)")
_VIEW = re.compile(r"(.*) view (\d+)")


@dataclass(frozen=True)
class Boxes:
    """The objects in one image: boxes_xyxy float32 (m, 4) in pixels, labels int64 (m,), ignored bool (m,)."""

    boxes_xyxy: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Frames:
    """All images of a folder, in memory. boxes[i] belongs to images[i]. source: the origin of the images, in words."""

    images: Sequence[Image]
    boxes: Sequence[Boxes]
    classes: tuple[str, ...]
    source: str


def read_shards(folder: Path, fields: tuple[str, ...]) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """The name and the arrays of every shard of a folder, in the order of their names.

    Raises:
        DataError: there is no shard, or a shard is damaged or lacks one of ``fields``.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise DataError(f"no .npz shards in {folder}; write them with hsc-bench export-shards")
    for path in paths:
        yield read_shard(path, fields)


def read_shard(path: Path, fields: tuple[str, ...]) -> tuple[str, dict[str, npt.NDArray[Any]]]:
    """The name and the arrays of one shard. Raises as ``read_shards`` does."""
    try:
        with np.load(path, allow_pickle=False) as file:
            shard = dict(file)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a readable shard: {error}; export it again") from error
    missing = [name for name in fields if name not in shard]
    if missing:
        raise DataError(
            f"{path.name} has no {', '.join(missing)}; export it again, from a data set that has such labels"
        )
    return path.name, shard


def in_words(sources: Iterable[str]) -> str:
    """The sources of shards as one text: each once, with views of the same images and adjacent ranges merged.

    >>> in_words(["roads images 0 to 249", "roads images 250 to 299", "town images 0 to 9"])
    'roads images 0 to 299; town images 0 to 9'
    >>> in_words(["roads images 0 to 9 view 0", "roads images 0 to 9 view 1"])
    'roads images 0 to 9 views 0, 1'
    """
    merged: list[str] = []
    for source in _views_together(dict.fromkeys(sources)):
        last, current = _RANGE.fullmatch(merged[-1] if merged else ""), _RANGE.fullmatch(source)
        if last and current and (last[1], last[4]) == (current[1], current[4]) and int(last[3]) + 1 == int(current[2]):
            merged[-1] = f"{current[1]}{last[2]} to {current[3]}{current[4]}"
        else:
            merged.append(source)
    return "; ".join(merged)


def _views_together(sources: Iterable[str]) -> list[str]:
    views_by_source: dict[str, list[str]] = {}
    for source in sources:
        match = _VIEW.fullmatch(source)
        views_by_source.setdefault(match[1] if match else source, []).extend([match[2]] if match else [])
    return [
        f"{source} view{'s' if len(views) > 1 else ''} {', '.join(views)}" if views else source
        for source, views in views_by_source.items()
    ]


def read_frames(folder: Path) -> Frames:
    """Read every shard of a folder, in the order of their names.

    Raises:
        DataError: there is no shard, a shard is damaged or has no boxes, or shards differ in classes or image size.
    """
    images: list[Image] = []
    boxes: list[Boxes] = []
    classes: tuple[str, ...] = ()
    sources: list[str] = []
    for name, shard in read_shards(folder, ("images", "boxes_xyxy", "labels", "ignored", "owner", "classes", "source")):
        names = tuple(str(class_name) for class_name in shard["classes"])
        if classes and (names != classes or shard["images"].shape[1:] != images[0].shape):
            raise DataError(
                f"{name} has classes {names} and images {shard['images'].shape[1:]}, earlier shards {classes} and "
                f"{images[0].shape}"
            )
        classes = names
        images += list(shard["images"])
        boxes += boxes_by_image(shard, len(shard["images"]))
        sources.append(str(shard["source"]))
    return Frames(images, boxes, classes, in_words(sources))


def boxes_by_image(shard: Mapping[str, npt.NDArray[Any]], count: int) -> list[Boxes]:
    """The boxes of each of a shard's ``count`` images."""
    boxes = []
    for i in range(count):
        in_image = shard["owner"] == i
        boxes.append(
            Boxes(
                shard["boxes_xyxy"][in_image].astype(np.float32),
                shard["labels"][in_image].astype(np.int64),
                shard["ignored"][in_image].astype(np.bool_),
            )
        )
    return boxes
