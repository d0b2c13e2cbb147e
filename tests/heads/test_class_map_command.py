"""``hsc-bench class-map``: a map that a person completes, and that later runs read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from toy_onnx import constant

from benchmarks.cli.main import main
from benchmarks.evaluation import evaluate
from downstream.api import LabelSpace
from downstream.class_maps import find_map, map_between
from downstream.class_maps.class_names import near_names, same_names
from downstream.class_maps.map_text import inline_map, map_file
from hsc.errors import DataError


@pytest.fixture
def specs(tmp_path: Path) -> list[str]:
    """A two-class detector and a two-class data set: a box of each class, at its place, on each of two images."""
    answer = np.zeros((1, 6, 84), np.float32)
    answer[0, :4] = [[8], [8], [4], [4]]
    answer[0, :, 0] = [20, 20, 16, 16, 0.9, 0]
    answer[0, :, 1] = [44, 44, 16, 16, 0, 0.8]
    (tmp_path / "model.onnx").write_bytes(constant([answer], 64, 64))
    (tmp_path / "names.txt").write_text("forklift truck\nSafety-Vest\n", "utf-8")
    (tmp_path / "images").mkdir()
    images, boxes = [], []
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 64})
        for label, corner in ((1, 12), (2, 36)):
            box = {"category_id": label, "bbox": [corner, corner, 16, 16], "area": 256, "iscrowd": 0}
            boxes.append({"id": len(boxes) + 1, "image_id": number, **box})
    categories = [{"id": 1, "name": "Fork_lift"}, {"id": 2, "name": "safety vest"}]
    labels = {"images": images, "annotations": boxes, "categories": categories}
    (tmp_path / "labels.json").write_text(json.dumps(labels), "utf-8")
    return [
        "--head",
        f'onnx(path="{tmp_path}/model.onnx", format=yolov8, classes="{tmp_path}/names.txt")',
        "--dataset",
        f'coco(images="{tmp_path}/images", annotations="{tmp_path}/labels.json", split=val)',
    ]


def test_a_written_map_is_what_a_run_reads(
    specs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.toml"
    assert main(["class-map", *specs, "--out", str(path)]) == 0
    assert "1 of 2 classes mapped, 1 guessed, 0 left" in capsys.readouterr().out
    content = tomllib.loads(path.read_text("utf-8"))
    assert content["map"] == {"Safety-Vest": "safety vest", "forklift truck": "Fork_lift"}
    assert find_map(content["source"], content["target"]) is None
    monkeypatch.setenv("HSC_CLASS_MAPS", str(path))
    assert find_map(content["source"], content["target"]) == content["map"]
    assert find_map(content["source"], "another") is None
    assert find_map("roadscenes", "coco80")
    _, head, _, dataset = specs
    settings = {"resamples": 0, "noise_floor": False, "workers": 1, "cache": tmp_path / "cache"}
    scores = evaluate("detection", dataset, ["jpeg(quality=[20,90])"], [head], **settings).scores
    ap = scores[(scores.codec == "original") & (scores.metric == "ap") & (scores.status == "ok")]
    assert dict(zip(ap.part, ap.value, strict=True)) == pytest.approx({"": 1, "Fork_lift": 1, "safety vest": 1})


def test_a_file_is_not_replaced_unasked_and_other_words_are_refused(
    specs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.toml"
    path.write_text("mine", "utf-8")
    assert main(["class-map", *specs, "--out", str(path)]) == 2
    assert "--overwrite-file" in capsys.readouterr().err
    assert path.read_text("utf-8") == "mine"
    assert main(["class-map", *specs, "--out", str(path), "--overwrite-file"]) == 0
    assert "[map]" in path.read_text("utf-8")
    assert main(["class-map", *specs, "--out", str(tmp_path / "map.txt")]) == 2
    assert main(["class-map", *specs, "--out", str(tmp_path)]) == 0
    assert [file.name for file in tmp_path.glob("names-to-coco-2-*.toml")]
    capsys.readouterr()
    assert main(["class-map", *specs]) == 0
    assert tomllib.loads(capsys.readouterr().out)["map"]["Safety-Vest"] == "safety vest"


def test_a_map_of_ones_own_states_its_label_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    monkeypatch.setenv("HSC_CLASS_MAPS", str(path))
    with pytest.raises(DataError, match="missing"):
        find_map("a", "b")
    path.write_text('[map]\nx = "y"\n', "utf-8")
    with pytest.raises(DataError, match=r"source = "):
        find_map("a", "b")
    path.write_text('source = "a"\ntarget = "b"\n[map]\nx = "y"\n', "utf-8")
    assert find_map("a", "b") == {"x": "y"}


def test_names_of_another_spelling_are_the_same_where_one_is_meant() -> None:
    assert same_names(("Dining_Table", "tv"), ("tv", "diningtable")) == {"Dining_Table": "diningtable", "tv": "tv"}
    assert same_names(("Car", "car"), ("car",)) == {"car": "car"}
    assert same_names(("Car", "CAR"), ("car",)) == {}
    assert same_names(("Car",), ("car", "CAR")) == {}
    assert same_names(("-", "_"), (" ",)) == {}
    spaces = LabelSpace("a", ("Background", "cat")), LabelSpace("b", ("background", "dog"))
    assert map_between(*spaces) is None


def test_near_names_are_pairs_of_one_each() -> None:
    assert near_names(("car", "carpet"), ("cars", "truck")) == {"car": "cars"}
    assert near_names(("bus", "person"), ("boat", "tree")) == {}
    assert near_names(("light",), ("traffic light",)) == {"light": "traffic light"}


@pytest.mark.parametrize("name", ['19" rack', "back\\slash", "Kätzchen", "a # b", "=", "\x7f"])
def test_any_name_survives_in_toml(name: str) -> None:
    text = map_file(LabelSpace("a b", (name, "other")), LabelSpace("c", (name, "else")))
    content = tomllib.loads(text)
    assert (content["source"], content["target"], content["map"]) == ("a b", "c", {name: name})
    assert tomllib.loads(inline_map({name: name})) == {"map": {name: name}}
    assert '# "other" = ""' in text
    assert '"else"' in text.partition("nothing maps to")[2]
