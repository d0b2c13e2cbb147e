"""COCO's annotations as arrays that read like COCO's own dicts."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.truth import limit_coco
from hsc.errors import AnnotationError

RUNS = {"size": [4, 4], "counts": "04"}
COCO: dict[str, Any] = {
    "images": [{"id": 5, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}],
    "categories": [{"id": 10, "name": "car"}, {"id": 11, "name": "lorry"}, {"id": 20, "name": "sign"}],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 11, "bbox": [1, 2, 3.5, 4], "area": 7, "iscrowd": 0},
        {"image_id": 5, "category_id": 20, "bbox": [0, 0, 2, 2.5], "iscrowd": 1, "segmentation": RUNS},
        {"image_id": 9, "category_id": 10, "bbox": [0, 1, 2, 3]},
    ],
}


def test_a_table_reads_like_the_dict_it_was_made_of() -> None:
    table = CocoTable.of(COCO)
    assert list(table) == ["images", "annotations", "categories"]
    assert list(table["images"]) == COCO["images"]
    first, second, third = table["annotations"]
    assert first == COCO["annotations"][0]
    assert "segmentation" not in first
    assert second == {**COCO["annotations"][1], "id": 2, "area": 5.0}
    assert third == {**COCO["annotations"][2], "id": 3, "area": 6.0, "iscrowd": 0}
    assert table["annotations"][-1] == third
    assert table["annotations"][1:] == [second, third]
    assert CocoTable.of(table) is table
    assert pickle.loads(pickle.dumps(table)) == table
    assert table != CocoTable.of({**COCO, "annotations": COCO["annotations"][:2]})
    assert "videos" not in table
    assert dict(table)["categories"] == COCO["categories"]


def test_labels_are_limited_to_images_and_classes_and_merged() -> None:
    limited = limit_coco(COCO, [1], ["sign", "vehicle"], {"car": "vehicle", "lorry": "vehicle"})
    assert limited["images"] == [COCO["images"][1]]
    assert list(limited["categories"]) == [{"id": 1, "name": "sign"}, {"id": 2, "name": "vehicle"}]
    assert [(a["image_id"], a["category_id"], a["bbox"]) for a in limited["annotations"]] == [
        (9, 2, [1, 2, 3.5, 4]),
        (9, 2, [0, 1, 2, 3]),
    ]
    assert len(limit_coco(COCO, [0], ["car"], {})["annotations"]) == 0
    (crowd,) = limit_coco(COCO, [0, 1], ["sign"], {})["annotations"]
    assert crowd["segmentation"] == RUNS
    assert crowd["iscrowd"] == 1


@pytest.mark.parametrize(
    "wrong",
    [{"bbox": ["a", 1, 2, 3]}, {"bbox": [1, 2, 3]}, {"area": None}, {"image_id": 2**70}, {"iscrowd": "x"}],
)
def test_what_is_no_number_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AnnotationError, match=r"no number, or is too large: .*; mend the data set"):
        CocoTable.of({**COCO, "annotations": [{**COCO["annotations"][0], **wrong}]})


def test_a_table_of_nothing_has_no_annotations() -> None:
    table = CocoTable.of({**COCO, "annotations": []})
    assert list(table["annotations"]) == []
    assert table.boxes.shape == (0, 4)
    np.testing.assert_array_equal(limit_coco(table, [0], ["car"], {}).image_ids, [])
