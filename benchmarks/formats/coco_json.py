"""Reads a COCO-format label file, once a process, and checks it for consistency and against its images.

Format: cocodataset.org/#format-data. A file that contradicts itself is refused, with the first offending records named,
because an evaluator would score it silently.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from benchmarks.formats.coco_checks import check_annotations, check_categories, check_images
from benchmarks.formats.coco_stream import read_streamed
from benchmarks.formats.coco_table import CocoTable
from downstream.label_spaces import COCO80
from hsc.errors import AnnotationError
from hsc.files.file_digests import sha256_of_file

MAX_BYTES = 2**31
"""Larger label files are refused; COCO's own largest is 0.5 GB."""


@dataclass(frozen=True)
class CocoIndex:
    """A checked label file, reduced to the fields that box evaluators read.

    folder: the folder that each ``file_name`` is relative to. table: its images, categories and boxes. masked: number
    of annotations with a mask. space: name of the label space that the categories form.
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
def _read(annotations: Path, folder: Path, sha256: str) -> CocoIndex:
    name = annotations.name
    if (streamed := read_streamed(annotations)) is not None:
        table, masked = streamed
        _check_files(table.images, folder, name)
        return CocoIndex(folder, table, masked, _space([record["name"] for record in table.categories]), sha256)
    try:
        content = json.loads(annotations.read_bytes(), object_hook=_slim)
    except (OSError, ValueError, RecursionError) as error:
        raise AnnotationError(f"cannot read the annotations {str(annotations)!r} as JSON: {error}") from error
    images, labels, categories = (_records(content, key, name) for key in ("images", "annotations", "categories"))
    check_images(images, name)
    check_categories(categories, name)
    check_annotations(labels, {r["id"] for r in images}, {r["id"] for r in categories}, name)
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
        sha256,
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


def _check_files(images: Sequence[Mapping[str, Any]], folder: Path, name: str) -> None:
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
