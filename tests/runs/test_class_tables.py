"""Classes of objects as CSV: what is written is read again, and damage is refused with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.api import Truth
from benchmarks.runs.class_tables import read_labels, read_rankings, write_labels, write_rankings
from downstream.api import NO_CLASS, Classification
from hsc.errors import ResultsError

CLASSES = ("=car", 'a "cat", big', *(f"class-{number}" for number in range(998)))
IMAGES = ("-1.png", "none", "two, three")
LABELS = [np.array(labels, np.int64) for labels in ([0], [], [999, -1, 1])]
TRUTH = Truth(IMAGES, CLASSES, labels=LABELS)


def rankings() -> list[Classification]:
    """Rankings of 6 classes and of fewer: an object without any, and an image without objects."""
    empty = [NO_CLASS] * 6
    rows = [[[7, 3, 0, 1, 999, 500]], [], [[1, 2, *empty[2:]], empty, [999, 0, 1, 2, 3, 4]]]
    return [Classification(np.array(of_image, np.uint16).reshape(-1, 6)) for of_image in rows]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", TRUTH)
    write_rankings(tmp_path / "cell.csv", TRUTH, rankings())
    labels = read_labels(tmp_path / "labels.csv", IMAGES, CLASSES)
    assert [of_image.tolist() for of_image in labels] == [[0], [], [999, -1, 1]]
    for read, written in zip(read_rankings(tmp_path / "cell.csv", TRUTH), rankings(), strict=True):
        assert np.array_equal(read.ranking, written.ranking[:, :5])
        assert read.ranking.dtype == np.uint16


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", TRUTH)
    assert (tmp_path / "labels.csv").read_text().splitlines()[1] == "'-1.png,0,'=car"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,object\n", "columns"),
        ("image,object,class\nnone,0,class-1", "cut off"),
        ("image,object,class\nnone,0\n", "2 fields"),
        ("image,object,class\nelse,0,class-1\n", "'else'"),
        ("image,object,class\nnone,1,class-1\n", "'1'"),
        ("image,object,class\nnone,0,class-1\nnone,0,class-1\n", "'0'"),
        ("image,object,class\nnone,0,dog\n", "'dog'"),
    ],
)
def test_damaged_labels_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ResultsError, match=words):
        read_labels(tmp_path / "labels.csv", IMAGES, CLASSES)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("else,0,1,class-1", "'else'"),
        ("none,0,1,class-1", "labels do not have"),
        ('"two, three",3,1,class-1', "labels do not have"),
        ('"two, three",-1,1,class-1', "'-1'"),
        ('"two, three",²,1,class-1', "'²'"),
        ('"two, three",0,6,class-1', "rank 6"),
        ('"two, three",0,0,class-1', "rank 0"),
        ('"two, three",0,1,dog', "'dog'"),
    ],
)
def test_damaged_rankings_are_refused(tmp_path: Path, row: str, words: str) -> None:
    (tmp_path / "cell.csv").write_text(f"image,object,rank,class\n{row}\n", encoding="utf-8")
    with pytest.raises(ResultsError, match=words):
        read_rankings(tmp_path / "cell.csv", TRUTH)


@pytest.mark.parametrize("classes", [("a", "b", "a"), ("a", "")])
def test_classes_that_share_a_name_cannot_be_read(tmp_path: Path, classes: tuple[str, ...]) -> None:
    (tmp_path / "labels.csv").write_text("image,object,class\n")
    with pytest.raises(ResultsError, match="name"):
        read_labels(tmp_path / "labels.csv", IMAGES, classes)
