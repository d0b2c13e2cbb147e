"""The task instance_segmentation through the harness: masks from head and data set to scores, and what is said where
there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

import benchmarks
from benchmarks.api import DATASETS
from benchmarks.cli.run import main
from benchmarks.datasets.mismatched import Mismatched
from benchmarks.datasets.roadscenes.dataset import Roadscenes
from benchmarks.harness.executors import Inline
from benchmarks.harness.truth import relabelled
from benchmarks.reporting.images.contact_sheet import sheet
from downstream.api import Detections, LabelSpace
from downstream.ops.masks import pack, unpack
from hsc.errors import AnnotationError, UnavailableError, UsageError


def rows(tmp_path: Path, task: str = "instance_segmentation", dataset: Any = None, heads: Any = None) -> pd.DataFrame:
    options: dict[str, Any] = {"cache": tmp_path, "executor": Inline(), "resamples": 40, "anchors": []}
    return benchmarks.evaluate(
        task, dataset or Squares(12), [Blocks(2), Blocks(8)], heads or [FindSquares(masks=True)], **options
    ).scores


def value(table: pd.DataFrame, metric: str, codec: str = "original", point: str = "") -> float:
    found = table[
        (table["metric"] == metric) & (table["codec"] == codec) & (table["point"] == point) & (table["part"] == "")
    ]
    return float(found["value"].iloc[0])


def test_masks_are_scored_and_boxes_beside_them(tmp_path: Path) -> None:
    table = rows(tmp_path)
    assert value(table, "mask_ap") == value(table, "ap") == pytest.approx(1.0)
    coarse = value(table, "mask_ap", "blocks", "size=8")
    assert 0 < coarse < value(table, "mask_ap", "blocks", "size=2")
    assert set(table[table["metric"] == "mask_ap"]["part"]) == {"", "square", "unseen"}
    assert table[(table["metric"] == "mask_ap") & (table["part"] == "")]["low"].notna().all()


def test_the_numbers_of_boxes_are_those_of_the_detection_task(tmp_path: Path) -> None:
    """With masks and without, by either task: and the same predictions serve both."""
    with_masks, boxes = rows(tmp_path), rows(tmp_path, "detection")
    plain = rows(tmp_path, "detection", heads=[FindSquares()])
    for metric in ("ap", "ap50", "ar100"):
        for point in ("size=2", "size=8"):
            assert (
                value(with_masks, metric, "blocks", point)
                == value(boxes, metric, "blocks", point)
                == value(plain, metric, "blocks", point)
            )


def test_a_head_without_masks_is_left_out_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"boxes without masks, .* take a head that gives them"):
        rows(tmp_path, heads=[FindSquares()])
    table = rows(tmp_path, heads=[FindSquares(), FindSquares(masks=True)])
    assert "boxes without masks" in table[table["status"] == "skipped"]["reason"].iloc[0]


def test_a_data_set_without_masks_is_refused_before_anything_is_coded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scores masks, the data set squares has none"):
        rows(tmp_path, dataset=_without_masks())


def _without_masks() -> Any:
    """Squares whose labels are boxes alone."""
    kept = (
        "split",
        "revision",
        "image_ids",
        "load",
        "label_space",
        "coco",
        "available",
        "provenance",
        "__len__",
        "_boxes",
        "spec_name",
    )
    fields = {name: vars(Squares)[name] for name in kept}
    return dataclass(frozen=True)(type("Bare", (), {**fields, "images": 6, "labels": True, "broken": -1}))()


def test_without_labels_the_masks_on_the_originals_stand_in(tmp_path: Path) -> None:
    table = rows(tmp_path, dataset=Squares(labels=False))
    assert table["dataset"].str.endswith("(pseudo-labels)").all()
    assert value(table, "mask_ap") == pytest.approx(1.0)


def test_masks_follow_their_boxes_into_other_classes() -> None:
    drawn = np.eye(3, dtype=bool)[:, None, :]
    found = Detections(np.zeros((3, 4), np.float32), np.ones(3, np.float32), np.array([2, 0, 1]), pack(drawn))
    own, space = LabelSpace("own", ("a", "b", "c")), LabelSpace("own", ("c", "b"))
    kept = relabelled(own, space, own)(found)
    assert kept.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(unpack(kept.masks), drawn[[0, 2]])


def test_rendered_scenes_and_mismatched_ones_have_masks() -> None:
    scenes = Roadscenes(size=(96, 64), images=2)
    coco = scenes.coco_with_masks()
    assert coco == scenes.coco()
    assert all(a["segmentation"]["size"] == [64, 96] for a in coco["annotations"])
    other = DATASETS.build("mismatched(of='roadscenes(size=(96, 64), images=2)')")
    assert isinstance(other, Mismatched)
    moved = other.coco_with_masks()["annotations"]
    assert [3 - a["image_id"] for a in moved] == [a["image_id"] for a in coco["annotations"]]
    assert [a["segmentation"] for a in moved] == [a["segmentation"] for a in coco["annotations"]]


def test_the_command_writes_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--task",
        "instance_segmentation",
        "--dataset",
        "squares",
        "--head",
        "squares(masks=True)",
        "--codec",
        "blocks",
        "--quiet",
    ]
    assert (
        main(
            [
                *words,
                "--cache",
                str(tmp_path / "c"),
                "--out",
                str(tmp_path / "run"),
                "--workers",
                "1",
                "--resamples",
                "0",
                "--table",
                "full",
            ]
        )
        == 0
    )
    assert "mask AP50" in capsys.readouterr().out
    assert (tmp_path / "run" / "curves.png").stat().st_size > 0


def test_a_sheet_shows_masks(tmp_path: Path) -> None:
    from benchmarks.api import TASKS

    task = TASKS.build("instance_segmentation")
    sheet(Squares(), FindSquares(masks=True), Blocks(8), [], [0], tmp_path / "a.png", task=task)
    sheet(Squares(), FindSquares(), Blocks(8), [], [0], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    with pytest.raises(UsageError, match="boxes without masks"):
        sheet(Squares(), FindSquares(), Blocks(8), [], [0], tmp_path / "c.png", task=task)


def test_polygons_become_runs_and_damage_is_named(tmp_path: Path, coco_of: Callable[..., Any]) -> None:
    polygon = {"bbox": [1, 0, 3, 6], "segmentation": [[1, 0, 4, 0, 4, 6, 1, 6]]}
    runs = {"bbox": [6, 0, 2, 6], "segmentation": {"size": [6, 8], "counts": [36, 12]}, "iscrowd": 1}
    coco = coco_of(polygon, runs).coco_with_masks()
    assert coco["images"] == [{"id": 1, "file_name": "a.png", "height": 6, "width": 8}]
    drawn = [a["segmentation"] for a in coco["annotations"]]
    assert [one["size"] for one in drawn] == [[6, 8], [6, 8]]
    from hotcoco import mask

    assert [np.asarray(mask.decode(one)).sum(0).tolist() for one in drawn] == [
        [0, 6, 6, 6, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 6, 6],
    ]
    with pytest.raises(AnnotationError, match=r"1 annotations .* have no segmentation"):
        coco_of(polygon, {"bbox": [0, 0, 1, 1]}).coco_with_masks()
    with pytest.raises(AnnotationError, match=r"annotation 0 of image 'a\.png' has a segmentation that is neither"):
        coco_of({"bbox": [0, 0, 1, 1], "segmentation": [[1, 2]]}).coco_with_masks()


@pytest.fixture
def coco_of(tmp_path: Path) -> Callable[..., Any]:
    """coco_of(annotation, ...): one image of 8x6 with these objects, all of one class; the label file does not say the
    image's size.
    """
    import json

    import PIL.Image

    from benchmarks.datasets.coco import Coco

    def make(*annotations: dict[str, Any]) -> Coco:
        (tmp_path / "pictures").mkdir(exist_ok=True)
        PIL.Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "pictures" / "a.png")
        entries = [{"id": i, "image_id": 1, "category_id": 3, **a} for i, a in enumerate(annotations)]
        content = {
            "images": [{"id": 1, "file_name": "a.png"}],
            "annotations": entries,
            "categories": [{"id": 3, "name": "cat"}],
        }
        (tmp_path / "mine.json").write_text(json.dumps(content))
        return Coco(str(tmp_path / "pictures"), str(tmp_path / "mine.json"))

    return make
