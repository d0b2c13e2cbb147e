"""Checks of the records of a COCO label file.

A file that contradicts itself is refused, with the first offending records named, because an evaluator would score it
silently.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from hsc.errors import AnnotationError

LARGEST_ID = 2**53
"""Larger ids are ambiguous to evaluators, which keep ids as floats."""

MAX_COORDINATE = 1e9
"""Limit in pixels of the corners and sides of boxes, so that sums and areas of boxes stay finite."""

_MAX_SIDE = 2**27
_MAX_NAME_LENGTH = 1000


def check_images(images: list[dict[str, Any]], name: str) -> None:
    if not images:
        raise AnnotationError(f"{name!r} lists no images")
    _refuse(
        images,
        lambda r: not (_is_whole(r.get("id")) and isinstance(r.get("file_name"), str)),
        "images lack an integer id or a file_name",
        name,
    )
    _refuse(
        images, lambda r: not _is_id(r["id"]), f"images have an id beyond {LARGEST_ID} in size; number them anew", name
    )
    _refuse(
        images,
        lambda r: not _is_name(r["file_name"]),
        "images have a file_name that is no text a file system knows",
        name,
    )
    _refuse(images, lambda r: not _stays_below(r["file_name"]), "images have a file_name that leaves the folder", name)
    sided = [r for r in images if "width" in r or "height" in r]
    _refuse(
        sided,
        lambda r: not (_is_side(r.get("width", 1)) and _is_side(r.get("height", 1))),
        "images have a width or height that is no side",
        name,
    )
    _refuse_repeats(images, "image ids", name)


def check_categories(categories: list[dict[str, Any]], name: str) -> None:
    if not categories:
        raise AnnotationError(f"{name!r} lists no categories")
    _refuse(
        categories,
        lambda r: not (_is_whole(r.get("id")) and isinstance(r.get("name"), str)),
        "categories lack an integer id or a name",
        name,
    )
    _refuse(
        categories,
        lambda r: not _is_id(r["id"]),
        f"categories have an id beyond {LARGEST_ID} in size; number them anew",
        name,
    )
    _refuse(
        categories,
        lambda r: not _is_name(r["name"]),
        f"categories have a name that is no text of 1 to {_MAX_NAME_LENGTH} characters",
        name,
    )
    _refuse_repeats(categories, "category ids", name)


def check_annotations(labels: list[dict[str, Any]], image_ids: set[int], category_ids: set[int], name: str) -> None:
    _refuse(
        labels,
        lambda r: not {"image_id", "category_id", "bbox"} <= set(r),
        "annotations lack image_id, category_id or bbox",
        name,
    )
    _refuse(
        labels,
        lambda r: not _is_id(r["image_id"]) or r["image_id"] not in image_ids,
        "annotations are for unknown images",
        name,
    )
    _refuse(
        labels,
        lambda r: not _is_id(r["category_id"]) or r["category_id"] not in category_ids,
        "annotations have unknown categories",
        name,
    )
    _refuse(
        labels,
        lambda r: not _is_box(r["bbox"]),
        "annotations have a bbox that is not four finite numbers x, y, width >= 0, height >= 0",
        name,
    )
    _refuse(
        labels, lambda r: not _is_area(r.get("area", 0.0)), "annotations have an area that is not a number >= 0", name
    )
    _refuse(
        labels,
        lambda r: not _is_near(r),
        f"annotations have a box or area beyond {MAX_COORDINATE:g} pixels or their square",
        name,
    )
    _refuse(labels, lambda r: r.get("iscrowd", 0) not in (0, 1), "annotations have an iscrowd that is not 0 or 1", name)


def _refuse(records: list[dict[str, Any]], is_wrong: Callable[[dict[str, Any]], bool], fault: str, name: str) -> None:
    """Refuse a file that has wrong records. fault: the end of the sentence, with its verb; name: the file's.

    Raises:
        AnnotationError: there are such records; the first three are shown.
    """
    offenders = [r for r in records if is_wrong(r)]
    if offenders:
        fields = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "file_name", "name")
        shown = "; ".join(str({k: r[k] for k in fields if k in r})[:160] for r in offenders[:3])
        raise AnnotationError(f"in {name!r} {len(offenders)} of {len(records)} {fault}: {shown}")


def _refuse_repeats(records: list[dict[str, Any]], noun: str, name: str) -> None:
    """Refuse a file in which ids repeat. Raises as ``_refuse`` does."""
    seen: set[int] = set()
    repeated = [r["id"] for r in records if r["id"] in seen or seen.add(r["id"])]  # type: ignore[func-returns-value]
    if repeated:
        raise AnnotationError(f"in {name!r} {len(repeated)} {noun} come twice: {', '.join(map(str, repeated[:3]))}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return _is_whole(value) and abs(value) <= LARGEST_ID


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number within the range of floats; JSON may hold integers beyond it."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -sys.float_info.max <= value <= sys.float_info.max
    )


def _is_side(value: Any) -> bool:
    return _is_number(value) and 1 <= value <= _MAX_SIDE and value == int(value)


def _is_name(text: str) -> bool:
    """Whether a text has a sane length and can be written as UTF-8: JSON may hold halves of surrogate pairs."""
    return 1 <= len(text) <= _MAX_NAME_LENGTH and not any("\ud800" <= character <= "\udfff" for character in text)


def _is_area(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) and box[2] >= 0 and box[3] >= 0


def is_sound(record: dict[str, Any]) -> bool:
    """Whether an annotation passes all checks, those of its image and category aside."""
    return (
        {"image_id", "category_id", "bbox"} <= record.keys()
        and _is_id(record["image_id"])
        and _is_id(record["category_id"])
        and _is_box(record["bbox"])
        and _is_area(record.get("area", 0.0))
        and _is_near(record)
        and record.get("iscrowd", 0) in (0, 1)
    )


def _is_near(record: dict[str, Any]) -> bool:
    area = record.get("area", 0.0)
    return all(abs(value) <= MAX_COORDINATE for value in record["bbox"]) and area <= MAX_COORDINATE**2


def _stays_below(file_name: str) -> bool:
    path = PurePosixPath(file_name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in file_name
