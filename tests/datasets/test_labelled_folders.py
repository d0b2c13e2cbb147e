"""VOC, Cityscapes and ADE20K from tiny folders of their layouts: what numbers mean, the order, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import DATASETS
from downstream.api import VOID, Detections, SegmentationMap
from downstream.label_spaces import ADE150, CITYSCAPES19, VOC21
from hsc.errors import AnnotationError, DataError, ImageError, SpecError

SIZES = ((5, 9), (7, 3))
"""Height and width of the two images of each folder, odd on purpose."""


def save(file: Path, array: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.asarray(array, np.uint8)).save(file)
    return file


def numbers(size: tuple[int, int], stored: list[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A label map that runs through all the numbers in turn, from another one on each row."""
    return np.resize(np.array(stored, np.uint8), size[0] * size[1]).reshape(size)


class Layout(NamedTuple):
    """One made folder. spec: the data set; images, labels: the files of the first and second image."""

    spec: str
    images: tuple[Path, Path]
    labels: tuple[Path, Path]


def make_voc(root: Path) -> Layout:
    names = ("2008_000009", "2007_000033")  # the list's order, not the names'
    for name, size in zip(names, SIZES, strict=True):
        save(root / "JPEGImages" / f"{name}.jpg", np.full((*size, 3), 90))
        save(root / "SegmentationClass" / f"{name}.png", numbers(size, [0, 20, VOID, 15]))
    save(root / "JPEGImages" / "2007_000001.jpg", np.zeros((4, 4, 3)))  # in no list
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(names) + "\n\n")
    files = [(root / "JPEGImages" / f"{n}.jpg", root / "SegmentationClass" / f"{n}.png") for n in names]
    return Layout(f'voc(root="{root}")', (files[0][0], files[1][0]), (files[0][1], files[1][1]))


def make_cityscapes(root: Path, labels: str = "labelIds", stored: tuple[int, ...] = (7, 33, 0, 24)) -> Layout:
    names = ("aachen/aachen_000001_000019", "berlin/berlin_000000_000019")
    files = []
    for name, size in zip(names, SIZES, strict=True):
        image = save(root / "leftImg8bit" / "val" / f"{name}_leftImg8bit.png", np.full((*size, 3), 90))
        files.append(
            (image, save(root / "gtFine" / "val" / f"{name}_gtFine_{labels}.png", numbers(size, list(stored))))
        )
        save(root / "gtFine" / "val" / f"{name}_gtFine_instanceIds.png", np.zeros(size))
    return Layout(f'cityscapes(root="{root}", labels={labels})', (files[0][0], files[1][0]), (files[0][1], files[1][1]))


def make_train_ids(root: Path) -> Layout:
    return make_cityscapes(root, "labelTrainIds", (0, 18, VOID, 11))


def make_ade20k(root: Path) -> Layout:
    names = ("ADE_val_00000001", "ADE_val_00000002")
    files = []
    for name, size in zip(names, SIZES, strict=True):
        image = save(root / "images" / "validation" / f"{name}.jpg", np.full((*size, 3), 90))
        files.append((image, save(root / "annotations" / "validation" / f"{name}.png", numbers(size, [1, 150, 0, 13]))))
    return Layout(f'ade20k(root="{root}")', (files[0][0], files[1][0]), (files[0][1], files[1][1]))


MAKERS = {"voc": make_voc, "cityscapes": make_cityscapes, "train ids": make_train_ids, "ade20k": make_ade20k}
EXPECTED = {  # the four numbers each maker writes, as labels
    "voc": (VOC21, [0, 20, VOID, 15], ["2008_000009", "2007_000033"]),
    "cityscapes": (CITYSCAPES19, [0, 18, VOID, 11], ["aachen_000001_000019", "berlin_000000_000019"]),
    "train ids": (CITYSCAPES19, [0, 18, VOID, 11], ["aachen_000001_000019", "berlin_000000_000019"]),
    "ade20k": (ADE150, [0, 149, VOID, 12], ["ADE_val_00000001", "ADE_val_00000002"]),
}


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def layout(kind: str, tmp_path: Path) -> Layout:
    return MAKERS[kind](tmp_path)


