"""Pictures of Open Images with boxes and verified labels, as MPEG's list for coding for machines has them.

Kuznetsova et al., "The Open Images Dataset V4", IJCV 2020; pictures CC BY 2.0, annotations CC BY 4.0. The list, 5,000
pictures with COCO's class names, is in the tree of CompressAI-Vision. The pictures are JPEGs already, so every rate
here is that of a second compression.
"""

from __future__ import annotations

import csv
import functools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import DATASETS, Sample
from benchmarks.files.content_index import digest_of
from benchmarks.files.mirror import Place, ReadsPlaces, why_not_untrusted
from benchmarks.formats.coco_table import CocoTable
from benchmarks.formats.label_maps import data_place, size_of
from benchmarks.imaging.image_files import read_image
from downstream.api import Detections, LabelSpace, Prediction
from downstream.label_spaces import COCO80
from hsc.errors import AnnotationError, DataError
from hsc.files.file_digests import sha256_of_file

_BOXES = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf")
_LABELS = ("ImageID", "LabelName", "Confidence")
_CURE = "give openimages(root=...) a folder with images/ and the two lists; hsc-bench recipes oiv6-det names them"


@DATASETS.register("openimages")
@dataclass(frozen=True)
class OpenImages(ReadsPlaces):
    """Pictures in the order of their ids, with boxes in COCO's classes; boxes around a group are crowds.

    Files: ``root/images/ID.jpg``; ``root/BOXES`` (ImageID, LabelName, XMin, XMax, YMin, YMax, IsGroupOf; corners from 0
    to 1) and ``root/LABELS`` (ImageID, LabelName, Confidence), which says of which classes somebody verified that they
    are there (1) or are not (0). The metric ``oid_ap`` counts no mistakes in other classes.

    root: the folder; if empty, "mpeg-oiv6" below the folder that HSC_DATA names, or below ./data. boxes, labels: names
    of the two lists. split: only a label.
    """

    root: str = ""
    boxes: str = "detection_validation_5k_bbox.csv"
    labels: str = "detection_validation_labels_5k.csv"
    split: str = "mpeg-5k"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "root")

    @property
    def revision(self) -> str:
        """Hash of the lists' bytes and of the images' names and contents."""
        boxes, labels = self._sha256()
        return digest_of(((name, self._image(name)) for name in self.image_ids()), f"{boxes} {labels}")

    def __len__(self) -> int:
        return len(self._lists().names)

    def image_ids(self) -> Sequence[str]:
        return self._lists().names

    def load(self, index: int) -> Sample:
        """Image ``index``.

        Raises:
            ImageError: the file is missing or damaged.
        """
        file = self._image(self._lists().names[index])
        return Sample(file.stem, read_image(file, orientation="ignore"), file.stat().st_size)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return COCO80 if kind is Detections else None

    def coco(self) -> Mapping[str, Any]:
        """Boxes as a COCO dict; each image has the names of its verified classes as "verified".

        Raises:
            AnnotationError: a list is damaged.
            ImageError: the size of a picture cannot be read.
        """
        return _table(self, self._sha256())

    def available(self) -> str | None:
        try:
            names = self._lists().names
            missing = next((name for name in names if not self._image(name).is_file()), None)
        except DataError as error:
            return str(error)
        return f"the picture images/{missing}.jpg is missing in {str(self._root())!r}; {_CURE}" if missing else None

    def provenance(self) -> Mapping[str, str]:
        """The sha256 of both lists, and the licences."""
        boxes, labels = self._sha256()
        licence = "pictures CC BY 2.0, annotations CC BY 4.0"
        return {"source": "Open Images v6", "licence": licence, "boxes_sha256": boxes, "labels_sha256": labels}

    def places(self) -> Sequence[Place]:
        return [data_place(self.root, "mpeg-oiv6", "images", self.boxes, self.labels)]

    def _root(self) -> Path:
        return self.places()[0].local()

    def _image(self, name: str) -> Path:
        return self._root() / "images" / f"{name}.jpg"

    def _sha256(self) -> tuple[str, str]:
        """The sha256 of the two lists. Raises AnnotationError where one is missing."""
        try:
            return sha256_of_file(self._root() / self.boxes), sha256_of_file(self._root() / self.labels)
        except OSError as error:
            raise AnnotationError(f"cannot read the list {error.filename!r}: {error.strerror}; {_CURE}") from error

    def _lists(self) -> _Lists:
        return _read(self._root() / self.boxes, self._root() / self.labels, self._sha256())


