"""The training images, as they come from ``python -m benchmarks.export``: a folder of .npz files.

images       uint8   (n, H, W, 3)  RGB, one size in a folder
boxes_xyxy   float32 (m, 4)        pixels
labels       int64   (m,)          index into classes
ignored      bool    (m,)          a region to learn nothing from (a COCO crowd)
owner        int64   (m,)          the image, 0 to n - 1, a box belongs to
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
    """What is in one image: boxes_xyxy float32 (m, 4) in pixels, labels int64 (m,), ignored bool (m,)."""

    boxes_xyxy: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Frames:
    """All images of a folder, in memory. images[i] goes with boxes[i]."""

    images: Sequence[Image]
    boxes: Sequence[Boxes]
    classes: tuple[str, ...]
    source: str


def read_shards(folder: Path, fields: tuple[str, ...]) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """Name and arrays of every shard of a folder, in the order of their names.

    Raises:
        DataError: there is none, or one is damaged or lacks one of ``fields``.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise DataError(f"no .npz shards in {folder}; make them with python -m benchmarks.export")
    for path in paths:
        yield read_shard(path, fields)


def read_shard(path: Path, fields: tuple[str, ...]) -> tuple[str, dict[str, npt.NDArray[Any]]]:
    """Name and arrays of one shard. Raises as ``read_shards``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            shard = dict(file)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a readable shard: {error}; export it again") from error
    lacking = [name for name in fields if name not in shard]
    if lacking:
        raise DataError(
            f"{path.name} has no {', '.join(lacking)}; export it again, from a data set that has such labels"
        )
    return path.name, shard


def in_words(sources: Iterable[str]) -> str:
    """The sources of shards as one text: each once, views of the same images together, ranges of images that follow on
    each other as one range.

    >>> in_words(["roads images 0 to 249", "roads images 250 to 299", "town images 0 to 9"])
    'roads images 0 to 299; town images 0 to 9'
    >>> in_words(["roads images 0 to 9 view 0", "roads images 0 to 9 view 1"])
    'roads images 0 to 9 views 0, 1'
    """
    merged: list[str] = []
    for source in _views_together(dict.fromkeys(sources)):
        last, this = _RANGE.fullmatch(merged[-1] if merged else ""), _RANGE.fullmatch(source)
        if last and this and last[1] == this[1] and last[4] == this[4] and int(last[3]) + 1 == int(this[2]):
            merged[-1] = f"{this[1]}{last[2]} to {this[3]}{this[4]}"
        else:
            merged.append(source)
    return "; ".join(merged)


def _views_together(sources: Iterable[str]) -> list[str]:
    views: dict[str, list[str]] = {}
    for source in sources:
        of_view = _VIEW.fullmatch(source)
        views.setdefault(of_view[1] if of_view else source, []).extend([of_view[2]] if of_view else [])
    return [
        f"{source} view{'s' if len(some) > 1 else ''} {', '.join(some)}" if some else source
        for source, some in views.items()
    ]


def read_frames(folder: Path) -> Frames:
    """Read every shard of a folder, in the order of their names.

    Raises:
        DataError: there is none, one is damaged or has no boxes, or they disagree on classes or image size.
    """
    images: list[Image] = []
    boxes: list[Boxes] = []
    classes: tuple[str, ...] = ()
    sources: list[str] = []
    for name, shard in read_shards(folder, ("images", "boxes_xyxy", "labels", "ignored", "owner", "classes", "source")):
        names = tuple(str(one) for one in shard["classes"])
        if classes and (names != classes or shard["images"].shape[1:] != images[0].shape):
            raise DataError(
                f"{name} has classes {names} and images {shard['images'].shape[1:]}, the shards before {classes}, "
                f"{images[0].shape}"
            )
        classes = names
        images += list(shard["images"])
        boxes += boxes_by_image(shard, len(shard["images"]))
        sources.append(str(shard["source"]))
    return Frames(images, boxes, classes, in_words(sources))


def boxes_by_image(shard: Mapping[str, npt.NDArray[Any]], count: int) -> list[Boxes]:
    """The boxes of each of a shard's ``count`` images."""
    found = []
    for i in range(count):
        mine = shard["owner"] == i
        found.append(
            Boxes(
                shard["boxes_xyxy"][mine].astype(np.float32),
                shard["labels"][mine].astype(np.int64),
                shard["ignored"][mine].astype(np.bool_),
            )
        )
    return found
