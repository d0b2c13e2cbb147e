"""The task segmentation through the harness: classes of a head and a data set, what is void, and scores that follow the
class map.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks
from map_testkit import Greys, ReadGrey

import benchmarks
from benchmarks.harness.executors import Inline
from benchmarks.harness.truth import limit_coco
from hsc.errors import UsageError


def scores(tmp_path: Path, head: ReadGrey, dataset: Greys | None = None) -> dict[tuple[str, str], float]:
    """The scores on the originals, by metric and class."""
    table = rows(tmp_path, head, dataset or Greys())
    found = table[(table["codec"] == "original") & (table["head"] != "")]
    return {(m, p): v for m, p, v in zip(found["metric"], found["part"], found["value"], strict=True) if m != "head_s"}


def rows(tmp_path: Path, head: ReadGrey, dataset: Greys) -> pd.DataFrame:
    return benchmarks.evaluate(
        "segmentation", dataset=dataset, codecs=[Blocks(2)], heads=[head], cache=tmp_path, executor=Inline()
    ).scores


def test_a_head_of_the_data_sets_own_classes(tmp_path: Path) -> None:
    table = rows(tmp_path, ReadGrey(), Greys())
    assert set(table["task"]) == {"segmentation"}
    found = scores(tmp_path, ReadGrey())
    assert found["miou", ""] == found["pixel_accuracy", ""] == found["fw_iou", ""] == found["iou", "car"] == 1.0
    assert np.isnan(found["iou", "tree"])
    assert len(table[(table["codec"] == "blocks") & (table["metric"] == "miou")]) == 1


def test_a_head_of_other_classes_is_scored_in_what_it_could_know(tmp_path: Path) -> None:
    """Merged into background are sky, building and road; the head calls road a cow, which no class of a street is. The
    bicyclist is void.

    Background: 22 pixels of sky and building right, 9 - 2 + 9 - 2 = 14 of road called a cow: 22 / 36.
    """
    found = scores(tmp_path, ReadGrey(voc=True))
    assert [part for metric, part in found if metric == "iou"] == ["background", "car", "pedestrian"]
    assert found["iou", "car"] == found["iou", "pedestrian"] == 1.0
    assert found["iou", "background"] == pytest.approx(22 / 36)
    assert found["miou", ""] == pytest.approx((22 / 36 + 2) / 3)
    assert found["pixel_accuracy", ""] == pytest.approx((22 + 6 + 2) / (36 + 6 + 2))


def test_scores_follow_the_class_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same classes are scored before and after, from the same kept predictions, yet another of the head's stands
    for one of them.
    """
    monkeypatch.setenv("HSC_CLASS_MAPS", str(tmp_path))
    file = tmp_path / "voc21-to-camvid11.toml"
    file.write_text('[map]\nbus = "car"\n')
    assert scores(tmp_path, ReadGrey(voc=True))["miou", ""] == 1.0
    file.write_text('[map]\ntrain = "car"\n')
    assert scores(tmp_path, ReadGrey(voc=True))["miou", ""] == 0.0


def test_without_labels_the_originals_predictions_stand_in(tmp_path: Path) -> None:
    table = rows(tmp_path, ReadGrey(voc=True), Greys(labels=False))
    assert table["dataset"].str.endswith("(pseudo-labels)").all()
    assert scores(tmp_path, ReadGrey(voc=True), Greys(labels=False))["miou", ""] == 1.0


def test_a_map_of_another_size_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"uint8 \(3, 6\), expected uint8 \(4, 6\)"):
        rows(tmp_path, ReadGrey(size=True), Greys())


def test_boxes_are_limited_and_merged_alike() -> None:
    coco = {
        "images": [{"id": 5}, {"id": 6}],
        "categories": [{"id": 10, "name": "car"}, {"id": 11, "name": "lorry"}, {"id": 12, "name": "sign"}],
        "annotations": [{"image_id": i, "category_id": c, "bbox": [0, 0, 1, 1]} for i in (5, 6) for c in (10, 11, 12)],
    }
    found = limit_coco(coco, [1], ["sign", "vehicle"], {"lorry": "vehicle"})
    assert found["images"] == [{"id": 6}]
    assert found["categories"] == [{"id": 1, "name": "sign"}, {"id": 2, "name": "vehicle"}]
    assert [(a["image_id"], a["category_id"]) for a in found["annotations"]] == [(6, 2), (6, 1)]