def build(layout: Layout) -> Any:
    return DATASETS.build(layout.spec)


def test_order_sizes_and_labels(kind: str, layout: Layout) -> None:
    space, labels, ids = EXPECTED[kind]
    dataset = build(layout)
    assert dataset.available() is None
    assert dataset.image_ids() == ids
    assert dataset.label_space(SegmentationMap) == space
    assert dataset.label_space(Detections) is None
    for index, size in enumerate(SIZES):
        assert dataset.load(index).image.shape == (*size, 3)
        assert dataset.load(index).source_bytes == layout.images[index].stat().st_size
        assert dataset.label_map(index).labels.tolist() == numbers(size, labels).tolist()


def test_a_palette_png_holds_numbers_too(layout: Layout) -> None:
    before = build(layout).label_map(0).labels
    with PIL.Image.open(layout.labels[0]) as stored:
        index = PIL.Image.frombytes("P", stored.size, stored.tobytes())
    index.putpalette([c for i in range(256) for c in (255 - i, i, 7)])
    index.save(layout.labels[0])
    assert np.array_equal(build(layout).label_map(0).labels, before)


def test_a_turned_photo_is_read_as_its_labels_are(layout: Layout) -> None:
    if layout.images[0].suffix != ".jpg":
        pytest.skip("no EXIF")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", SIZES[0][::-1]).save(layout.images[0], exif=exif)
    dataset = build(layout)
    assert dataset.load(0).image.shape[:2] == dataset.label_map(0).labels.shape == SIZES[0]


def test_revision_follows_a_label_and_a_photo(kind: str, tmp_path: Path) -> None:
    revisions = []
    for number in range(4):
        layout = MAKERS[kind](tmp_path / str(number))
        if number == 2:
            save(layout.labels[0], np.full(SIZES[0], EXPECTED[kind][1][0] + 1))
        if number == 3:
            save(layout.images[1], np.random.default_rng(0).integers(0, 256, (*SIZES[1], 3)))
        revisions.append(build(layout).revision)
    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 3


Damage = Callable[[Layout], Any]
LABEL_DAMAGE: dict[str, tuple[Damage, str]] = {
    "another size": (
        lambda x: save(x.labels[1], np.zeros((3, 7))),
        "is 7x3, its image .* 3x7; they must be of one size",
    ),
    "colour": (
        lambda x: save(x.labels[1], np.zeros((7, 3, 3))),
        "colour type 2 and 8 bits, expected one number a pixel",
    ),
    "16 bits": (
        lambda x: PIL.Image.fromarray(np.zeros((7, 3), np.uint16)).save(x.labels[1]),
        "colour type 0 and 16 bits",
    ),
    "4 bits": (lambda x: x.labels[1].write_bytes(_shallow()), "colour type 0 and 4 bits"),
    "empty": (lambda x: x.labels[1].write_bytes(b""), "is not a PNG file, or is cut"),
    "no image": (lambda x: x.labels[1].write_bytes(b"no image at all, only some text"), "is not a PNG file"),
    "a JPEG": (lambda x: PIL.Image.new("L", (3, 7)).save(x.labels[1], "JPEG"), "is not a PNG file"),
    "cut": (lambda x: x.labels[1].write_bytes(x.labels[1].read_bytes()[:45]), "cannot read the label map .*damaged"),
    "gone since": (lambda x: x.labels[1].unlink(), "1 of the 2 label maps of .* are not in"),
    "a number without meaning": (lambda x: save(x.labels[1], np.full((7, 3), 200)), "holds 200, expected only 0 to"),
}


