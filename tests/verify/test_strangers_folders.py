"""A folder of somebody else is data: what its settings would start is skipped, its files are bounded and harmless."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks
from run_folders import RATE_ROW, edit, judged, write_run
from run_mutations import dumped, evil_plugins

from benchmarks.api import CODECS, DATASETS, Comparison, ScoreRow
from benchmarks.cli.model_card import main as card_main
from benchmarks.cli.report import main as report_main
from benchmarks.cli.verify import main as verify_main
from benchmarks.codecs.jpeg import Jpeg
from benchmarks.programs.data_only import why_not_built, why_not_spec
from benchmarks.reporting import html
from benchmarks.runs import archive as kept_streams
from benchmarks.runs import records, run_json, tables
from benchmarks.runs.csv_cells import csv_text, marked, unmarked
from benchmarks.runs.folder_files import from_json, read_bytes
from benchmarks.runs.results import Results
from benchmarks.runs.rows import comparison_rows, read_comparisons, read_scores, score_rows
from benchmarks.runs.run_folder import load
from downstream.api import HEADS
from hsc.errors import ResultsError
from hsc.files.atomic_files import write_text

REGISTRIES = {"codec": CODECS, "head": HEADS, "dataset": DATASETS}
REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("whole"), [Blocks(4), Blocks(2)], keep=2)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("cache")))


def described(folder: Path, change: Any) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "run.json").read_text())
    change(about)
    (folder / "run.json").write_text(dumped(about))
    return about


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1) if depth else 1}


# what may be built


@pytest.mark.parametrize("path", ["detection", "segmentation", "camvid"])
def test_all_of_the_reference_runs_is_data_only(path: str) -> None:
    about = json.loads((REFERENCE / path / "run.json").read_text())
    for cell in about["cells"].values():
        for kind in ("codec", "head"):
            if kind in cell:
                assert why_not_built(REGISTRIES[kind], cell[kind]["name"], cell[kind]["config"]) is None
    assert why_not_built(DATASETS, about["dataset"]["name"], about["dataset"]["config"]) is None


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [
        ("codec", "vvc", {"encoder": "/x/vvencapp"}),
        ("codec", "vvc", {"decoder": "vvdecapp"}),
        ("codec", "vvc", {"encoder": "./ffmpeg"}),
        ("codec", "vvc", {"encoder_config": "/x.cfg"}),
        ("codec", "vvc", {"encoder": ["ffmpeg"]}),
        ("codec", "bpg", {"encoder": "bpgenc"}),
        ("codec", "hsc", {"model": "/x.safetensors"}),
        ("codec", "hsc", {"model": "../pretrained/roadscenes"}),
        ("codec", "cut", {"of": 'vvc(encoder="/x/vvencapp")'}),
        ("codec", "cut", {"of": 'cut(of="hsc(model=\\"/x.safetensors\\")")'}),
        ("codec", "cut", {"of": 3}),
        ("codec", "precomputed", {"originals": "o", "bitstreams": "b", "images": "i"}),
        ("head", "ultralytics", {}),
        ("head", "mmseg", {"config": "x.py", "weights": "x.pth"}),
        ("head", "onnx", {"path": "x.onnx"}),
        ("head", "tflite", {"path": "x.tflite"}),
        ("head", "torchvision", {}),
        ("head", "torchvision_segmentation", {"weights": "x.pth"}),
        ("head", "lpips", {}),
        ("head", "dists", {}),
        ("head", "fid", {}),
        *(
            ("head", name, {"weights": "x"})
            for name in (
                "small",
                "small_adapted",
                "segmenter",
                "segmenter_adapted",
                "latent_detector",
                "latent_segmenter",
            )
        ),
        ("head", "squares", {"weights": "x"}),
        ("dataset", "roadscenes", {"images": 10**9}),
        ("dataset", "mismatched", {"of": "roadscenes(images=1000000000)"}),
        ("dataset", "mismatched", {"of": "nobody"}),
    ],
)
def test_what_would_do_more_than_read_is_not_built(kind: str, name: str, settings: dict[str, Any]) -> None:
    assert "--trust" in (why_not_built(REGISTRIES[kind], name, settings) or "")


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [
        *(
            ("codec", name, {})
            for name in ("jpeg", "webp", "avif", "heic", "jpegxl", "jpeg2000", "original", "bpg", "vvc", "hsc", "cut")
        ),
        ("codec", "hsc", {"model": "camvid"}),
        *(
            ("head", name, {})
            for name in ("small", "segmenter", "latent_detector", "latent_segmenter", "psnr", "ms_ssim")
        ),
        *(
            ("dataset", name, {})
            for name in ("roadscenes", "coco", "voc", "camvid", "cityscapes", "ade20k", "mismatched", "object_crops")
        ),
        ("dataset", "images", {"path": "/somewhere"}),
    ],
)
def test_what_only_reads_is_built(kind: str, name: str, settings: dict[str, Any]) -> None:
    assert why_not_built(REGISTRIES[kind], name, settings) is None


def test_a_class_speaks_for_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Sneaky(Jpeg):
        """Inherits the word of its parent, which did not know it."""

    monkeypatch.setitem(CODECS._classes, "sneaky", Sneaky)
    assert "does not say that it is data only" in (why_not_built(CODECS, "sneaky", {}) or "")


def test_specs_that_are_none_are_no_traceback() -> None:
    assert why_not_spec(CODECS, "(" * 5000)
    assert why_not_spec(CODECS, "vvc(" + "[" * 3000 + "]" * 3000 + ")")
    assert why_not_spec(CODECS, None)


@pytest.mark.parametrize("name", sorted({name for name, _ in evil_plugins(Path("/x"))} - {"nobody", "jpeg"}))
def test_programs_and_models_of_a_folder_are_named_and_left_alone(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither built nor asked: a class that raises when it is built shows that it was not."""
    settings = next(config for other, config in evil_plugins(folder) if other == name)
    kind, registry = next(
        (kind, registry)
        for kind, registry in REGISTRIES.items()
        if name in registry.names() and (name != "squares" or kind == "head")
    )
    allowed = why_not_built(registry, name, settings) is None

    def built(self: Any, *_: Any) -> None:
        raise AssertionError(f"{name} was built")

    if not allowed:
        monkeypatch.setattr(registry.get(name), "__init__", built)
        monkeypatch.setattr(registry.get(name), "available", built)
        monkeypatch.setattr(registry.get(name), "provenance", built)

    def change(about: dict[str, Any]) -> None:
        told = {"name": name, "config": settings, "provenance": {}}
        target = {
            "codec": list(about["cells"].values())[-1].setdefault("codec", {}),
            "head": about["heads"][0],
            "dataset": about["dataset"],
        }[kind]
        target |= told
        if kind == "codec":
            for cell in about["cells"].values():
                if cell["curve"] == "blocks":
                    cell["codec"] = told
        about["dataset"].pop("pixels_sha256")

    described(folder, change)
    code, found = judged(folder, trust=False)
    assert code in (1, 2)
    if not allowed:
        assert any(v.state == "skipped" and "--trust" in v.text for v in found), found


