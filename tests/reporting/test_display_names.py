"""Names as people read them, and a codec's style, which follows from its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.reporting.figures.codec_styles import COLOURS, styles_named, styles_of
from benchmarks.runs.display_names import Naming, display_names, displayed_run, without_paths
from benchmarks.runs.run_folder import load

RUN = Path(__file__).parents[2] / "results" / "reference" / "detection"
ONNX = 'onnx(path="/home/me/models/yolo.onnx", format=yolox)'


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("jpeg", "jpeg"),
        ("vvc(preset=medium, scale=0.5)", "vvc(preset=medium, scale=0.5)"),
        (ONNX, "onnx(path=yolo.onnx, format=yolox)"),
        ('onnx(path="models/a b.onnx")', 'onnx(path="a b.onnx")'),
        ('huggingface(path="facebook/detr-resnet-50")', "huggingface(path=detr-resnet-50)"),
        ('onnx(path="C:\\\\models\\\\m.onnx")', "onnx(path=m.onnx)"),
        ('precomputed(bitstreams="/a/b/", images="/a/c")', "precomputed(bitstreams=b, images=c)"),
        ("mine at /home/me/x.onnx, not a spec", "mine at x.onnx, not a spec"),
    ],
)
def test_a_file_stands_for_its_path(label: str, name: str) -> None:
    assert display_names([label]) == {label: name}


def test_names_stay_different_and_given_names_win() -> None:
    labels = [f'onnx(path="/{folder}/m.onnx")' for folder in ("a/v1", "b/v1", "a/v2")]
    assert list(display_names(labels).values()) == [
        "onnx(path=a/v1/m.onnx)",
        "onnx(path=b/v1/m.onnx)",
        "onnx(path=v2/m.onnx)",
    ]
    assert display_names(["hsc", "jpeg"], {"hsc": "Ours"}) == {"hsc": "Ours", "jpeg": "jpeg"}
    assert len(set(display_names(["a", "b"], {"a": "same", "b": "same"}).values())) == 2


@pytest.mark.parametrize(
    "text",
    [
        "1/2 of the images",
        "bits/pixel",
        "https://example.org/a/b",
        "w/o masks",
        "3 / 4",
        "a/b.onnx",
        "and/or",
        "<b>x</b>",
    ],
)
def test_what_is_no_absolute_path_stays(text: str) -> None:
    assert without_paths(text) == text


def test_absolute_paths_go_from_sentences_and_nested_values() -> None:
    assert without_paths("/usr/bin/enc: no such file") == "enc: no such file"
    assert without_paths("nothing lies in /a/b/c/. See ~/x/y.toml.") == "nothing lies in c. See y.toml."
    assert without_paths(r"C:\data\m.onnx is not there") == "m.onnx is not there"
    assert (
        without_paths("run --head 'onnx(path=/data/m.onnx)' --out /tmp/w/x") == "run --head 'onnx(path=m.onnx)' --out x"
    )
    naming = Naming([ONNX, "jpeg"], {"jpeg": "Mine"})
    assert naming.label("jpeg") == "Mine"
    assert naming.text("jpeg2000 against jpeg") == "jpeg2000 against jpeg"
    assert naming.text(f"{ONNX} failed") == "onnx(path=yolo.onnx, format=yolox) failed"
    values = {"path": "/a/b.txt", "more": [{"/x/y": 1}, 2.5, None, True]}
    assert naming.plain(values) == {"path": "b.txt", "more": [{"y": 1}, 2.5, None, True]}


def test_a_run_is_shown_with_its_names_and_its_numbers_stay() -> None:
    run = load(RUN)
    about = {**run.about, "names": {"hsc": "Ours"}}
    shown, naming = displayed_run(type(run)(run.folder, about, replace(run.results, names={"hsc": "Ours"})))
    assert naming.label("hsc") == "Ours"
    assert set(shown.scores["codec"]) == {"Ours" if name == "hsc" else name for name in run.scores["codec"]}
    pd.testing.assert_series_equal(shown.scores["value"], run.scores["value"])
    assert {cell["curve"] for cell in shown.about["cells"].values()} >= {"Ours", "jpeg"}
    assert {cell["codec"]["name"] for cell in shown.about["cells"].values()} >= {"hsc", "jpeg"}
    assert set(run.scores["codec"]) >= {"hsc"}  # the run itself is as it was


def test_a_codec_looks_the_same_whoever_stands_beside_it() -> None:
    few, many = styles_of(["hsc", "jpeg"]), styles_of(["webp", "vvc", "vvc(preset=medium)", "jpeg", "avif", "hsc"])
    assert few["hsc"] == many["hsc"]
    assert few["jpeg"] == many["jpeg"]
    default = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", "vvc", "hsc", "cut", "heic")
    assert len({style.colour for style in styles_of(default).values()}) == len(COLOURS)
    assert styles_of(default) == styles_of(default[::-1])
    assert styles_of(["vvc(preset=medium)"])["vvc(preset=medium)"].colour == many["vvc"].colour
    assert many["vvc(preset=medium)"] != many["vvc"]
    beside_all = styles_of([*default, *(f"{name}(variant=1)" for name in default), *(f"other {n}" for n in range(10))])
    assert len({(style.colour, style.marker) for style in beside_all.values()}) == len(beside_all) == 30
    named = styles_named({"hsc": "Ours", "jpeg": "jpeg"})
    assert named == {"Ours": few["hsc"], "jpeg": few["jpeg"]}  # a name changes no colour
