"""centre_crops: the middle square of a picture, as torchvision's transforms take it, with the picture's class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from benchmarks.api import DATASETS
from downstream.api import Classification, Detections
from downstream.ops.centre_crop import centre_crop
from hsc.errors import DataError, SpecError


@pytest.mark.parametrize("hw", [(40, 61), (61, 40), (32, 32), (33, 20), (200, 97)])
def test_it_is_the_crop_of_torchvision(hw: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*hw, 3), dtype=np.uint8)
    theirs = Compose([Resize(32), CenterCrop(32)])(Image.fromarray(picture))
    np.testing.assert_array_equal(centre_crop(picture, 32, 32), np.asarray(theirs))


def test_classes_and_names_are_those_of_the_data_set(tmp_path: Path) -> None:
    for name, level in (("cat/a.png", 10), ("dog/a.png", 90)):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(tmp_path / name)
    inner = f"folders(root='{tmp_path}')"
    crops = DATASETS.build(f'centre_crops(of="{inner}", side=8)')
    assert crops.available() is None
    assert crops.image_ids() == ["cat/a.png", "dog/a.png"]
    assert crops.class_labels(1).tolist() == [1]
    sample = crops.load(1)
    assert (sample.image.shape, int(sample.image[0, 0, 0]), sample.source_bytes) == ((8, 8, 3), 90, None)
    assert crops.label_space(Classification).classes == ("cat", "dog")
    assert crops.label_space(Detections) is None
    assert crops.revision != DATASETS.build(f'centre_crops(of="{inner}", side=9)').revision


def test_a_data_set_without_classes_and_a_side_of_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="no class for each whole picture"):
        DATASETS.build("centre_crops(of=squares)").class_labels(0)
    with pytest.raises(SpecError, match="side came as 0"):
        DATASETS.build("centre_crops(side=0)")