def test_with_trust_it_is_built(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.txt"
    weights.write_text("120")
    described(folder, lambda about: about["heads"][0]["config"].update(weights=str(weights)))
    assert any("--trust" in v.text for v in judged(folder, trust=False)[1])
    assert not any("--trust" in v.text for v in judged(folder, trust=True)[1])


# what its files hold


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("resamples",), 10**9, "resamples is 1000000000, expected a whole number from 0 to 1000000"),
        (("resamples",), -1, "resamples is -1"),
        (("resamples",), True, "resamples is True"),
        (("resamples",), "@@raw:1e999", "larger than any"),
        (("resamples",), "@@raw:NaN", "resamples is nan"),
        (("seed",), 10**400, "a whole number of 401 digits"),
        (("seed",), "@@raw:" + "9" * 5000, "a whole number of 5000 digits"),
        (("dataset", "images"), ["a"] * 1_000_001, "images is a list of 1000001"),
        (("dataset", "images"), [1], "images[0] is 1, expected text"),
        (("dataset", "images"), [], "images is a list of 0"),
        (("dataset", "config"), [], "config is a list of 0"),
        (("cells",), [], "cells is a list of 0, expected an object"),
        (("anchors",), "blocks", "anchors is 'blocks'"),
        (("environment",), "@@raw:" + "[" * 100_000, "nested too deep"),
        (("task", "name"), "x" * 5000, "text of 5,000 characters"),
        (("environment",), nested(40), "nested more than 20 deep"),
        (("match_bpp",), ["@@raw:1e400"], "larger than any"),
    ],
)
def test_numbers_and_lengths_of_run_json_are_bounded(
    folder: Path, path: tuple[str, ...], value: Any, words: str
) -> None:
    def change(about: dict[str, Any]) -> None:
        for name in path[:-1]:
            about = about[name]
        about[path[-1]] = value

    described(folder, change)
    with pytest.raises(ResultsError, match=re.escape(words)):
        run_json.read(folder / "run.json")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("title", "x" * 81, "title is a text of 81 characters"),
        ("title", "\x1b[31mAP", "expected printable characters"),
        ("unit", "a\nb", "expected printable characters"),
        ("unit", "x" * 41, "unit is a text of 41 characters"),
        ("digits", 13, "digits is 13"),
        ("digits", -1, "digits is -1"),
        ("digits", 1.5, "digits is 1.5"),
        ("low", "@@raw:1e999", "larger than any"),
        ("low", "@@raw:NaN", "low is nan"),
        ("low", 2.0, "has the bounds 2 and 1, expected the lower one first"),
        ("higher_is_better", 1, "higher_is_better is 1, expected true or false"),
        ("percent", "yes", "percent is 'yes'"),
    ],
)
def test_facts_of_run_json_are_bounded(folder: Path, field: str, value: Any, words: str) -> None:
    described(folder, lambda about: about["facts"]["ap"].update({field: value}))
    with pytest.raises(ResultsError, match=re.escape(words)):
        run_json.read(folder / "run.json")


