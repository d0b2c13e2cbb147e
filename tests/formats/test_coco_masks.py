"""Label maps from COCO masks: the order of painting, void, other rasterisers, and masks that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.formats.coco_masks import Mask, draw, paint, read_masks
from downstream.api import VOID, Masks
from downstream.ops.masks import covered_pixels, pack, unpack
from hsc.errors import AnnotationError

PACKED = "121O060M1"
"""Of 4 x 5 pixels."""


def box(x: float, y: float, w: float, h: float) -> list[list[float]]:
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def test_large_ones_first_and_crowds_before_all() -> None:
    masks = [
        Mask(0, 3, False, box(2, 1, 2, 2)),  # the smallest shows, though it comes first
        Mask(1, 1, False, box(1, 0, 5, 4)),
        Mask(2, 2, True, {"size": [4, 8], "counts": [20, 12]}),  # the last three columns
        Mask(3, 2, False, box(7, 0, 1, 2)),  # in the crowd, but labelled by itself
    ]
    assert paint(masks, 4, 8, "a").tolist() == [
        [0, 1, 1, 1, 1, 1, VOID, 2],
        [0, 1, 3, 3, 1, 1, VOID, 2],
        [0, 1, 3, 3, 1, 1, VOID, VOID],
        [0, 1, 1, 1, 1, 1, VOID, VOID],
    ]


def test_equal_ones_stay_in_the_files_order() -> None:
    masks = [Mask(0, 1, False, box(0, 0, 2, 1)), Mask(1, 2, False, box(1, 0, 2, 1))]
    assert paint(masks, 1, 3, "a").tolist() == [[1, 2, 2]]


def test_no_mask_is_background() -> None:
    assert paint([], 2, 3, "a").tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("seed", range(3))
def test_drawing_equals_pycocotools(seed: int) -> None:
    from pycocotools import mask as official

    random = np.random.default_rng(seed)
    height, width = 17, 29
    inside = np.asfortranarray(random.integers(0, 2, (height, width), np.uint8))
    packed = official.encode(inside)
    runs = np.flatnonzero(np.diff(inside.ravel("F"), prepend=0, append=2))
    counts = np.diff(runs, prepend=0).tolist()
    segmentations: list[Any] = [
        random.uniform(-5, 35, (2, 10)).tolist(),  # two polygons that cross themselves and the image's border
        {"size": [height, width], "counts": packed["counts"].decode()},
        {"size": [height, width], "counts": counts},
    ]
    polygons = official.decode(official.merge(official.frPyObjects(segmentations[0], height, width)))
    for segmentation, expected in zip(segmentations, (polygons, inside, inside), strict=True):
        assert np.array_equal(draw(Mask(0, 1, False, segmentation), height, width, "a"), expected)


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        [[]],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [1, 2, 3, 4, 5, 6],
        [["1", 2, 3, 4, 5, 6]],
        [[float("nan"), 2, 3, 4, 5, 6]],
        [[1e9, 2, 3, 4, 5, 6]],
        "PPYo0",
        {},
        {"size": [3, 2], "counts": [6]},
        {"size": [2, 3]},
        {"size": [2, 3], "counts": [3, 4]},
        {"size": [2, 3], "counts": [-1, 7]},
        {"size": [2, 3], "counts": "PPYo0"},
        {"size": [2, 3], "counts": 6},
    ],
)
def test_what_is_no_mask_is_refused(segmentation: Any) -> None:
    with pytest.raises(AnnotationError, match=r"annotation 5 of image 'a\.jpg' has"):
        paint([Mask(5, 1, False, segmentation)], 2, 3, "a.jpg")


@pytest.mark.parametrize("crowd", [False, True])
@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ([3, 4], "end early: they cover 7 pixels, expected all 20"),
        ([], "end early: they cover 0 pixels"),
        ("", "end early: they cover 0 pixels"),
        ([3, 4, 14], "go on too long: they cover 21 pixels"),
        ([10**400], "go on too long"),
        ([3.5, 16.5], "expected whole numbers"),
        ([True, 19], "expected whole numbers"),
        (None, "expected whole numbers"),
        *((PACKED[:length], "end early|cannot be read") for length in range(len(PACKED))),
        (PACKED + "1", "go on too long"),
        (PACKED + "P", "cannot be read"),
        ("P", "end within a number"),
        ("é", "cannot be read"),
        ("\0", "expected '0' to 'o'"),
    ],
)
def test_runs_that_do_not_cover_the_image_are_refused(counts: Any, complaint: str, crowd: bool) -> None:
    with pytest.raises(AnnotationError, match=complaint) as caught:
        paint([Mask(5, 1, crowd, {"size": [4, 5], "counts": counts})], 4, 5, "a.jpg")
    assert "annotation 5 of image 'a.jpg'" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_every_packed_mask_covers_its_image() -> None:
    random = np.random.default_rng(6)
    for height, width, share in (
        (1, 1, 0.5),
        (4, 5, 0.5),
        (300, 400, 0.01),
        (300, 400, 0.5),
        (2000, 3, 0.999),
        (700, 900, 0.0),
    ):
        masks = pack((random.random((3, height, width)) < share).astype(bool))
        assert [covered_pixels(one) for one in masks.counts] == [height * width] * 3
        assert unpack(masks).shape == (3, height, width)
        with pytest.raises(ValueError, match=r"cover|end within"):
            unpack(Masks((masks.counts[0][:-1],), masks.image_hw))


def test_reading_goes_by_image_and_category(tmp_path: Path) -> None:
    annotations = [
        {"image_id": 4, "category_id": 9, "segmentation": box(0, 0, 1, 1)},
        {"image_id": 2, "category_id": 3, "segmentation": {"size": [1, 1], "counts": [1]}, "iscrowd": 1},
        {"image_id": 4, "category_id": 3},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"categories": [{"id": 9}, {"id": 3}], "annotations": annotations}))
    masks = read_masks(tmp_path / "a.json")
    assert [(m.number, m.label, m.iscrowd) for m in masks[4]] == [(0, 2, False), (2, 1, False)]
    assert [(m.number, m.label, m.iscrowd) for m in masks[2]] == [(1, 1, True)]
    assert masks[4][1].segmentation is None


def test_coco128_equals_pycocotools(shared: Path) -> None:
    from pycocotools import mask as official

    file = shared / "data" / "coco128" / "annotations" / "instances_val2017.json"
    sizes = {image["id"]: (image["height"], image["width"]) for image in json.loads(file.read_text())["images"]}
    for image_id, masks in list(read_masks(file).items())[:8]:
        height, width = sizes[image_id]
        for mask in masks:
            runs = official.frPyObjects(mask.segmentation, height, width)
            expected = official.decode(official.merge(runs) if isinstance(runs, list) else runs)
            assert np.array_equal(draw(mask, height, width, "a"), expected)