def _shallow() -> bytes:
    """The head of a 4-bit grey PNG, whose numbers Pillow would stretch."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + (13).to_bytes(4, "big")
        + b"IHDR"
        + (3).to_bytes(4, "big")
        + (7).to_bytes(4, "big")
        + bytes([4, 0, 0, 0, 0])
    )


@pytest.mark.parametrize("damage", LABEL_DAMAGE)
def test_a_label_map_that_does_not_fit_is_named(damage: str, layout: Layout) -> None:
    dataset = build(layout)
    assert len(dataset) == 2
    act, complaint = LABEL_DAMAGE[damage]
    act(layout)
    with pytest.raises(AnnotationError, match=complaint) as caught:
        dataset.label_map(1)
    assert layout.labels[1].name in str(caught.value)
    if damage != "gone since":  # then the set is no longer whole, and nothing of it is read
        dataset.label_map(0)


def test_a_damaged_image_is_named(layout: Layout) -> None:
    layout.images[0].write_bytes(layout.images[0].read_bytes()[:20])
    dataset = build(layout)
    with pytest.raises(ImageError, match=layout.images[0].name):
        dataset.load(0)
    with pytest.raises(ImageError, match=layout.images[0].name):
        dataset.label_map(0)


def test_a_missing_label_map_is_named_before_anything_runs(layout: Layout) -> None:
    layout.labels[1].unlink()
    dataset = build(layout)
    with pytest.raises(AnnotationError, match=rf"1 of the 2 label maps .*{layout.labels[1].name}; .*root="):
        len(dataset)
    assert dataset.available()


@pytest.mark.parametrize("name", ["voc", "cityscapes", "ade20k"])
def test_no_folder_is_a_reason_with_the_cure(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_DATA", str(tmp_path))
    dataset: Any = DATASETS.build(name)
    assert f"{name}(root=...)" in dataset.available()
    assert str(tmp_path) in dataset.available()
    with pytest.raises(DataError):
        len(dataset)


@pytest.mark.parametrize("folder", ["leftImg8bit/val", "images/validation"])
def test_an_empty_folder_is_refused(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(ImageError, match=r"holds no image; .*root=\.\.\."):
        len(DATASETS.build(f'{"cityscapes" if "left" in folder else "ade20k"}(root="{tmp_path}")'))


def test_a_missing_voc_photo_is_named(tmp_path: Path) -> None:
    layout = make_voc(tmp_path)
    layout.images[1].unlink()
    with pytest.raises(ImageError, match=r"1 of the 2 images of VOC val .*2007_000033\.jpg"):
        len(build(layout))


@pytest.mark.parametrize(
    ("text", "complaint"), [("", "holds no image"), ("a\na", "comes twice: 'a'"), ("../a", r"names no file: '\.\./a'")]
)
def test_a_voc_list_that_makes_no_sense_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    layout = make_voc(tmp_path)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text(text)
    with pytest.raises(DataError, match=complaint):
        len(build(layout))


def test_a_voc_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    layout = make_voc(tmp_path)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match=r"cannot read the VOC list .*val\.txt"):
        len(build(layout))


def test_the_other_cityscapes_files_are_hinted_at(tmp_path: Path) -> None:
    make_cityscapes(tmp_path)
    with pytest.raises(AnnotationError, match=r"_gtFine_labelTrainIds\.png; .*labels=labelIds or"):
        len(DATASETS.build(f'cityscapes(root="{tmp_path}", labels=labelTrainIds)'))


@pytest.mark.parametrize(
    "text", ["voc(split=../val)", "cityscapes(split=test)", "cityscapes(labels=color)", "ade20k(split=val)"]
)
def test_arguments_must_make_sense(text: str) -> None:
    with pytest.raises(SpecError, match="expected"):
        DATASETS.build(text)


def test_every_cityscapes_id_has_its_class(tmp_path: Path) -> None:
    """All 34 ids in one map: each of the 19 classes occurs once, in order, and the rest is void."""
    layout = make_cityscapes(tmp_path)
    save(layout.images[0], np.zeros((1, 34, 3)))
    save(layout.labels[0], np.arange(34)[None])
    labels = build(layout).label_map(0).labels[0]
    assert labels[labels != VOID].tolist() == list(range(19))
    assert {int(i): CITYSCAPES19.classes[labels[i]] for i in (7, 11, 17, 23, 26, 33)} == {
        7: "road",
        11: "building",
        17: "pole",
        23: "sky",
        26: "car",
        33: "bicycle",
    }