@dataclass(frozen=True)
class _Lists:
    """Both lists. names: of the pictures, sorted. boxes: class, left, top, right, bottom (0 to 1) and group by name.
    verified: names of classes by name.
    """

    names: tuple[str, ...]
    boxes: Mapping[str, Sequence[tuple[str, tuple[float, ...], bool]]]
    verified: Mapping[str, Sequence[str]]


@functools.lru_cache(maxsize=4)
def _read(boxes: Path, labels: Path, _sha256: tuple[str, str]) -> _Lists:
    """Both lists, cached by their content."""
    by_name: dict[str, list[tuple[str, tuple[float, ...], bool]]] = defaultdict(list)
    verified: dict[str, list[str]] = defaultdict(list)
    for line, row in _rows(labels, _LABELS):
        verified[row["ImageID"]].append(_class_of(row["LabelName"], labels, line))
    for line, row in _rows(boxes, _BOXES):
        try:
            corners = tuple(float(row[name]) for name in ("XMin", "YMin", "XMax", "YMax"))
        except ValueError as error:
            raise AnnotationError(f"line {line} of {boxes.name!r} holds a corner that is no number: {error}") from error
        inside = all(math.isfinite(corner) and 0 <= corner <= 1 for corner in corners)
        if not inside or corners[2] < corners[0] or corners[3] < corners[1]:
            raise AnnotationError(f"line {line} of {boxes.name!r} has the corners {corners}, expected 0 to 1 in order")
        by_name[row["ImageID"]].append((_class_of(row["LabelName"], boxes, line), corners, row["IsGroupOf"] == "1"))
    if not verified:
        raise AnnotationError(f"the list {labels.name!r} names no picture; {_CURE}")
    if strangers := sorted(by_name.keys() - verified.keys()):
        raise AnnotationError(
            f"{boxes.name!r} has boxes of {strangers[0]}, which {labels.name!r} does not name; {_CURE}"
        )
    return _Lists(tuple(sorted(verified)), dict(by_name), dict(verified))


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a list with their line numbers. Raises AnnotationError where a column is missing."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"cannot read the list {path.name!r}: {error}; {_CURE}") from error
    for line, row in enumerate(rows, 2):
        if absent := [name for name in columns if not row.get(name)]:
            raise AnnotationError(f"line {line} of {path.name!r} has no {absent[0]}, expected {', '.join(columns)}")
    return list(enumerate(rows, 2))


def _class_of(name: str, path: Path, line: int) -> str:
    """COCO's name of a class, which lists write with underscores."""
    known = name.replace("_", " ")
    if known not in COCO80.classes:
        raise AnnotationError(f"line {line} of {path.name!r} has the class {name!r}, which is none of COCO's 80")
    return known


@functools.lru_cache(maxsize=2)
def _table(dataset: OpenImages, _sha256: tuple[str, str]) -> CocoTable:
    lists = dataset._lists()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, name in enumerate(lists.names, 1):
        width, height = size_of(dataset._image(name))
        entry = {"id": number, "file_name": f"images/{name}.jpg", "height": height, "width": width}
        images.append({**entry, "verified": tuple(lists.verified[name])})
        for noun, (left, top, right, bottom), group in lists.boxes.get(name, ()):
            box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": COCO80.classes.index(noun) + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(group),
                }
            )
    categories = [{"id": number, "name": noun} for number, noun in enumerate(COCO80.classes, 1)]
    return CocoTable.of({"images": images, "annotations": annotations, "categories": categories})
