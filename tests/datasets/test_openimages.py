"""openimages: MPEG's lists as COCO labels, and lists that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniatures import HW, IMAGES, mpeg_oiv6

from benchmarks.api import DATASETS
from downstream.api import Detections, SegmentationMap
from downstream.label_spaces import COCO80


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mpeg_oiv6(tmp_path)
    return tmp_path / "mpeg-oiv6"


def build(root: Path) -> object:
    return DATASETS.build(f'openimages(root="{root}")')


def test_boxes_are_in_pixels_and_verified_classes_have_coco_names(root: Path) -> None:
    dataset = build(root)
    assert dataset.available() is None
    assert len(dataset) == IMAGES
    assert dataset.label_space(Detections) == COCO80
    assert dataset.label_space(SegmentationMap) is None
    coco = dataset.coco()
    assert (coco["images"][0]["height"], coco["images"][0]["width"]) == HW
    assert coco["images"][0]["verified"] == ("person", "traffic light")
    assert coco["annotations"][0]["bbox"][0] == pytest.approx(16)
    assert all(
        box == pytest.approx([round(side) for side in box]) for box in (one["bbox"] for one in coco["annotations"])
    )
    sample = dataset.load(3)
    assert sample.image_id == dataset.image_ids()[3]
    assert sample.image.shape[:2] == HW
    assert dataset.provenance()["boxes_sha256"] != dataset.provenance()["labels_sha256"]


def test_groups_are_crowds_and_a_changed_list_is_another_revision(root: Path) -> None:
    before = build(root).revision
    boxes = root / "detection_validation_5k_bbox.csv"
    lines = boxes.read_text().splitlines()
    boxes.write_text("\n".join([*lines[:1], lines[1][:-1] + "1", *lines[2:]]))
    assert [one["iscrowd"] for one in build(root).coco()["annotations"]][:2] == [1, 0]
    assert build(root).revision != before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0000000000000028,dragon,0,1,0,1,0", ["'dragon'", "none of COCO's 80"]),
        ("0000000000000028,person,0,2,0,1,0", ["corners", "0 to 1"]),
        ("0000000000000028,person,a,1,0,1,0", ["no number"]),
        ("0000000000000028,person,0,1", ["has no YMin"]),
        ("ffff,person,0,1,0,1,0", ["ffff", "does not name"]),
    ],
)
def test_a_damaged_list_is_refused_in_one_sentence(root: Path, line: str, words: list[str]) -> None:
    boxes = root / "detection_validation_5k_bbox.csv"
    boxes.write_text(boxes.read_text().rstrip() + f"\n{line}\n")
    reason = build(root).available()
    assert all(word in reason for word in words)


def test_missing_lists_and_pictures_name_the_cure(root: Path) -> None:
    next((root / "images").iterdir()).unlink()
    assert "is missing" in build(root).available()
    (root / "detection_validation_labels_5k.csv").unlink()
    assert "hsc-bench recipes oiv6-det" in build(root).available()
