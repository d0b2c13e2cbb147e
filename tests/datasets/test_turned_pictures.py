"""Photographs with an EXIF turn, and labels that refer to them turned: a remark before any score, with the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from benchmarks.api import DATASETS
from benchmarks.datasets.camvid import CamVid
from benchmarks.imaging.image_files import exif_turn, read_image, turned
from downstream.api import SegmentationMap
from hsc.errors import ImageError

PICTURE = np.arange(10 * 14 * 3, dtype=np.uint8).reshape(10, 14, 3)


def exif(turn: int) -> PIL.Image.Exif:
    made = PIL.Image.Exif()
    made[0x0112] = turn
    return made


def save(path: Path, turn: int = 0, picture: np.ndarray = PICTURE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(picture).save(path, **({"exif": exif(turn)} if turn else {}))
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("turn", [0, 1, 2, 3, 6, 8])
def test_the_turn_is_that_which_reading_applies(tmp_path: Path, suffix: str, turn: int) -> None:
    path = save(tmp_path / f"a.{suffix}", turn)
    assert exif_turn(path) == max(turn, 1)
    stored, applied = read_image(path, orientation="ignore"), read_image(path)
    assert (stored.shape == applied.shape and bool((stored == applied).all())) == (turn < 2)


def test_a_turn_after_the_pixels_or_in_xmp_is_found(tmp_path: Path) -> None:
    data = save(tmp_path / "with.png", 6).read_bytes()
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
    end = data.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(data[:at] + data[at + len(chunk) : end] + chunk + data[end:])
    assert exif_turn(tmp_path / "late.png") == 6
    info = PIL.PngImagePlugin.PngInfo()
    info.add_itxt(
        "XML:com.adobe.xmp", '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    )
    PIL.Image.fromarray(PICTURE).save(tmp_path / "xmp.png", pnginfo=info)
    shape = read_image(tmp_path / "xmp.png").shape
    assert (exif_turn(tmp_path / "xmp.png") > 4) == (shape == (14, 10, 3))


def test_files_without_a_tag_and_files_that_are_none(tmp_path: Path) -> None:
    for suffix in ("bmp", "gif", "ppm"):
        assert exif_turn(save(tmp_path / f"a.{suffix}")) == 1
    assert exif_turn(save(tmp_path / "odd.jpg", 99)) == 1
    assert turned([save(tmp_path / "a.png"), save(tmp_path / "b.png", 3)]) == [tmp_path / "b.png"]
    (tmp_path / "bad.jpg").write_bytes(b"none")
    for name in ("bad.jpg", "missing.png"):
        with pytest.raises(ImageError, match=name):
            exif_turn(tmp_path / name)


def coco(folder: Path, turns: tuple[int, ...], boxes: list[list[float]], **settings: Any) -> Any:
    """A set of one picture a turn, 14 wide and 10 high as stored, all boxes in each. stated: whether sizes stand in the
    file.
    """
    stated = settings.pop("stated", False)
    files = [save(folder / "pictures" / f"{n}.jpg", turn) for n, turn in enumerate(turns)]
    images: list[dict[str, Any]] = [{"id": n, "file_name": file.name} for n, file in enumerate(files)]
    for record in images if stated else ():
        record |= {"width": 14, "height": 10}
    marks = [{"id": 1, "image_id": n, "category_id": 1, "bbox": box} for n in range(len(files)) for box in boxes]
    (folder / "labels.json").write_text(
        json.dumps({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "x"}]})
    )
    spec = ", ".join(f"{name}={value}" for name, value in settings.items())
    return DATASETS.build(f'coco(images="{folder}/pictures", annotations="{folder}/labels.json"{spec and ", " + spec})')


def test_coco_says_turns_that_are_not_applied_with_the_cure(tmp_path: Path) -> None:
    dataset = coco(tmp_path, (0, 6, 1, 8), [[1, 1, 5, 5]])
    (text,) = dataset.remarks([0, 1, 2, 3])
    assert text.startswith("2 of 4 pictures carry an EXIF turn ('1.jpg' is the first)")
    assert text.endswith("give orientation=apply")
    assert dataset.remarks([0, 2]) == []
    assert coco(tmp_path, (0, 6, 1, 8), [[1, 1, 5, 5]], orientation="apply").remarks([0, 1, 2, 3]) == []


@pytest.mark.parametrize("stated", [True, False])
def test_coco_counts_boxes_that_leave_their_picture(tmp_path: Path, stated: bool) -> None:
    inside: list[list[float]] = [[0, 0, 14, 10], [13, 9, 2, 2], [-1, 0, 3, 3]]  # a pixel beyond is how annotators round
    assert coco(tmp_path, (0,), inside, stated=stated).remarks([0]) == []
    (text,) = coco(tmp_path, (0, 0), [*inside, [4, 6, 5, 8], [-3, 1, 5, 5]], stated=stated).remarks([0, 1])
    assert text.startswith("4 of 10 boxes reach beyond their picture by more than a pixel (the first is in '0.jpg')")
    assert text.endswith("orientation=apply")


def test_boxes_are_held_against_the_picture_as_it_is_loaded(tmp_path: Path) -> None:
    upright = [[1.0, 1.0, 6.0, 12.0]]  # within 10 wide and 14 high, as the picture is after its turn
    assert coco(tmp_path, (6,), upright, orientation="apply").remarks([0]) == []
    said = coco(tmp_path, (6,), upright).remarks([0])
    assert ["turn" in text for text in said] == [True, True]
    stored = coco(tmp_path, (6,), [[1, 1, 12, 6]], orientation="apply").remarks([0])
    assert stored[0].endswith("orientation=ignore")


def test_label_maps_are_of_the_pixels_as_stored(tmp_path: Path) -> None:
    """Camvid's loader turned the picture and not its label map."""
    names = ("a", "b")
    for name, turn in zip(names, (6, 0), strict=True):
        save(tmp_path / "val" / f"{name}.png", turn)
        save(tmp_path / "valannot" / f"{name}.png", picture=np.zeros((10, 14), np.uint8))
        save(tmp_path / "JPEGImages" / f"{name}.jpg", turn)
        save(tmp_path / "SegmentationClass" / f"{name}.png", picture=np.zeros((10, 14), np.uint8))
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\n")
    for dataset in (CamVid(str(tmp_path)), DATASETS.build(f'voc(root="{tmp_path}")')):
        one: Any = dataset
        assert one.load(0).image.shape[:2] == one.label_map(0).labels.shape == (10, 14)
        (text,) = one.remarks([0, 1])
        assert text.startswith("1 of 2 pictures carry an EXIF turn ('a.")
        assert "store the pictures upright" in text
        assert one.remarks([1]) == []
        assert one.label_space(SegmentationMap) is not None
    control: Any = DATASETS.build(f"mismatched(of='voc(root=\"{tmp_path}\")')")
    assert len(control.remarks([0])) == 1
