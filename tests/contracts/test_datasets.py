"""What every data set keeps. Those that need files are built from a few made here, and from the development data where
present.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import DATASETS, HasBoxes, HasClassLabels, HasLabelMaps, HasRegions, Sample
from downstream.api import VOID, Classification, Detections, SegmentationMap
from hsc.errors import SpecError
from hsc.registry import config

TESTKITS = ("hsc_testkit", "class_testkit")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(file: Path, array: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(array).save(file)


def make_images(root: Path) -> str:
    for number, name in enumerate(("b.png", "a.jpg", "deeper/c.PNG")):
        save(root / "pictures" / name, picture(20, 30 + number))
    (root / "pictures" / "notes.txt").write_text("not an image")
    return f'images(path="{root}/pictures")'


def make_coco(root: Path) -> str:
    images = [{"id": i, "file_name": f"{i:03}.png", "height": 24, "width": 32} for i in (9, 3, 5)]
    for record in images:
        save(root / "coco" / str(record["file_name"]), picture(24, 32, int(str(record["id"]))))
    annotations = [
        {
            "id": 0,
            "image_id": 9,
            "category_id": 7,
            "bbox": [1, 2, 10, 5.5],
            "area": 40.5,
            "iscrowd": 0,
            "segmentation": [[1, 2, 11, 2, 6, 7.5]],
        },
        {
            "id": 4,
            "image_id": 5,
            "category_id": 2,
            "bbox": [0, 0, 32, 24],
            "iscrowd": 1,
            "segmentation": {"size": [24, 32], "counts": [0, 768]},
        },
    ]
    categories = [{"id": 7, "name": "van"}, {"id": 2, "name": "person"}]
    (root / "labels.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return f'coco(images="{root}/coco", annotations="{root}/labels.json")'


def make_camvid(root: Path) -> str:
    for number in range(3):
        save(root / "camvid" / "val" / f"0016E5_{number:05}.png", picture(36, 48, number))
        labels = np.random.default_rng(number).integers(0, 12, (36, 48), np.uint8)
        save(root / "camvid" / "valannot" / f"0016E5_{number:05}.png", labels)
    return f'camvid(root="{root}/camvid")'


def make_small_camvid(root: Path) -> str:
    return make_camvid(root)[:-1] + ", size=24x18)"


def make_voc(root: Path) -> str:
    for number, name in enumerate(("2007_000033", "2007_000042")):
        save(root / "voc" / "JPEGImages" / f"{name}.jpg", picture(21, 30 + number))
        save(
            root / "voc" / "SegmentationClass" / f"{name}.png",
            np.random.default_rng(number).integers(0, 21, (21, 30 + number), np.uint8),
        )
    (root / "voc" / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "voc" / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000042\n2007_000033\n")
    return f'voc(root="{root}/voc")'


def make_cityscapes(root: Path) -> str:
    for number, name in enumerate(("bonn/bonn_000000_000019", "ulm/ulm_000000_000019")):
        save(root / "cityscapes" / "leftImg8bit" / "val" / f"{name}_leftImg8bit.png", picture(24, 48, number))
        labels = np.random.default_rng(number).integers(0, 34, (24, 48), np.uint8)
        save(root / "cityscapes" / "gtFine" / "val" / f"{name}_gtFine_labelIds.png", labels)
    return f'cityscapes(root="{root}/cityscapes")'


def make_ade20k(root: Path) -> str:
    for number in range(2):
        save(root / "ade" / "images" / "validation" / f"ADE_val_{number:08}.jpg", picture(24 + number, 31))
        labels = np.random.default_rng(number).integers(0, 151, (24 + number, 31), np.uint8)
        save(root / "ade" / "annotations" / "validation" / f"ADE_val_{number:08}.png", labels)
    return f'ade20k(root="{root}/ade")'


def make_folders(root: Path) -> str:
    for number, name in enumerate(("cat/a.png", "cat/b.jpg", "dog/a.png")):
        save(root / "pets" / name, picture(20 + number, 30))
    return f'folders(root="{root}/pets")'


def make_imagenet(root: Path) -> str:
    for number in range(2):
        save(root / "imagenet" / "val" / f"ILSVRC2012_val_{number + 1:08}.JPEG", picture(20 + number, 30))
    (root / "imagenet" / "val.txt").write_text("ILSVRC2012_val_00000002.JPEG 7\nILSVRC2012_val_00000001.JPEG 999\n")
    return f'imagenet(root="{root}/imagenet")'


def make_crops(root: Path) -> str:
    inner = make_coco(root).replace('"', "'")
    return f'object_crops(of="{inner}")'


def make_coded_crops(root: Path) -> str:
    return make_crops(root)[:-1] + ", coded=crop)"


MADE: dict[str, Callable[[Path], str]] = {
    "images": make_images,
    "coco": make_coco,
    "camvid": make_camvid,
    "camvid small": make_small_camvid,
    "voc": make_voc,
    "cityscapes": make_cityscapes,
    "ade20k": make_ade20k,
    "folders": make_folders,
    "imagenet": make_imagenet,
    "object_crops": make_crops,
    "object_crops coded": make_coded_crops,
}
SHARED = {
    "shared coco128": 'coco(images="{0}/coco128/val2017", '
    'annotations="{0}/coco128/annotations/instances_val2017.json")',
    "shared camvid": 'camvid(root="{0}/camvid")',
    "shared raccoon": 'images(path="{0}/raccoon")',
}
NAMED = [name for name in DATASETS.names() if name not in MADE and DATASETS.get(name).__module__ not in TESTKITS]


@pytest.fixture(params=[*MADE, *SHARED, *NAMED])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param in MADE:
        return DATASETS.build(MADE[request.param](tmp_path))
    if request.param in SHARED:
        return DATASETS.build(SHARED[request.param].format(request.getfixturevalue("shared") / "data"))
    try:
        built: Any = DATASETS.build(request.param)
    except SpecError as error:
        pytest.skip(f"{request.param} has no defaults: {error}")
    if built.available():
        pytest.skip(f"{request.param}: {built.available()}")
    return built


def ends(dataset: Any) -> list[int]:
    """The first and the last index: enough to see an order, quick enough for large sets."""
    return sorted({0, len(dataset) - 1})


def test_no_data_set_file_is_broken() -> None:
    DATASETS.names()
    assert DATASETS.broken == {}


def test_config_round_trip(dataset: Any) -> None:
    text = str(DATASETS.spec(dataset))
    assert DATASETS.build(text) == dataset
    assert hash(DATASETS.build(text)) == hash(dataset)
    assert type(dataset)(**config(dataset)) == dataset


def test_length_and_ids(dataset: Any) -> None:
    ids = dataset.image_ids()
    assert len(ids) == len(dataset) > 0
    assert len(set(ids)) == len(ids)
    assert all(isinstance(i, str) and i for i in ids)
    assert isinstance(dataset.split, str)


def test_samples(dataset: Any) -> None:
    for index in ends(dataset):
        sample = dataset.load(index)
        assert isinstance(sample, Sample)
        assert sample.image_id == dataset.image_ids()[index]
        assert sample.image.dtype == np.uint8
        assert sample.image.ndim == 3
        assert sample.image.shape[2] == 3
        assert sample.source_bytes is None or sample.source_bytes > 0
        assert np.array_equal(dataset.load(index).image, sample.image)


def test_pickle_is_cheap_and_equal(dataset: Any) -> None:
    assert len(dataset) > 0
    dataset.revision  # noqa: B018  whatever it keeps by now must not travel
    data = pickle.dumps(dataset)
    assert len(data) < 2000
    again = pickle.loads(data)
    assert again == dataset
    assert again.revision == dataset.revision
    assert np.array_equal(again.load(0).image, dataset.load(0).image)


def test_provenance_and_availability(dataset: Any) -> None:
    assert dataset.available() is None
    facts = dataset.provenance()
    assert facts
    assert all(isinstance(k, str) and isinstance(v, str) and v for k, v in facts.items())
    assert isinstance(dataset.revision, str)
    assert dataset.revision


def test_boxes(dataset: Any) -> None:
    space = dataset.label_space(Detections)
    if space is None:
        pytest.skip("no boxes")
    labelled: Any = dataset
    assert isinstance(labelled, HasBoxes)
    coco = labelled.coco()
    assert len(coco["images"]) == len(dataset)
    image_ids = [record["id"] for record in coco["images"]]
    assert all(type(i) is int for i in image_ids)
    assert len(set(image_ids)) == len(image_ids)
    assert tuple(c["name"] for c in coco["categories"]) == space.classes
    category_ids = {c["id"] for c in coco["categories"]}
    for record in coco["annotations"]:
        assert record["image_id"] in set(image_ids)
        assert record["category_id"] in category_ids
        assert len(record["bbox"]) == 4
        assert record["area"] >= 0
        assert record["iscrowd"] in (0, 1)
    ids = [record["id"] for record in coco["annotations"]]
    assert len(set(ids)) == len(ids)
    assert 0 not in ids
    for index in ends(dataset):
        record, shape = coco["images"][index], dataset.load(index).image.shape
        assert (record["height"], record["width"]) == shape[:2]


def test_class_labels_and_regions(dataset: Any) -> None:
    space = dataset.label_space(Classification)
    if space is None:
        pytest.skip("no class labels")
    labelled: Any = dataset
    assert isinstance(labelled, HasClassLabels)
    for index in ends(dataset):
        labels = labelled.class_labels(index)
        assert (labels.dtype, labels.ndim) == (np.int64, 1)
        assert ((labels >= 0) & (labels < len(space.classes))).all()
        regions = labelled.regions(index) if isinstance(labelled, HasRegions) else None
        assert len(labels) == (1 if regions is None else len(regions))
        height, width = dataset.load(index).image.shape[:2]
        for left, top, right, bottom in regions or ():
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height


def test_label_maps(dataset: Any) -> None:
    space = dataset.label_space(SegmentationMap)
    if space is None:
        pytest.skip("no label maps")
    labelled: Any = dataset
    assert isinstance(labelled, HasLabelMaps)
    for index in ends(dataset):
        labels = labelled.label_map(index).labels
        assert labels.dtype == np.uint8
        assert labels.shape == dataset.load(index).image.shape[:2]
        assert set(np.unique(labels)) <= {*range(len(space.classes)), VOID}
