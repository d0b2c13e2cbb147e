"""A folder of images: what is found, in which order, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import DATASETS
from benchmarks.datasets.images import Images
from downstream.api import Detections, SegmentationMap
from hsc.errors import ImageError


def save(file: Path, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(file, **options)


def test_sorted_recursive_and_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/z.png", "b.png", "a.JPG", "b/.hidden.png", ".cache/c.png"):
        save(tmp_path / name)
    (tmp_path / "readme.txt").write_text("x")
    dataset = Images(str(tmp_path))
    assert dataset.image_ids() == ["a.JPG", "b.png", "b/z.png"]
    assert dataset.load(2).source_bytes == (tmp_path / "b" / "z.png").stat().st_size
    assert dataset.label_space(Detections) is dataset.label_space(SegmentationMap) is None


def test_one_file(tmp_path: Path) -> None:
    save(tmp_path / "x.png")
    dataset = Images(str(tmp_path / "x.png"))
    assert dataset.image_ids() == ["x.png"]
    assert dataset.load(0).image.shape == (4, 6, 3)


def test_a_turn_can_be_ignored(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "x.png", exif=exif)
    assert DATASETS.build(f'images(path="{tmp_path}")').load(0).image.shape == (6, 4, 3)
    assert DATASETS.build(f'images(path="{tmp_path}", orientation=ignore)').load(0).image.shape == (4, 6, 3)


def test_revision_follows_names_and_sizes(tmp_path: Path) -> None:
    save(tmp_path / "one" / "x.png")
    save(tmp_path / "two" / "x.png")
    save(tmp_path / "three" / "y.png")
    assert (
        Images(str(tmp_path / "one")).revision
        == Images(str(tmp_path / "two")).revision
        != Images(str(tmp_path / "three")).revision
    )


def test_nothing_there_is_a_reason(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        dataset = Images(str(path))
        assert dataset.available()
        with pytest.raises(ImageError, match=r"no image|no folder"):
            len(dataset)


def test_a_damaged_image_is_named_when_loaded(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no image")
    dataset = Images(str(tmp_path))
    assert dataset.available() is None
    with pytest.raises(ImageError, match=r"x\.png"):
        dataset.load(0)