def test_facts_that_are_cut_are_refused(folder: Path) -> None:
    described(folder, lambda about: about["facts"]["ap"].pop("digits"))
    with pytest.raises(ResultsError, match="ap is cut: it has no digits"):
        load(folder)


def test_draws_are_bounded_together(folder: Path) -> None:
    def change(about: dict[str, Any]) -> None:
        del about["dataset"]["pixels_sha256"]
        about["dataset"]["images"] = [str(n) for n in range(1000)]
        about["resamples"] = 999_999

    described(folder, change)
    with pytest.raises(ResultsError, match="999,999 resamples of 1,000 images"):
        run_json.read(folder / "run.json")


def test_a_name_that_stands_twice_in_json_is_refused() -> None:
    with pytest.raises(ValueError, match="the name 'a' stands twice"):
        from_json('{"a": 1, "a": 2}')


@pytest.mark.parametrize("value", ["1e999", "-1e400", "1e16", "1_0", " 1", "١", "0x10", "1" * 5000, "=1"])
def test_numbers_of_scores_are_bounded(folder: Path, value: str) -> None:
    path = folder / "scores.csv"
    lines = path.read_text().splitlines(keepends=True)
    fields = lines[2].split(",")
    fields[13] = value
    path.write_text("".join([*lines[:2], ",".join(fields), *lines[3:]]))
    with pytest.raises(ResultsError, match="the column value holds"):
        read_scores(path)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("kind", "bd_speed", "the kind 'bd_speed' is none of"),
        ("kind", "", "the kind '' is none of"),
        ("method", "spline", "the method 'spline' is none of"),
        ("status", "failed", "the status 'failed' is none of"),
        ("overlap_test", "1.01", "the column overlap_test holds 1.01, expected a share from 0 to 1"),
        ("overlap_anchor", "-0.1", "expected a share from 0 to 1"),
        ("overlap_anchor", "nan", "expected a share from 0 to 1"),
        ("refused", "41", "41 of 40 resamples are refused"),
        ("resamples", "1000001", "expected 0 to 1000000"),
        ("refused", "1.5", "the column refused holds"),
        ("at_bpp", "1e400", "the column at_bpp holds"),
        ("value", "1_0", "the column value holds"),
        ("anchor", "x" * 10_001, "a cell of the column anchor has 10,001 characters"),
    ],
)
def test_columns_of_comparisons_are_bounded(tmp_path: Path, column: str, value: str, words: str) -> None:
    path = tmp_path / "comparisons.csv"
    tables.write(results([row()], [comparison()]), tmp_path)
    edit(path, lambda line: {**line, column: value})
    with pytest.raises(ResultsError, match=re.escape(words)):
        read_comparisons(path)


