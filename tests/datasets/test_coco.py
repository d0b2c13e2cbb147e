"""COCO labels: what is checked, how it is ordered, and the official splits from a stand-in cache."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import DATASETS, Truth
from benchmarks.datasets import coco as module
from benchmarks.datasets._coco_splits import ANNOTATIONS, IMAGES
from benchmarks.datasets.coco import Coco
from benchmarks.formats.coco_json import read_coco
from benchmarks.metrics._coco_evaluation import numbers
from downstream.api import VOID, Detections, SegmentationMap
from downstream.class_maps import find_map
from downstream.label_spaces import COCO80, COCO81, VOC21
from hsc.errors import AnnotationError, DownloadError, ImageError, SpecError

GOOD: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "b.png", "width": 8, "height": 6},
        {"id": 2, "file_name": "in/a.png", "width": 5, "height": 5},
    ],
    "annotations": [
        {
            "id": 0,
            "image_id": 9,
            "category_id": 4,
            "bbox": [0.5, 1, 3, 4],
            "area": 7.5,
            "iscrowd": 0,
            "segmentation": [[1, 2, 3, 4, 5, 6]],
        },
        {"id": 0, "image_id": 9, "category_id": 1, "bbox": [0, 0, 8, 0]},
    ],
    "categories": [{"id": 4, "name": "van"}, {"id": 1, "name": "cat"}],
}


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Coco]:
    """build(content): a data set of two small images with these labels; ``text`` in place of JSON."""

    def make(content: Any = GOOD, *, text: str | None = None, **more: Any) -> Coco:
        for name, height, width in (("b.png", 6, 8), ("in/a.png", 5, 5)):
            file = tmp_path / "pictures" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(np.full((height, width, 3), 77, np.uint8)).save(file)
        (tmp_path / "instances_mine.json").write_text(json.dumps(content) if text is None else text)
        return Coco(str(tmp_path / "pictures"), str(tmp_path / "instances_mine.json"), **more)

    return make


def changed(where: str, index: int, **values: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    content[where][index].update(values)
    return content


def without(where: str, index: int, key: str) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    del content[where][index][key]
    return content


def test_order_boxes_and_ids(build: Callable[..., Coco]) -> None:
    dataset = build()
    assert dataset.image_ids() == ["2", "9"]
    assert dataset.split == "mine"
    assert [dataset.load(i).image.shape for i in (0, 1)] == [(5, 5, 3), (6, 8, 3)]
    space = dataset.label_space(Detections)
    assert space is not None
    assert space.classes == ("cat", "van")
    assert space.name == "coco-2-" + hashlib.sha256(b"cat\nvan").hexdigest()[:8]
    labels = dataset.coco()
    assert [r["id"] for r in labels["annotations"]] == [1, 2]
    assert [r["area"] for r in labels["annotations"]] == [7.5, 0]
    assert labels["annotations"][1]["iscrowd"] == 0
    assert "segmentation" not in labels["annotations"][0]


def test_label_maps(build: Callable[..., Coco]) -> None:
    whole = copy.deepcopy(GOOD)
    whole["annotations"][0]["segmentation"] = [[1, 0, 4, 0, 4, 6, 1, 6]]
    whole["annotations"][1] |= {"segmentation": {"size": [6, 8], "counts": [36, 12]}, "iscrowd": 1}
    dataset = build(whole)
    space = dataset.label_space(SegmentationMap)
    boxes = dataset.label_space(Detections)
    assert space is not None
    assert boxes is not None
    assert (space.name, space.classes) == (f"{boxes.name}+background", ("background", "cat", "van"))
    assert dataset.label_map(1).labels.tolist() == [[0, 2, 2, 2, 0, 0, VOID, VOID]] * 6
    assert dataset.label_map(0).labels.tolist() == [[0] * 5] * 5
    whole["annotations"][1]["segmentation"]["size"] = [8, 6]
    with pytest.raises(
        AnnotationError, match=r"annotation 1 of image 'b\.png' has runs of size \[8, 6\], expected \[6, 8\]"
    ):
        build(whole).label_map(1)


def test_label_maps_in_pascals_classes(build: Callable[..., Coco]) -> None:
    """A lorry is no class of PASCAL: it is background, and the car below it shows."""
    categories = [{"id": i, "name": name} for i, name in enumerate(COCO80.classes)]
    masks = {
        "car": [[0, 0, 4, 0, 4, 6, 0, 6]],
        "truck": [[2, 0, 4, 0, 4, 6, 2, 6]],
        "tv": {"size": [6, 8], "counts": [36, 12]},
    }
    annotations = [
        {"image_id": 9, "category_id": COCO80.classes.index(name), "bbox": [0, 0, 1, 1], "segmentation": mask}
        for name, mask in masks.items()
    ]
    content = GOOD | {"categories": categories, "annotations": annotations}
    assert build(content).label_map(1).labels[0].tolist() == [3, 3, 8, 8, 0, 0, 63, 63]
    dataset = build(content, maps="voc21")
    assert dataset.label_space(SegmentationMap) == VOC21
    assert dataset.label_space(Detections) == COCO80
    assert dataset.label_map(1).labels.tolist() == [[7, 7, 7, 7, 0, 0, 20, 20]] * 6
    known = find_map(COCO81.name, VOC21.name)
    assert known is not None
    assert [known[name] for name in module._VOC_IN_COCO.split(",")] == list(VOC21.classes[1:])
    with pytest.raises(AnnotationError, match=r"maps=voc21 needs COCO's 80 categories, 'instances_mine\.json' has 2"):
        build(GOOD | {"annotations": GOOD["annotations"][:1]}, maps="voc21").label_space(SegmentationMap)


def test_no_masks_are_no_maps_and_some_are_an_error(build: Callable[..., Coco]) -> None:
    assert build(without("annotations", 0, "segmentation")).label_space(SegmentationMap) is None
    with pytest.raises(
        AnnotationError, match=r"label maps cannot .*instances_mine\.json': 1 annotations have no segmentation"
    ):
        build().label_space(SegmentationMap)
    masked = GOOD | {"annotations": GOOD["annotations"][:1]}
    for categories in (
        [*GOOD["categories"], *({"id": i, "name": f"{i}"} for i in range(10, 263))],
        [*GOOD["categories"], {"id": 9, "name": "background"}],
    ):
        dataset = build(masked | {"categories": categories})
        assert dataset.label_space(Detections) is not None
        with pytest.raises(AnnotationError, match=rf"it has {len(categories)} categories"):
            dataset.label_space(SegmentationMap)


def test_the_80_classes_are_known_and_a_name_can_be_given(build: Callable[..., Coco]) -> None:
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(COCO80.classes)]
    dataset = build(GOOD | {"categories": categories[::-1], "annotations": GOOD["annotations"][:1]})
    assert dataset.label_space(Detections) == COCO80
    assert dataset.label_space(SegmentationMap) == COCO81
    space = build(space="mine").label_space(Detections)
    assert space is not None
    assert space.name == "mine"


def test_revision_follows_labels_and_files(build: Callable[..., Coco], tmp_path: Path) -> None:
    first = build().revision
    assert build().revision == first
    assert build(changed("annotations", 0, bbox=[0, 1, 3, 4])).revision != first
    dataset = build()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)).save(
        tmp_path / "pictures" / "b.png"
    )
    (tmp_path / "instances_mine.json").write_text(json.dumps(GOOD) + " ")
    assert dataset.revision != first


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "no list of objects named 'images'.*found list"),
        ({"images": []}, "lists no images|named 'annotations'"),
        (GOOD | {"images": []}, "lists no images"),
        (GOOD | {"categories": []}, "lists no categories"),
        (GOOD | {"annotations": [1]}, "named 'annotations'"),
        (without("images", 0, "file_name"), "1 of 2 images lack an integer id or a file_name"),
        (changed("images", 0, id="9"), "images lack an integer id"),
        (changed("images", 0, id=2), "image ids come twice: 2"),
        (changed("images", 0, file_name="../b.png"), "leaves the folder.*b.png"),
        (changed("images", 0, file_name="/etc/passwd"), "leaves the folder"),
        (changed("images", 0, file_name="gone.png"), r"1 of the 2 images .* are not in .*gone\.png"),
        (without("categories", 0, "name"), "categories lack"),
        (changed("categories", 0, id=1), "category ids come twice"),
        (without("annotations", 1, "bbox"), "annotations lack image_id, category_id or bbox"),
        (changed("annotations", 0, image_id=3), "unknown images: .*'image_id': 3"),
        (changed("annotations", 0, category_id=3), "unknown categories: .*'category_id': 3"),
        (changed("annotations", 0, bbox=[1, 2, -3, 4]), r"bbox that is not .*\[1, 2, -3, 4\]"),
        (changed("annotations", 0, bbox=[1, 2, 3]), "bbox"),
        (changed("annotations", 0, bbox=[1, 2, float("nan"), 3]), "bbox"),
        (changed("annotations", 0, bbox=[1, 2, "3", 3]), "bbox"),
        (changed("annotations", 0, area=-1), "area"),
        (changed("annotations", 0, iscrowd=2), "iscrowd"),
    ],
)
def test_what_contradicts_itself_is_refused(content: Any, complaint: str, build: Callable[..., Coco]) -> None:
    dataset = build(content)
    with pytest.raises(AnnotationError, match=complaint):
        len(dataset)
    assert dataset.available()


@pytest.mark.parametrize(
    "text", ["", "{", "nothing", '{"images": "\ud800"}'.encode("utf-8", "ignore").decode(), "[" * 100_000]
)
def test_what_is_not_json_is_refused(text: str, build: Callable[..., Coco]) -> None:
    with pytest.raises(AnnotationError, match=r"JSON|images"):
        len(build(text=text))


def test_a_missing_and_a_huge_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Callable[..., Coco]
) -> None:
    with pytest.raises(AnnotationError, match=r"none\.json"):
        read_coco(tmp_path / "none.json", tmp_path)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**31 + 1)  # a hole, no disk is taken
    with pytest.raises(AnnotationError, match="more than the 2,147,483,648"):
        read_coco(huge, tmp_path)


def test_an_image_of_another_size_than_stated_is_refused(build: Callable[..., Coco]) -> None:
    dataset = build(changed("images", 0, width=9))
    with pytest.raises(ImageError, match=r"'b\.png' is 8x6, its annotations say 9x6"):
        dataset.load(1)


def test_a_turned_image_is_read_as_stored(build: Callable[..., Coco], tmp_path: Path) -> None:
    dataset = build()
    picture = PIL.Image.fromarray(np.zeros((6, 8, 3), np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "pictures" / "b.png", exif=exif)
    assert dataset.load(1).image.shape == (6, 8, 3)


@pytest.mark.parametrize("text", ["coco(images=a)", "coco(annotations=a)", "coco(split=val2014)", "coco(maps=voc)"])
def test_arguments_must_make_sense(text: str) -> None:
    with pytest.raises(SpecError, match=r"belong together|val2017 or train2017|own or voc21"):
        DATASETS.build(text)


def test_an_official_split_is_fetched_unpacked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of the official layout lie in the cache already, so nothing is fetched; their proof is tested with the
    download.
    """
    cache = tmp_path / "cache" / "coco"
    cache.mkdir(parents=True)
    labels = json.dumps(GOOD | {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []})
    PIL.Image.new("RGB", (4, 3)).save(tmp_path / "1.jpg")
    with zipfile.ZipFile(cache / "val2017.zip", "w") as z:
        z.write(tmp_path / "1.jpg", "val2017/1.jpg")
        z.writestr("../escape.jpg", b"x")
    with zipfile.ZipFile(cache / "annotations_trainval2017.zip", "w") as z:
        z.writestr("annotations/instances_val2017.json", labels)
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HSC_OFFLINE", "1")
    dataset = DATASETS.build("coco")
    assert dataset.split == "val2017"
    assert len(dataset) == 1
    assert dataset.load(0).image.shape == (3, 4, 3)
    assert dataset.available() is None
    assert not (cache / "val2017.zip").exists()
    assert not list(tmp_path.rglob("escape.jpg"))
    assert sorted(p.name for p in cache.iterdir()) == ["annotations_trainval2017.zip", "val2017"]
    assert dataset.provenance()["source"] == "COCO val2017"


