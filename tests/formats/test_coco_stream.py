"""A label file read record by record: the same labels as when it is read whole, and None wherever there is a fault."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.formats.coco_stream import read_lists, read_streamed
from benchmarks.formats.coco_table import CocoTable

POLYGON = [[1, 0, 4, 0, 4, 6]]
GOOD: dict[str, Any] = {
    "info": {"images": [1], "nested": [[], {}]},
    "images": [
        {"id": 9, "file_name": "b.png", "license": 3, "width": 8, "height": 6, "flickr_url": "http://x"},
        {"id": 5, "file_name": "ä.png"},
    ],
    "annotations": [
        {"id": 3, "image_id": 9, "category_id": 2, "bbox": [1, 2, 3.5, 4], "segmentation": POLYGON},
        {"image_id": 5, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 3, "iscrowd": 1, "segmentation": []},
    ],
    "licenses": [],
    "categories": [{"id": 2, "name": "car", "supercategory": "x"}, {"id": 1, "name": "sign"}],
}


def written(folder: Path, text: str) -> Path:
    file = folder / "labels.json"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize("indent", [None, 2])
def test_labels_are_those_of_the_file(tmp_path: Path, indent: int | None) -> None:
    found = read_streamed(written(tmp_path, json.dumps(GOOD, indent=indent, ensure_ascii=False) + "\n"))
    assert found is not None
    assert found.masked == 1
    labels = [{k: v for k, v in record.items() if k != "segmentation"} for record in GOOD["annotations"]]
    images = [{"id": 5, "file_name": "ä.png"}, {"id": 9, "file_name": "b.png", "width": 8, "height": 6}]
    names = [{"id": 1, "name": "sign"}, {"id": 2, "name": "car"}]
    assert found.table == CocoTable.of({"images": images, "annotations": labels, "categories": names})


def test_a_file_without_annotations_is_sound(tmp_path: Path) -> None:
    found = read_streamed(written(tmp_path, json.dumps({**GOOD, "annotations": []})))
    assert found is not None
    assert (len(found.table.areas), found.masked) == (0, 0)


def changed(place: int, **fields: Any) -> str:
    records = [record | (fields if number == place else {}) for number, record in enumerate(GOOD["annotations"])]
    return json.dumps({**GOOD, "annotations": records})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(GOOD)[:-1],
        json.dumps(GOOD) + "x",
        json.dumps(GOOD).replace('"licenses": []', '"images": []'),
        json.dumps(GOOD).replace('"annotations"', '"other"'),
        json.dumps(GOOD).replace(', "licenses"', ' "licenses"'),
        json.dumps({**GOOD, "images": {}}),
        json.dumps({**GOOD, "images": [1]}),
        json.dumps({**GOOD, "annotations": [None]}),
        json.dumps({**GOOD, "categories": []}),
        changed(1, image_id=6),
        changed(0, category_id=7),
        changed(0, category_id=2**70),
        changed(0, bbox=[1, 2, 3]),
        changed(1, bbox=[1, 2, float("nan"), 3]),
        changed(1, area=-1),
        changed(0, iscrowd=2),
    ],
)
def test_whatever_is_wrong_is_left_to_reading_it_whole(tmp_path: Path, text: str) -> None:
    assert read_streamed(written(tmp_path, text)) is None


def test_elements_come_one_after_another() -> None:
    taken: list[Any] = []
    read_lists(io.StringIO('{"a": [1, [2], {"b": 3}], "c": 4}'), {"a": taken.append}, {"a": str})
    assert taken == ["1", "[2]", "{'b': 3}"]


class Dripping(io.StringIO):
    """A file of which a few characters come at once."""

    def read(self, size: int | None = -1) -> str:
        return super().read(3)


def test_nothing_is_cut_where_a_part_of_the_file_ends() -> None:
    taken: list[Any] = []
    numbers = [12345, 6.75e-3, "a, b]", {"c": [True, None]}, -1]
    read_lists(Dripping(json.dumps({"x": 123456, "a": numbers, "b": []})), {"a": taken.append, "b": taken.append}, {})
    assert taken == numbers
    with pytest.raises(ValueError, match="behind a comma"):
        read_lists(io.StringIO('{"a": [1,]}'), {"a": taken.append}, {})
