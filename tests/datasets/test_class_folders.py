"""folders and imagenet: listings, classes, orders, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.api import DATASETS, HandsOutImages
from benchmarks.datasets.folders import Folders
from benchmarks.datasets.imagenet import Imagenet
from downstream.api import Classification, Detections
from downstream.label_spaces.imagenet import imagenet1k
from hsc.errors import DataError


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 9, 3), level, np.uint8)).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for place, name in enumerate(("cat/b.png", "cat/a.png", "dog/a.png", "cat/c.png")):
        picture(tmp_path / name, 40 * place)
    (tmp_path / "cat" / "notes.txt").write_text("no image", "utf-8")
    (tmp_path / "dog" / "later.heic").write_bytes(b"")
    return tmp_path


def test_folders_list_one_image_of_each_class_in_turn(pets: Path) -> None:
    dataset = DATASETS.build(f"folders(root={str(pets)!r})")
    assert dataset.image_ids() == ["cat/a.png", "dog/a.png", "cat/b.png", "cat/c.png"]
    assert [dataset.class_labels(i).tolist() for i in range(4)] == [[0], [1], [0], [0]]
    assert dataset.label_space(Classification).classes == ("cat", "dog")
    assert dataset.label_space(Detections) is None
    assert dataset.load(1).image[0, 0].tolist() == [80, 80, 80]
    assert dataset.load(1).source_bytes == (pets / "dog/a.png").stat().st_size
    assert "1 images" in dataset.provenance()["passed_over"]
    assert isinstance(dataset, HandsOutImages)
    assert dataset.handed_out([2]).load(2).image_id == "cat/b.png"


def test_a_revision_follows_pixels_and_classes(pets: Path) -> None:
    before = Folders(str(pets)).revision
    picture(pets / "dog/a.png", 81)
    changed = Folders(str(pets)).revision
    (pets / "dog").rename(pets / "hound")
    assert len({before, changed, Folders(str(pets)).revision}) == 3


def test_folders_of_wordnet_ids_have_the_names_of_imagenets_classes(tmp_path: Path) -> None:
    for name in ("n02979186", "n01440764"):
        picture(tmp_path / "val" / name / "a.JPEG", 9)
    space = Folders(str(tmp_path), split="val").label_space(Classification)
    assert space is not None
    assert space.classes == ("tench", "cassette player")


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9)
    assert "CLASS" in (Folders(str(tmp_path)).available() or "")
    assert "no folder" in (Folders(str(tmp_path / "none")).available() or "")


LISTS = {
    "val.txt": "x_2.JPEG 1\nx_1.JPEG n01440764\n",
    "LOC_val_solution.csv": "ImageId,PredictionString\nx_2,n01443537 1 2 3 4 n01443537 5 6\nx_1,n01440764 1 2 3 4\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_imagenet_reads_lists(tmp_path: Path, name: str) -> None:
    for number in (1, 2):
        picture(tmp_path / "val" / f"x_{number}.JPEG", number)
    (tmp_path / name).write_text(LISTS[name], "utf-8")
    dataset = Imagenet(str(tmp_path))
    assert dataset.available() is None
    assert list(dataset.image_ids()) == ["x_1", "x_2"]
    assert [dataset.class_labels(i).tolist() for i in range(2)] == [[0], [1]]
    space = dataset.label_space(Classification)
    assert space is not None
    assert (space.name, len(space.classes), space.classes[1]) == ("imagenet1k", 1000, "goldfish")


def test_imagenet_reads_class_folders_with_their_own_numbers(tmp_path: Path) -> None:
    picture(tmp_path / "val/n15075141/b.JPEG", 1)
    picture(tmp_path / "val/n01443537/a.JPEG", 1)
    dataset = Imagenet(str(tmp_path))
    assert [dataset.class_labels(i).tolist() for i in range(2)] == [[1], [999]]
    picture(tmp_path / "val/cats/a.JPEG", 1)
    assert "'cats'" in (dataset.available() or "")


@pytest.mark.parametrize(
    ("text", "told"),
    [("490\n361\n", "line 1"), ("x_1.JPEG 1000\n", "line 1"), ("x_1.JPEG 3\nx_1.JPEG 4\n", "again"), ("y.JPEG 3", "y")],
)
def test_other_lists_are_refused(tmp_path: Path, text: str, told: str) -> None:
    picture(tmp_path / "val/x_1.JPEG", 1)
    (tmp_path / "val.txt").write_text(text, "utf-8")
    with pytest.raises(DataError, match=told):
        len(Imagenet(str(tmp_path)))
    assert Imagenet(str(tmp_path / "none")).available()


def test_the_thousand_classes() -> None:
    known = imagenet1k()
    assert list(known.wordnet_ids) == sorted(set(known.wordnet_ids))
    assert len(set(known.classes)) == len(known.wordnet_ids) == 1000
    names = dict(zip(known.wordnet_ids, known.classes, strict=True))
    assert (names["n02012849"], names["n03126707"], names["n02113186"]) == ("crane bird", "crane", "Cardigan")