def test_offline_and_a_broken_archive_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_CACHE", str(tmp_path))
    monkeypatch.setenv("HSC_OFFLINE", "1")
    dataset = DATASETS.build("coco(split=train2017)")
    assert "HSC_OFFLINE" in (dataset.available() or "")
    with pytest.raises(DownloadError, match="HSC_OFFLINE"):
        len(dataset)
    for name in ("train2017.zip", "annotations_trainval2017.zip"):
        (tmp_path / "coco").mkdir(exist_ok=True)
        (tmp_path / "coco" / name).write_bytes(b"no archive")
    with pytest.raises(DownloadError, match="cannot unpack COCO train2017"):
        len(dataset)


def test_the_pinned_archives_are_the_official_ones() -> None:
    for archive in (ANNOTATIONS, *IMAGES.values()):
        assert archive.url.startswith("http://images.cocodataset.org/")
        assert len(archive.sha256) == 64


def test_coco128_labels(shared: Path) -> None:
    folder = shared / "data" / "coco128"
    dataset = Coco(str(folder / "val2017"), str(folder / "annotations" / "instances_val2017.json"))
    assert (len(dataset), len(dataset.coco()["annotations"])) == (128, 939)
    assert dataset.label_space(Detections) == COCO80


ENDLESS = 10**400
LARGE = [10**400, -(10**400), 2**63, 2**53 + 1]