def test_a_ladder_is_the_second_or_the_codecs_own(tmp_path: Path) -> None:
    tables.write(results([row(ladder="third")], []), tmp_path)
    with pytest.raises(ResultsError, match="the ladder 'third' is none of nothing, second"):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("codec", "vvc", "the codec vvc of comparisons.csv is not in run.json"),
        ("anchor", "vvc", "the anchor vvc of comparisons.csv is not in run.json"),
        ("other", "vvc", "the codec vvc of comparisons.csv is not in run.json"),
        ("head", "another", "the head another of comparisons.csv is not in run.json"),
        ("task", "segmentation", "task is segmentation in comparisons.csv, detection in run.json"),
        ("images", "60", "images is 60 in comparisons.csv, 12 in run.json"),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_comparisons_of_another_run_are_refused(
    folder: Path, column: str, value: str, words: str, complete: bool
) -> None:
    honest = comparison(anchor="blocks", images=12)
    tables.write(results(load(folder).score_rows, [honest]), folder)
    assert repr(load(folder, complete=complete).comparison_rows) == repr([honest])
    edit(folder / "comparisons.csv", lambda line: {**line, column: value})
    with pytest.raises(ResultsError, match=re.escape(f"are not of one run: {words}")):
        load(folder, complete=complete)
    load(folder, consistent=False)


def test_rows_that_stand_twice_are_refused(folder: Path) -> None:
    for name in ("scores.csv", "comparisons.csv"):
        shutil.copy(folder / name, folder / "kept.csv")
        tables.write(results(load(folder).score_rows, [comparison(anchor="blocks", images=12)]), folder)
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join([*lines, lines[1]]))
        with pytest.raises(ResultsError, match=f"{name} is damaged: .* stands in it twice"):
            load(folder, complete=False)
        assert "stands 2 times" in "\n".join(v.text for v in judged(folder, streams=False)[1])
        shutil.copy(folder / "kept.csv", folder / name)


@pytest.mark.parametrize("value", ["-1", "1.5", "1e3", "nan", "", "9" * 19])
def test_counts_of_records_are_whole(folder: Path, value: str) -> None:
    lines = (folder / "records.csv").read_text().splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:4], value, "0"])
    (folder / "records.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ResultsError, match="record 2"):
        records.read(folder)


def packed(folder: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(folder / "streams.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("index.json", b" " * (1 << 28))], "its index has 268,435,456 bytes"),
        ([("index.json", b"{}"), ("index.json", b"{}")], "stands twice"),
        ([("x.bin", b"")], "its index has 0 bytes"),
        ([("index.json", b"[" * 100_000)], "nested too deep"),
        ([("index.json", b'{"format": 1e999}')], "larger than any"),
        (None, "'../../evil.bin', which its index does not name"),
    ],
)
def test_archives_are_bounded(folder: Path, members: list[tuple[str, bytes]] | None, words: str) -> None:
    if members is None:
        with zipfile.ZipFile(folder / "streams.zip", "a") as archive:
            archive.writestr("../../evil.bin", b"x")
    else:
        packed(folder, members)
    with pytest.raises(ResultsError, match=re.escape(words)):
        kept_streams.read(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height", 10**9),
        ("width", 0),
        ("place", -1),
        ("height", True),
        ("id", None),
        ("pixels_sha256", 5),
        ("place", "@@raw:1e999"),
    ],
)
def test_images_of_an_archive_are_bounded(folder: Path, name: str, value: Any) -> None:
    with zipfile.ZipFile(folder / "streams.zip") as archive:
        members = [(entry, archive.read(entry)) for entry in archive.namelist()]
    index = json.loads(members[0][1])
    index["images"][0][name] = value
    packed(folder, [("index.json", dumped(index).encode()), *members[1:]])
    with pytest.raises(ResultsError, match=r"streams.zip is damaged: "):
        kept_streams.read(folder)


