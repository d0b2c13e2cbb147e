"""A COCO label file read record by record, so that no list of dicts of all annotations is ever in memory.

text --record by record--> columns of numbers --> CocoTable        whatever is unusual: None, and the file is read whole
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.formats.coco_checks import check_categories, check_images, is_sound
from benchmarks.formats.coco_table import CocoTable
from hsc.errors import AnnotationError

_SPACE = re.compile(r"[ \t\n\r]*")
_IMAGE_FIELDS = ("id", "file_name", "width", "height")


class Streamed(NamedTuple):
    """A sound label file. masked: how many of its annotations have a mask."""

    table: CocoTable
    masked: int


def read_streamed(file: Path) -> Streamed | None:
    """The content of a label file without a fault; None where there is any, which reading it whole tells apart."""
    columns = _Columns()
    images: list[Any] = []
    categories: list[Any] = []
    takers = {"images": images.append, "annotations": columns.take, "categories": categories.append}
    try:
        read_lists(file.read_text("utf-8"), takers, {"images": _slim})
        check_images(images, file.name)
        check_categories(categories, file.name)
        images.sort(key=lambda record: record["id"])
        categories.sort(key=lambda record: record["id"])
        return Streamed(columns.table(images, categories), columns.masked)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, AnnotationError):
        return None


def read_lists(
    text: str,
    takers: Mapping[str, Callable[[Any], None]],
    shapers: Mapping[str, Callable[[Any], Any]],
) -> None:
    """Read a JSON object, and give each element of the lists named in ``takers`` to its taker, in order.

    shapers: what is made of an element of a list before it is taken, by name.

    Raises:
        ValueError: it is no JSON object, a list named is missing or no list, or a name comes twice.
    """
    scan, place, seen = json.JSONDecoder().raw_decode, _expected(text, 0, "{"), set[str]()
    while True:
        name, place = scan(text, _SPACE.match(text, place).end())  # type: ignore[union-attr]
        place = _expected(text, place, ":")
        if not isinstance(name, str) or name in seen:
            raise ValueError(f"the name {name!r} comes twice, or is none")
        seen.add(name)
        if name in takers:
            place = _read_list(text, _expected(text, place, "["), scan, takers[name], shapers.get(name))
        else:
            _, place = scan(text, _SPACE.match(text, place).end())  # type: ignore[union-attr]
        place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
        if text[place : place + 1] == "}":
            break
        place = _expected(text, place, ",")
    if _SPACE.match(text, place + 1).end() != len(text) or not seen >= takers.keys():  # type: ignore[union-attr]
        raise ValueError("something follows the object, or a list is missing")


def _read_list(
    text: str, place: int, scan: Any, take: Callable[[Any], None], shape: Callable[[Any], Any] | None
) -> int:
    """Read a list from behind its bracket; returns the place behind its end. Raises ValueError."""
    place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
    if text[place : place + 1] == "]":
        return place + 1
    while True:
        element, place = scan(text, _SPACE.match(text, place).end())  # type: ignore[union-attr]
        take(shape(element) if shape else element)
        place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
        if text[place : place + 1] == "]":
            return place + 1
        place = _expected(text, place, ",")


def _expected(text: str, place: int, sign: str) -> int:
    """The place behind a sign, which stands at ``place`` or behind the space there. Raises ValueError."""
    place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
    if text[place : place + 1] != sign:
        raise ValueError(f"{text[place : place + 1]!r} at {place}, expected {sign!r}")
    return place + 1


def _slim(record: dict[str, Any]) -> dict[str, Any]:
    """An image's record with the fields that are used."""
    return {key: record[key] for key in _IMAGE_FIELDS if key in record}


class _Columns:
    """The numbers of annotations, taken one by one. masked: how many of them had a mask."""

    def __init__(self) -> None:
        self.masked = 0
        self._ids, self._numbers, self._crowd = array("q"), array("d"), bytearray()

    def take(self, record: dict[str, Any]) -> None:
        """Add an annotation. Raises ValueError where it is not sound."""
        if not is_sound(record):
            raise ValueError("an annotation is not sound")
        box = record["bbox"]
        self._ids.extend((record["image_id"], record["category_id"]))
        self._numbers.extend((*box, record.get("area", box[2] * box[3])))
        self._crowd.append(int(record.get("iscrowd", 0)))
        self.masked += bool(record.get("segmentation"))

    def table(self, images: list[Any], categories: list[Any]) -> CocoTable:
        """The annotations as a table. Raises ValueError where one is of an unknown image or category."""
        ids = np.array(self._ids, np.int64).reshape(-1, 2)
        numbers = np.array(self._numbers, np.float64).reshape(-1, 5)
        known = [np.array([record["id"] for record in records], np.int64) for records in (images, categories)]
        if not all(np.isin(ids[:, column], known[column]).all() for column in (0, 1)):
            raise ValueError("an annotation is of an unknown image or category")
        named = tuple({"id": record["id"], "name": record["name"]} for record in categories)
        crowd = np.array(self._crowd, np.uint8).astype(bool)
        boxes, areas = numbers[:, :4].copy(), numbers[:, 4].copy()
        return CocoTable(tuple(images), named, ids[:, 0].copy(), ids[:, 1].copy(), boxes, areas, crowd)
