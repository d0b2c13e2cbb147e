"""Data sets whose paths are URIs: the same images and labels as from a path, fetched by the run and by nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import PIL.Image
import pytest

from benchmarks import evaluate
from benchmarks.api import DATASETS
from benchmarks.files import mirror
from benchmarks.programs.data_only import why_not_built
from hsc.registry import config
from hsc.weights.fetching import Fetches, fetch_all, unfetched


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are also in fsspec's memory, once ``put`` was called; and a cache folder."""
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HSC_OFFLINE", raising=False)
    fsspec.filesystem("memory").store.clear()
    folder = tmp_path / "bucket"
    folder.mkdir()
    yield folder
    fsspec.filesystem("memory").store.clear()
    mirror._failed.clear()


def put(folder: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pipe({f"/bucket/{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*") if p.is_file()})


def picture(file: Path, shade: int = 0, mode: str = "RGB") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((40, 60, 3) if mode == "RGB" else (40, 60), shade, np.uint8)).save(file)


def photos(folder: Path) -> str:
    for shade, name in enumerate(("a.png", "b/c.png")):
        picture(folder / "photos" / name, shade)
    return "images(path='{}/photos')"


def class_folders(folder: Path) -> str:
    picture(folder / "pets" / "val" / "cat" / "a.png")
    picture(folder / "pets" / "val" / "dog" / "b.png", 9)
    picture(folder / "pets" / "train" / "dog" / "c.png")
    return "folders(root='{}/pets', split=val)"


def coco(folder: Path) -> str:
    picture(folder / "photos" / "a.png")
    labels = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [1, 2, 30, 20],
                "area": 600,
                "iscrowd": 0,
                "segmentation": [[1, 2, 31, 2, 31, 22, 1, 22]],
            }
        ],
    }
    (folder / "labels.json").write_text(json.dumps(labels))
    return "coco(images='{0}/photos', annotations='{0}/labels.json')"


def camvid(folder: Path) -> str:
    for split in ("train", "val"):
        picture(folder / "camvid" / split / "x.png")
        picture(folder / "camvid" / f"{split}annot" / "x.png", 3, "L")
    return "camvid(root='{}/camvid')"


def ade20k(folder: Path) -> str:
    picture(folder / "ade" / "images" / "validation" / "x.jpg")
    picture(folder / "ade" / "annotations" / "validation" / "x.png", 3, "L")
    return "ade20k(root='{}/ade')"


def cityscapes(folder: Path) -> str:
    picture(folder / "leftImg8bit" / "val" / "ulm" / "x_leftImg8bit.png")
    picture(folder / "gtFine" / "val" / "ulm" / "x_gtFine_labelIds.png", 7, "L")
    return "cityscapes(root='{}')"


def voc(folder: Path) -> str:
    picture(folder / "VOC2012" / "JPEGImages" / "x.jpg")
    picture(folder / "VOC2012" / "SegmentationClass" / "x.png", 3, "L")
    (folder / "VOC2012" / "ImageSets" / "Segmentation").mkdir(parents=True)
    (folder / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt").write_text("x\n")
    return "voc(root='{}/VOC2012')"


def imagenet(folder: Path) -> str:
    picture(folder / "imagenet" / "val" / "x.JPEG")
    (folder / "list.txt").write_text("x 7\n")
    return "imagenet(root='{0}/imagenet', labels='{0}/list.txt')"


def openimages(folder: Path) -> str:
    picture(folder / "oi" / "images" / "x.jpg")
    (folder / "oi" / "boxes.csv").write_text("ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\nx,car,0,0.5,0,0.5,0\n")
    (folder / "oi" / "labels.csv").write_text("ImageID,LabelName,Confidence\nx,car,1\n")
    return "openimages(root='{}/oi', boxes='boxes.csv', labels='labels.csv')"


def crops_of_coco(folder: Path) -> str:
    return f'object_crops(of="{coco(folder)}")'


ALL = (photos, class_folders, coco, camvid, ade20k, cityscapes, voc, imagenet, openimages, crops_of_coco)


@pytest.mark.parametrize("make", ALL)
def test_a_uri_gives_what_a_path_gives(make: Any, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make(bucket)
    put(bucket)
    here, there = DATASETS.build(spec.format(bucket)), DATASETS.build(spec.format("memory://bucket"))
    assert unfetched(here) == ""
    assert there.available()
    assert isinstance(there, Fetches)
    fetch_all([there])
    fsspec.filesystem("memory").store.clear()  # everything else reads the copy
    assert there.available() is None
    assert there.revision == here.revision
    assert there.image_ids() == here.image_ids()
    assert np.array_equal(there.load(0).image, here.load(0).image)
    for method in ("label_map", "class_labels"):
        if hasattr(here, method):
            labels = [getattr(one, method)(0) for one in (here, there)]
            assert len({np.asarray(getattr(label, "labels", label)).tobytes() for label in labels}) == 1
    assert dict(there.provenance()) == dict(here.provenance())
    assert "memory://bucket" in str(DATASETS.spec(there))


@pytest.mark.parametrize("make", ALL)
def test_a_folder_from_elsewhere_makes_nobody_fetch(make: Any, bucket: Path) -> None:
    spec = make(bucket)
    here, there = DATASETS.build(spec.format(bucket)), DATASETS.build(spec.format("memory://bucket"))
    name = DATASETS.spec(there).name
    assert why_not_built(DATASETS, name, config(here)) is None
    assert "memory://" in (why_not_built(DATASETS, name, config(there)) or "")


def test_only_the_split_is_fetched(bucket: Path) -> None:
    spec = camvid(bucket)
    put(bucket)
    dataset = DATASETS.build(spec.format("memory://bucket"))
    fetch_all([dataset])
    root = dataset.places()[0].local()
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png")) == ["val/x.png", "valannot/x.png"]


def test_the_folder_of_all_data_may_be_a_uri(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camvid(bucket)
    put(bucket)
    monkeypatch.setenv("HSC_DATA", "memory://bucket")
    dataset = DATASETS.build("camvid")
    fetch_all([dataset])
    assert len(dataset) == 1


def test_a_run_says_why_it_cannot_fetch(bucket: Path) -> None:
    from hsc.errors import UnavailableError

    with pytest.raises(UnavailableError, match="nothing at memory://bucket/none"):
        evaluate(dataset='images(path="memory://bucket/none")', codecs=["jpeg"], heads=["small"], limit=1)
