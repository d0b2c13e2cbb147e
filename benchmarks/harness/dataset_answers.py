"""Checks of a data set's answers: image ids, loaded images, and that box labels belong to the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.api import Sample
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.imaging.image_arrays import require_image
from benchmarks.text import one_line
from hsc.errors import DataError


def checked_sample(sample: Any, image_id: str) -> Sample:
    """An image as its data set loaded it.

    Raises:
        DataError: it is no ``Sample``, or one of another id, or its size in bytes is no count.
        ImageError: its image is not uint8 (H, W, 3).
    """
    if not isinstance(sample, Sample):
        raise DataError(f"the data set's load gave {type(sample).__name__}, expected Sample")
    if sample.image_id != image_id:
        raise DataError(
            f"load gave the image {one_line(sample.image_id)!r} where image_ids() says {one_line(image_id)!r}; they "
            f"must be in one order"
        )
    if sample.source_bytes is not None and (not isinstance(sample.source_bytes, int) or sample.source_bytes < 0):
        raise DataError(f"its source_bytes came as {one_line(sample.source_bytes)}, expected a count or None")
    require_image(sample.image)
    return sample


def checked_ids(ids: Any, count: int) -> list[str]:
    """A data set's image ids, in order.

    Raises:
        DataError: they are not ``count`` different texts.
    """
    names = list(ids)
    if len(names) != count:
        raise DataError(f"the data set says it has {count} images and gives {len(names)} ids; expected as many")
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise DataError(
                f"the id of image {place} came as {one_line(repr(name))}, expected a text that is not empty"
            )
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if first.setdefault(name, place) != place:
            raise DataError(
                f"the images {first[name]} and {place} have the same id {one_line(name)!r}; each image's labels and "
                f"results are found by its id, so give each its own (by folder and name, say)"
            )
    return names


def check_coco_images(coco: Mapping[str, Any], images: Sequence[IndexedImage], count: int) -> None:
    """See that box labels are of the data set's images, in its order.

    images: those of the run. count: how many the data set has.

    Raises:
        DataError: there are more or fewer entries, ids are not different ints that rise, or sizes are those of other
            images or of turned ones.
    """
    entries = list(coco["images"])
    if len(entries) != count:
        raise DataError(
            f"the box labels are of {len(entries)} images, the data set has {count}; expected one entry an image, in "
            f"the same order"
        )
    ids = [entry.get("id") for entry in entries]
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in ids) or len(set(ids)) != len(ids):
        raise DataError(
            "the ids of the images in the box labels are not different whole numbers; expected one of its own for "
            "each image"
        )
    if ids != sorted(ids):
        wrong = next(k for k in range(1, len(ids)) if ids[k] < ids[k - 1])
        raise DataError(
            f"the images of the box labels are in another order than image_ids(): entry {wrong} has the id "
            f"{ids[wrong]} after {ids[wrong - 1]}; expected rising ids, in the order of image_ids()"
        )
    _check_sizes(entries, images)


def _check_sizes(entries: Sequence[Mapping[str, Any]], images: Sequence[IndexedImage]) -> None:
    """Compare the sizes in box labels, where these give any, with those of the images. Raises DataError."""
    sizes = [image.pixels.image_hw for image in images]
    labelled = [
        (entries[image.index].get("height", height), entries[image.index].get("width", width))
        for image, (height, width) in zip(images, sizes, strict=True)
    ]
    shuffled = sorted(map(str, labelled)) == sorted(map(str, sizes))  # the same sizes, for other images
    for image, size, entry in zip(images, sizes, labelled, strict=True):
        if entry != size and (shuffled or entry == size[::-1]):
            raise DataError(
                f"the image {one_line(image.image_id)!r} has {size[1]}x{size[0]} pixels, its entry in the box labels "
                f"says {entry[1]}x{entry[0]}; the labels are in another order than the images, or of pictures that "
                f"were turned"
            )