@pytest.mark.parametrize("name", ["scores.csv", "comparisons.csv", "run.json", "records.csv", "streams.zip"])
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link", "a loop", "a device", "large"])
def test_files_that_are_none(folder: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / name
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.symlink_to({"a link": "/etc/hostname", "a loop": name, "a device": "/dev/zero"}[kind])
    assert verify_main([str(folder), "--quiet", "--workers", "1"]) == 2
    shown = capsys.readouterr()
    assert f"{name} cannot be read" in shown.out + shown.err or f"{name} is " in shown.out + shown.err
    assert "Traceback" not in shown.err


def test_links_within_a_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"12")
    (tmp_path / "link").symlink_to("real")
    assert read_bytes(tmp_path / "link") == b"12"


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    (tmp_path / f".report.html.{os.getpid()}.part.html").symlink_to("mine")
    write_text(tmp_path / "report.html", "page")
    assert (tmp_path / "mine").read_text() == "kept"
    assert (tmp_path / "report.html").read_text() == "page"


# what of it is shown


FORMULAS = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\n=1", " =1", "'=1", "''=1", "＝1"]


@pytest.mark.parametrize("text", [*FORMULAS, "", "plain", "'quoted'", "a=1", "–1"])
def test_formulas_are_marked_and_come_back(text: str) -> None:
    written = marked(text)
    assert unmarked(written) == text
    assert (written != text) == (text in FORMULAS)
    assert not re.match(r"[=+\-@\t\r\n]", written)


def row(**columns: Any) -> ScoreRow:
    return replace(RATE_ROW, **columns)


def comparison(**columns: Any) -> Comparison:
    base = Comparison("bd_rate", "detection", "squares", "test", "ap", "squares", "image", "frozen", "blocks")
    defaults = {"anchor": "jpeg", "value": -1.5, "unit": "%", "method": "pchip", "resamples": 40, "images": 6}
    return replace(base, **{**defaults, **columns})


def results(rows: list[ScoreRow], comparisons: list[Comparison]) -> Results:
    return Results.of(rows, comparisons, ("ap",), "ap", {})


@pytest.mark.parametrize("text", [*FORMULAS, "two\nlines", "a,b", 'a"b', "\x1b[31m", "\u2028"])
def test_rows_come_back_exactly_and_numbers_stay_numbers(tmp_path: Path, text: str) -> None:
    rows = [
        row(reason=text, status="failed", value=-0.25, low=-1e-7),
        row(point=text, metric="psnr", value=float("inf")),
    ]
    numbers = {"overlap_test": 0.25, "overlap_anchor": 1.0, "low": -2.0, "high": -1e-7, "at_bpp": 0.5}
    known = {"codec_score": 0.5, "other_score": 0.25, "valued_low": -2.5, "valued_high": -0.5, "refused": 3}
    comparisons = [comparison(other=text, **numbers, **known)]
    tables.write(results(rows, comparisons), tmp_path)
    assert score_rows(read_scores(tmp_path / "scores.csv")) == rows
    assert comparison_rows(read_comparisons(tmp_path / "comparisons.csv")) == comparisons
    written = (tmp_path / "scores.csv").read_text()
    assert "-0.25,-1e-07" in written
    assert marked(text).replace('"', '""') in written
    assert marked(text).replace('"', '""') in (tmp_path / "comparisons.csv").read_text()


