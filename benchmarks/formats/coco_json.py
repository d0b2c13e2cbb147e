"""Reads a COCO-format label file, once a process, and checks it for consistency and against its images.

Format: cocodataset.org/#format-data. A file that contradicts itself is refused, with the first offending records named,
because an evaluator would score it silently.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any

from benchmarks.formats.coco_table import CocoTable
from downstream.label_spaces import COCO80
from hsc.errors import AnnotationError
from hsc.files.file_digests import sha256_of_file

MAX_BYTES = 2**31
"""Larger label files are refused; COCO's own largest is 0.5 GB."""

LARGEST_ID = 2**53
"""Larger ids are ambiguous to evaluators, which keep ids as floats."""

MAX_COORDINATE = 1e9
"""Limit in pixels of the corners and sides of boxes, so that sums and areas of boxes stay finite."""

_MAX_SIDE = 2**27
_MAX_NAME_LENGTH = 1000


@dataclass(frozen=True)
class CocoIndex:
    """A checked label file, reduced to the fields that box evaluators read.

    folder: the folder that each ``file_name`` is relative to. table: its images, categories and boxes. masked: number of annotations with a mask. space: name of
    the label space that the categories form.
    """

    folder: Path
    table: CocoTable
    masked: int
    space: str
    annotation_sha256: str

    @property
    def images(self) -> tuple[Mapping[str, Any], ...]:
        """The images in the order of their ids, each with its id, file name and, where stated, size."""
        return self.table.images

    @property
    def categories(self) -> tuple[Mapping[str, Any], ...]:
        """The categories in the order of their ids."""
        return self.table.categories


def read_coco(annotations: Path, folder: Path) -> CocoIndex:
    """Read and check a label file; the result is cached until the file changes.

    folder: the images' folder.

    Raises:
        AnnotationError: the file is missing, too large, not JSON, or contradicts itself or the folder.
    """
    try:
        status = annotations.stat()
        if not S_ISREG(status.st_mode):
            raise AnnotationError(
                f"cannot read the annotations {str(annotations)!r}: it is no plain file; give a COCO JSON file"
            )
        if status.st_size > MAX_BYTES:
            raise AnnotationError(
                f"{annotations.name!r} has {status.st_size:,} bytes, more than the {MAX_BYTES:,} that are read; "
                f"split it"
            )
        sha256 = sha256_of_file(annotations)
    except OSError as error:
        raise AnnotationError(f"cannot read the annotations {str(annotations)!r}: {error.strerror}") from error
    return _read(annotations, folder, sha256)


@functools.lru_cache(maxsize=4)
def _read(annotations: Path, folder: Path, _sha256: str) -> CocoIndex:
    name = annotations.name
    try:
        data = annotations.read_bytes()
        content = json.loads(data, object_hook=_slim)
    except (OSError, ValueError, RecursionError) as error:
        raise AnnotationError(f"cannot read the annotations {str(annotations)!r} as JSON: {error}") from error
    images, labels, categories = (_records(content, key, name) for key in ("images", "annotations", "categories"))
    _check_images(images, name)
    _check_categories(categories, name)
    _check_annotations(labels, {r["id"] for r in images}, {r["id"] for r in categories}, name)
    images.sort(key=lambda r: r["id"])
    categories.sort(key=lambda r: r["id"])
    _check_files(images, folder, name)
    masked = sum(bool(record.pop("segmentation", None)) for record in labels)
    named = [{"id": record["id"], "name": record["name"]} for record in categories]
    return CocoIndex(
        folder,
        CocoTable.of({"images": images, "annotations": labels, "categories": named}),
        masked,
        _space([r["name"] for r in categories]),
        hashlib.sha256(data).hexdigest(),
    )


def _slim(record: dict[str, Any]) -> dict[str, Any]:
    """A JSON object as it is read: images lose the fields that are not used, masks shrink to whether they are there."""
    if "segmentation" in record:
        record["segmentation"] = bool(record["segmentation"])
    if "file_name" in record:
        return {key: record[key] for key in ("id", "file_name", "width", "height") if key in record}
    return record


def _records(content: Any, key: str, name: str) -> list[dict[str, Any]]:
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        came = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise AnnotationError(
            f"{name!r} has no list of objects named {key!r}; "
            f"a COCO label file has images, annotations, categories; found {came}"
        )
    return records


def _check_images(images: list[dict[str, Any]], name: str) -> None:
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


def _check_categories(categories: list[dict[str, Any]], name: str) -> None:
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


def _check_annotations(labels: list[dict[str, Any]], image_ids: set[int], category_ids: set[int], name: str) -> None:
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


def _is_near(record: dict[str, Any]) -> bool:
    area = record.get("area", 0.0)
    return all(abs(value) <= MAX_COORDINATE for value in record["bbox"]) and area <= MAX_COORDINATE**2


def _stays_below(file_name: str) -> bool:
    path = PurePosixPath(file_name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in file_name


def _check_files(images: list[dict[str, Any]], folder: Path, name: str) -> None:
    missing = [record["file_name"] for record in images if not (folder / record["file_name"]).is_file()]
    if missing:
        raise AnnotationError(
            f"{len(missing)} of the {len(images)} images of {name!r} are not in {str(folder)!r}: "
            f"{', '.join(missing[:3])}; give the folder that the file names start from"
        )


def _space(names: list[str]) -> str:
    """The name of the label space that these classes form, in this order."""
    if tuple(names) == COCO80.classes:
        return COCO80.name
    return f"coco-{len(names)}-{hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:8]}"