@pytest.mark.parametrize(
    "content",
    [
        *(
            changed("annotations", 0, bbox=[0, 0, 1, value])
            for value in (ENDLESS, 1e308, 2e9, math.inf, math.nan, "4", True, None, [1])
        ),
        *(changed("annotations", 0, bbox=[value, 0, 1, 1]) for value in (-ENDLESS, ENDLESS, -2e9)),
        *(changed("annotations", 0, area=value) for value in (ENDLESS, -ENDLESS, 1e300, math.inf, "7", True, None)),
        *(changed("annotations", 0, iscrowd=value) for value in (ENDLESS, 2, -1, math.nan, "0", None, [0])),
        *(changed("annotations", 0, image_id=value) for value in (*LARGE, "9", 9.0, True)),
        *(changed("annotations", 0, category_id=value) for value in (*LARGE, "4", 4.0, True)),
        *(changed("images", 1, id=value) for value in (*LARGE, -(2**53) - 1, "2", 2.5, True, None)),
        *(changed("images", 0, width=value) for value in (ENDLESS, 0, -8, 8.5, 2**40, math.inf, True, "8", None, [8])),
        *(changed("images", 0, height=value) for value in (ENDLESS, 0, -6, 6.5, 2**40, math.nan, True, "6", None, {})),
        *(
            changed("images", 1, file_name=value)
            for value in (7, None, ["a"], "", "\ud800.png", "x" * 2000, "a\0b", ".", "..")
        ),
        *(changed("categories", 1, id=value) for value in (*LARGE, -ENDLESS, "1", 1.5, True, None)),
        *(changed("categories", 1, name=value) for value in (7, None, ["cat"], "", "\udfff", "x" * 2000)),
    ],
    ids=lambda content: "",
)
def test_numbers_and_names_that_are_none_are_refused(build: Callable[..., Coco], content: dict[str, Any]) -> None:
    """Whole numbers of JSON have no end, and floats have: each is one sentence before anything is counted."""
    dataset = build(content)
    reason = dataset.available()
    assert reason is not None
    assert len(reason) < 700
    with pytest.raises(AnnotationError, match=r"instances_mine\.json"):
        dataset.coco()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"images":' * 100_000,
        '{"images": [{"id": ' + "9" * 5000 + "}]}",
        "9" * 5000,
        "NaN",
        "\ufeff{}",
        "\x00",
        '"' + "a" * 10**6,
    ],
)
def test_json_that_is_none_is_refused(build: Callable[..., Coco], text: str) -> None:
    with pytest.raises(AnnotationError):
        build(text=text).coco()


