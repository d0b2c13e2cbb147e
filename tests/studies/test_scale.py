"""The script that measures scoring at COCO's size, on a few pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.formats.coco_json import read_coco
from benchmarks.studies import scale
from downstream.api import Detections, from_bytes


def test_generated_labels_have_the_shape_of_val2017(tmp_path: Path) -> None:
    table = scale.labels(400)
    assert len(table.areas) / 400 == pytest.approx(scale.OBJECTS, rel=0.05)
    assert len(np.unique(table.category_ids)) == 80
    found = [from_bytes(data) for data in scale.detections(scale.labels(5))]
    assert [len(one.scores) for one in found if isinstance(one, Detections)] == [scale.BOXES] * 5
    scale.write("labels.json", "400", str(tmp_path))
    assert read_coco(tmp_path / "labels.json", tmp_path).table == table


@pytest.mark.parametrize("name", ["scoring", "driver", "worker"])
def test_a_figure_has_a_time_and_a_peak(name: str) -> None:
    figure = scale.Figure(**json.loads(scale.taken(name, 30)))
    assert (figure.name, figure.pictures) == (name, 30)
    assert figure.cpu_s > 0
    assert figure.peak_mib >= figure.start_mib > 10
