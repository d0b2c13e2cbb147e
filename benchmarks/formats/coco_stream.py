"""A COCO label file read record by record, so that neither its text nor a dict of every annotation is in memory.

text --record by record--> columns of numbers --> CocoTable        whatever is unusual: None, and the file is read whole
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from benchmarks.formats.coco_checks import check_categories, check_images, is_sound
from benchmarks.formats.coco_table import CocoTable
from hsc.errors import AnnotationError

_SPACE = re.compile(r"[ \t\n\r]*")
_WINDOW = 1 << 20
"""Characters that are read at once."""
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
        with file.open(encoding="utf-8") as text:
            read_lists(text, takers, {"images": _slim})
        check_images(images, file.name)
        check_categories(categories, file.name)
        images.sort(key=lambda record: record["id"])
        categories.sort(key=lambda record: record["id"])
        return Streamed(columns.table(images, categories), columns.masked)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, AnnotationError):
        return None


def read_lists(
    file: TextIO,
    takers: Mapping[str, Callable[[Any], None]],
    shapers: Mapping[str, Callable[[Any], Any]],
) -> None:
    """Read a JSON object, and give each element of the lists named in ``takers`` to its taker, in order.

    shapers: what is made of an element of a list before it is taken, by name.

    Raises:
        ValueError: it is no JSON object, a list named is missing or no list, or a name comes twice.
    """
    text, seen = _Window(file), set[str]()
    text.require("{")
    while True:
        name = text.value()
        text.require(":")
        if not isinstance(name, str) or name in seen:
            raise ValueError(f"the name {name!r} comes twice, or is none")
        seen.add(name)
        if name in takers:
            shape = shapers.get(name)
            for element in _elements(text):
                takers[name](shape(element) if shape else element)
        else:
            text.value()
        if text.sign() == "}":
            break
        text.require(",")
    text.require("}")
    if text.sign() or not seen >= takers.keys():
        raise ValueError("something follows the object, or a list is missing")


def _elements(text: _Window) -> Iterator[Any]:
    """The elements of the list that comes next. Raises ValueError."""
    text.require("[")
    while text.sign() != "]":
        yield text.value()
        if text.sign() != "]":
            text.require(",")
            if text.sign() == "]":
                raise ValueError("a list ends behind a comma")
    text.require("]")


class _Window:
    """A part of a JSON text that moves on as it is read."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._place = file, "", 0
        self._scan = json.JSONDecoder().raw_decode

    def sign(self) -> str:
        """The next character that is no space, which is not passed; empty at the end."""
        while True:
            self._place = _SPACE.match(self._text, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._text) or not self._more():
                return self._text[self._place : self._place + 1]

    def require(self, sign: str) -> None:
        """Pass a sign. Raises ValueError where another comes."""
        if self.sign() != sign:
            raise ValueError(f"{self.sign()!r} came, expected {sign!r}")
        self._place += 1

    def value(self) -> Any:
        """The next value, which is passed. Raises ValueError where none comes."""
        self.sign()
        while True:
            try:
                value, end = self._scan(self._text, self._place)
            except ValueError:
                if not self._more():
                    raise
                continue
            if end < len(self._text) or not self._more():  # a number may go on behind the window
                self._place = end
                return value

    def _more(self) -> bool:
        """Make the window longer, and drop what has been passed; false at the end of the file."""
        read = self._file.read(max(_WINDOW, len(self._text) - self._place))
        self._text, self._place = self._text[self._place :] + read, 0
        return bool(read)


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