def test_the_largest_numbers_that_are_read(build: Callable[..., Coco]) -> None:
    content = copy.deepcopy(GOOD)
    for part, field, number in (("images", "id", 2**53), ("categories", "id", -(2**53))):
        content[part][0][field] = number
    for annotation in content["annotations"]:
        annotation["image_id"] = 2**53
    content["annotations"][0] |= {"category_id": -(2**53), "bbox": [-1e9, -1e9, 1e9, 1e9], "area": 1e18}
    content["images"][0] |= {"width": 8.0, "height": 6}
    dataset = build(content)
    assert dataset.image_ids() == ["2", str(2**53)]
    assert dataset.load(1).image.shape == (6, 8, 3)
    assert dataset.coco()["annotations"][0]["area"] == 1e18


@pytest.mark.parametrize("value", [ENDLESS, "wide", None, [1]])
def test_labels_of_a_plug_in_are_held_to_the_same(value: Any) -> None:
    """Evaluators keep floats: values that are no float, or change as floats, are refused where they are counted."""
    boxes = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    for where, content in (
        ("box", {**GOOD, "annotations": [{"image_id": 9, "category_id": 4, "bbox": [0, 0, 1, value]}]}),
        ("area", {**GOOD, "annotations": [{"image_id": 9, "category_id": 4, "bbox": [0, 0, 1, 1], "area": value}]}),
    ):
        truth = Truth(("9", "2"), ("van", "cat"), coco=content)
        with pytest.raises(AnnotationError, match="box or area that is no number"):
            numbers(truth, [boxes, boxes], "bbox")
        assert where
    for content in (changed("images", 0, id=2**53 + 1), changed("categories", 0, id=ENDLESS)):
        with pytest.raises(AnnotationError, match="ids beyond 9007199254740992"):
            numbers(Truth(("9", "2"), ("van", "cat"), coco=content), [boxes, boxes], "bbox")