def test_the_reference_tables_are_written_as_they_are() -> None:
    for task in ("detection", "segmentation"):
        for name, read in (("scores.csv", read_scores), ("comparisons.csv", read_comparisons)):
            path = REFERENCE / task / name
            assert csv_text(read(path)) == path.read_text()


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_reason_does_not_leave_its_comment(end: str) -> None:
    rows = [
        row(value=1.0),
        row(metric="ap", head="squares", regime="frozen", unit="1"),
        row(codec="x", status="failed", value=float("nan"), reason=f"no{end}\\input{{evil}}"),
    ]
    tex = tables.blocks(results(rows, []), "latex_booktabs")
    assert all(line.startswith("%") for line in re.split("[\n\r\x0b\x0c\x85\u2028\u2029]", tex) if "evil" in line)
    assert "evil" in tex


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "\x07", "\u202etxt.exe", "\x9b31m", "\r", "\x00"])
def test_control_characters_do_not_reach_a_terminal(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(about: dict[str, Any]) -> None:
        about["environment"]["commit"] = about["dataset"]["name"] = text
        for cell in about["cells"].values():
            cell["point"] += text
        about["heads"][0]["label"] = text

    described(folder, change)
    (folder / f"evil{text.replace(chr(0), '')}").write_text("")
    commands = (verify_main, report_main, lambda given: card_main([given[0], "--head", text, "--codec", "blocks"]))
    for command in commands:
        command([str(folder), *(["--workers", "1"] if command is verify_main else [])])
        shown = capsys.readouterr()
        assert all(letter.isprintable() or letter == "\n" for letter in shown.out + shown.err)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g["images"][0]["tiles"][0]["picture"].update(kind="text/html"), "kind"),
        (lambda g: g["images"][0]["tiles"][0]["picture"].update(data="AAAA"), "cannot be read"),
        (lambda g: g["images"][0].update(window=[0, 0, 9, 9]), "a picture has"),
        (lambda g: g["images"][0].update(window=[0, 0, 480, 640]), "outside its image"),
        (lambda g: g["images"][0]["tiles"][0].update(found=[]), "other than 1 heads"),
        (lambda g: g["images"][0]["labels"]["boxes"].append([0, 0, 1, 1, 1, 99]), "a class that has no name"),
        (
            lambda g: g["images"][0]["labels"].update(
                outlines=["M0 0<script>"] * len(g["images"][0]["labels"]["boxes"])
            ),
            "of the form",
        ),
        (lambda g: g.update(target_bpp="@@raw:1e999"), "larger than any"),
        (lambda g: g.update(heads=3), "heads is 3"),
    ],
)
def test_pictures_are_of_the_kind_and_size_they_say(tmp_path: Path, gallery_run: Path, change: Any, words: str) -> None:
    folder = Path(shutil.copytree(gallery_run, tmp_path / "run"))
    gallery = json.loads((folder / "gallery.json").read_text())
    change(gallery)
    (folder / "gallery.json").write_text(dumped(gallery))
    with pytest.raises(ResultsError, match=re.escape(words)):
        html.write(folder)


@pytest.fixture(scope="module")
def gallery_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from benchmarks.cli.run import main as run_main

    folder = tmp_path_factory.mktemp("gallery")
    what = [
        "--dataset",
        "squares(images=2)",
        "--head",
        "squares",
        "--codec",
        "blocks(size=[8, 4])",
        "--no-noise-floor",
        "--resamples",
        "0",
        "--gallery",
        "1",
    ]
    assert (
        run_main([*what, "--workers", "1", "--quiet", "--out", str(folder / "run"), "--cache", str(folder / "cache")])
        == 0
    )
    return folder / "run"
