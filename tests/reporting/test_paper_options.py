"""What the user of ``hsc-bench paper`` may choose: codecs, names, widths, ranges, and parts alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from paper_testkit import ADAPTED, FROZEN, ODD, numbers_of, write_run
from pdf_text import pdf_inches, pdf_lines

from benchmarks.cli.paper import main, parser
from benchmarks.reporting.figures.codec_styles import styles_of
from benchmarks.reporting.figures.rate_curves import DOUBLE, SINGLE
from benchmarks.reporting.images.sheet_columns import read_columns, write_columns
from benchmarks.reporting.paper.document import _styles
from benchmarks.reporting.paper.group import groups
from benchmarks.reporting.paper.paper_options import (
    PaperOptions,
    parse_codecs,
    parse_names,
    parse_ranges,
    split_outside,
)
from benchmarks.runs.run_folder import Run, load
from hsc.errors import UnknownNameError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(
        tmp_path_factory.mktemp("run") / "detection", numbers_of("detection", (FROZEN, ADAPTED), lead=0.03)
    )


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return load(folder)


@pytest.fixture(scope="module")
def with_sheet(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with a contact sheet of two codecs, one of them under a name."""
    copy = tmp_path_factory.mktemp("sheet") / "drawn"
    shutil.copytree(folder, copy)
    PIL.Image.new("RGB", (40, 30), (90, 20, 20)).save(copy / "sheet.jpg")
    write_columns(copy / "sheet.jpg", {"good": "Good", "plain": "plain"})
    return copy


def lines(table: str) -> list[str]:
    """The first cells of the lines of a table."""
    return [line.split(" & ")[0] for line in table.split("\n") if " & " in line]


def made(folder: Path, out: Path, *words: str) -> dict[str, str]:
    """The texts of a paper that was made with these words."""
    assert main([str(folder), "--out", str(out), *words]) == 0
    return {path.name: path.read_text() for path in out.iterdir() if path.suffix in (".tex", ".bib")}


def test_codecs_come_in_the_order_asked_for_and_no_others(folder: Path, tmp_path: Path) -> None:
    texts = made(folder, tmp_path / "out", "--codecs", "plain,good")
    assert lines(texts["detection-frozen-rates.tex"])[2:4] == ["plain", "good"]
    assert lines(texts["detection-frozen-bd.tex"])[1] == "good"
    assert not [name for name, text in texts.items() if "odd(" in text]
    assert texts["methods.tex"].index("plain") < texts["methods.tex"].index("good")
    points = texts["detection-frozen-points.tex"]
    assert points.index("{plain}") < points.index("{good}")


def test_bold_needs_a_lead_over_every_codec_that_is_shown_and_over_no_other(run: Run) -> None:
    (group, _) = groups([run], PaperOptions(codecs=("plain", ODD)))
    assert set(group.of_kind("score_at_rate")["codec"]) == {"plain", ODD}
    assert group.of_kind("lead_at_rate").empty  # those of the run are all of a codec that is not shown
    (group, _) = groups([run], PaperOptions(codecs=("good", "plain")))
    assert set(group.of_kind("lead_at_rate")["other"]) == {"plain"}
    assert not group.of_kind("noise_floor_rate").empty


def test_names_replace_labels_in_all_tables_and_texts(folder: Path, tmp_path: Path) -> None:
    words = ("--names", "good=Ours & theirs", "--names", "h_1(x=[a|b])=Head", "--names", "squares=The Squares")
    texts = made(folder, tmp_path / "out", *words, "--names", "plain=Plain 1")
    assert r"Ours \& theirs" in lines(texts["detection-frozen-rates.tex"])
    assert r"\textit{Head}" in texts["detection-frozen-bd.tex"]
    assert "differences against Plain 1 on The Squares (test, 12 images)" in texts["detection-frozen-bd.tex"]
    assert "(Plain 1)" in texts["detection-frozen-bd.tex"]  # the noise floor
    for name in ("methods.tex", "settings.tex"):
        assert r"Ours \& theirs" in texts[name]
        assert "The Squares" in texts[name]
    shown = "".join(text for name, text in texts.items() if name.startswith("detection-frozen"))
    assert not re.search(r"\b(good|plain|squares)\b", re.sub(r"\\label\{[^}]*\}", "", shown))
    assert r"h\_1" not in shown


def test_a_codec_keeps_its_style_under_another_name_and_beside_fewer_others(run: Run) -> None:
    shown = _styles(groups([run], PaperOptions(codecs=("plain",), names={"plain": "P"})))
    assert shown["P"] == styles_of(["good", "plain", ODD])["plain"]


def test_one_column_has_two_rates_side_by_side_and_one_difference(folder: Path, tmp_path: Path) -> None:
    one, two = (made(folder, tmp_path / width, "--width", width) for width in ("one", "two"))
    for name in ("rates", "bd", "curves"):
        file = f"detection-frozen-{name}.tex"
        kind = "figure" if name == "curves" else "table"
        assert rf"\begin{{{kind}}}[tb]" in one[file]
        assert rf"\begin{{{kind}*}}[tb]" in two[file]
    columns = r"\\begin\{tabular\}\{([lr]+)\}"
    assert re.findall(columns, one["detection-frozen-rates.tex"]) == ["lrr"] * 3
    assert re.findall(columns, two["detection-frozen-rates.tex"]) == ["lrrrrr", "lr"]
    assert re.findall(columns, one["detection-frozen-bd.tex"]) == ["lrr", "lrr"]
    numbers = re.compile(r"(?:\d+\.\d)")
    for file in ("detection-frozen-rates.tex", "detection-frozen-bd.tex"):
        assert set(numbers.findall(one[file])) == set(numbers.findall(two[file]))
    assert one["detection-frozen-points.tex"] == two["detection-frozen-points.tex"]


def test_the_axis_of_scores_has_the_ends_asked_for_and_the_caption_says_what_it_hides(
    folder: Path, tmp_path: Path
) -> None:
    words = ("--only", "figure", "curves", "--y-range")
    hiding = made(folder, tmp_path / "a", *words, "20:30")["detection-frozen-curves.tex"]
    whole = made(folder, tmp_path / "b", *words, "ap=0:90")["detection-frozen-curves.tex"]
    other = made(folder, tmp_path / "c", *words, "psnr=20:30")["detection-frozen-curves.tex"]
    assert "Points lie beyond the axis of scores." in hiding
    assert "Points lie beyond" not in whole + other
    files = [(tmp_path / name / "detection-frozen-curves.pdf").read_bytes() for name in "abc"]
    assert len(set(files)) == 3


def test_a_figure_is_as_wide_as_asked_for_and_its_axis_ends_where_asked_for(folder: Path, tmp_path: Path) -> None:
    only = ("--only", "figure", "curves")
    made(folder, tmp_path / "one", *only, "--width", "one", "--y-range", "20:30")
    made(folder, tmp_path / "two", *only, "--width", "two", "--y-range", "ap=0:90")
    one, two = (tmp_path / width / "detection-frozen-curves.pdf" for width in ("one", "two"))
    assert pdf_inches(one)[0] == pytest.approx(SINGLE, abs=0.01)
    assert pdf_inches(two)[0] == pytest.approx(DOUBLE, abs=0.01)
    assert {"20", "30"} <= set(pdf_lines(one))
    assert {"0", "80"} <= set(pdf_lines(two))
    assert not {"0", "40", "80"} & set(pdf_lines(one))


def test_a_figure_shows_the_codecs_asked_for_under_their_names(folder: Path, tmp_path: Path) -> None:
    words = ("--only", "figure", "curves", "--codecs", "plain,good", "--names", "good=Ours")
    made(folder, tmp_path / "out", *words)
    shown = pdf_lines(tmp_path / "out" / "detection-frozen-curves.pdf")
    assert [line for line in shown if line in ("plain", "Ours", "good")] == ["plain", "Ours"]
    assert not [line for line in shown if "odd" in line]


@pytest.mark.parametrize(
    ("part", "files"),
    [
        (("table", "rates"), ["rates.tex"]),
        (("table", "bd"), ["bd.tex"]),
        (("table", "points"), ["points.tex"]),
        (("table", "published"), []),
        (("figure", "curves"), ["curves.pdf", "curves.tex"]),
        (("figure", "sheet"), []),
    ],
)
def test_each_part_alone_brings_its_own_files_and_no_others(
    with_sheet: Path, tmp_path: Path, part: tuple[str, str], files: list[str]
) -> None:
    out, run = tmp_path / "out", with_sheet.name
    assert main([str(with_sheet), "--out", str(out), "--reference", "coco-jpeg", "--only", *part]) == 0
    others = {"published": ["published.tex"], "sheet": [f"{run}-sheet.jpg", f"{run}-sheet.tex"]}.get(part[1], [])
    own = [f"{run}-{regime}-{file}" for regime in ("adapted", "frozen") for file in files]
    assert sorted(path.name for path in out.iterdir()) == sorted(["main.tex", *own, *others])
    inputs = (out / "main.tex").read_text()
    assert all(rf"\input{{{name.removesuffix('.tex')}}}" in inputs for name in own + others if name.endswith(".tex"))


def test_a_sheet_stands_in_the_paper_only_without_codecs_that_were_not_asked_for(
    with_sheet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = f"{with_sheet.name}-sheet.jpg"
    made(with_sheet, tmp_path / "both", "--codecs", f"plain,{ODD},good")
    assert (tmp_path / "both" / sheet).read_bytes() == (with_sheet / "sheet.jpg").read_bytes()
    assert "Good is good in the tables" in capsys.readouterr().err
    made(with_sheet, tmp_path / "named", "--names", "good=Good codec")
    assert "Good is Good codec in the tables" in capsys.readouterr().err
    made(with_sheet, tmp_path / "one", "--codecs", "plain")
    assert not (tmp_path / "one" / sheet).exists()
    assert "sheet.jpg shows Good, too, so --codecs leaves it out" in capsys.readouterr().err
    assert "sheet" not in (tmp_path / "one" / "main.tex").read_text()
    alone = [str(with_sheet), "--out", str(tmp_path / "alone"), "--only", "figure", "sheet", "--codecs", "plain"]
    assert main(alone) == 2
    assert "these runs have none (" in capsys.readouterr().err


def test_a_sheet_that_does_not_say_what_it_shows_is_left_out_where_codecs_are_chosen(
    with_sheet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "silent"
    shutil.copytree(with_sheet, folder)
    PIL.Image.new("RGB", (40, 30), (90, 20, 20)).save(folder / "sheet.jpg", comment=b'{"other": 1}')
    made(folder, tmp_path / "all")
    assert (tmp_path / "all" / "silent-sheet.jpg").exists()
    made(folder, tmp_path / "chosen", "--codecs", "good")
    assert not (tmp_path / "chosen" / "silent-sheet.jpg").exists()
    assert "does not say which codecs it shows" in capsys.readouterr().err


def test_the_comment_of_a_sheet_leaves_its_picture_alone(with_sheet: Path, tmp_path: Path) -> None:
    with PIL.Image.open(with_sheet / "sheet.jpg") as picture:
        assert read_columns(picture) == {"good": "Good", "plain": "plain"}
        assert picture.size == (40, 30)
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    write_columns(tmp_path / "a.png", {"good": "Good"})
    assert (tmp_path / "a.png").read_bytes() == before


def test_a_part_alone_comes_with_a_document_that_shows_it(folder: Path, tmp_path: Path) -> None:
    texts = made(folder, tmp_path / "out", "--only", "table", "rates", "--only", "table", "points")
    assert set(texts) == {
        "main.tex",
        *(f"detection-{regime}-{part}.tex" for regime in ("frozen", "adapted") for part in ("rates", "points")),
    }
    assert r"\cite" not in "".join(texts.values())
    assert texts["main.tex"].index(r"\onecolumn") < texts["main.tex"].index("points")
    assert r"\bibliography{" not in texts["main.tex"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--codecs", "god"], "no codec of these runs is called 'god'; did you mean good?"),
        (["--codecs", "good,,plain"], "a name is empty"),
        (["--codecs", "good", "--codecs", "good"], "good stands there twice"),
        (["--names", "good"], "is no pair of names"),
        (["--names", "goood=X"], "did you mean good?"),
        (["--names", "good=X", "--names", "good=Y"], "good is named twice, 'X' and 'Y'"),
        (["--names", "good=X", "--names", "plain=X"], "two codecs would be called 'X'"),
        (["--y-range", "5"], "is no range"),
        (["--y-range", "60:20"], "is no range"),
        (["--y-range", "0:inf"], "is no range"),
        (["--y-range", "1:2", "--y-range", "1:3"], "given twice for all scores"),
        (["--only", "table", "rate"], "did you mean table rates?"),
        (["--only", "table", "curves"], "curves is a figure"),
        (["--only", "picture", "curves"], "expected table or figure"),
        (["--only", "table", "published"], "these runs have none (published needs --reference"),
    ],
)
def test_a_choice_that_cannot_be_met_is_one_sentence_and_leaves_no_file(
    folder: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--out", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))


def test_codecs_are_found_by_label_by_name_and_by_another_writing() -> None:
    labels = ["jpeg", "vvc", "vvc(scale=0.5)", "bpg(bits=10)"]
    assert PaperOptions(codecs=("vvc(scale=0.5)", "jpeg")).chosen(labels) == ["vvc(scale=0.5)", "jpeg"]
    assert PaperOptions(codecs=("bpg", "vvc")).chosen(labels) == ["bpg(bits=10)", "vvc"]
    assert PaperOptions(codecs=("bpg( bits = 10 )",)).chosen(labels) == ["bpg(bits=10)"]
    assert PaperOptions().chosen(labels) == labels
    assert PaperOptions(names={"bpg": "HEVC"}).shown_names(labels, []) == {"bpg(bits=10)": "HEVC"}
    with pytest.raises(UsageError, match="stands for"):
        PaperOptions(names={"avif": "X"}).shown_names(["avif(a=1)", "avif(a=2)"], [])
    with pytest.raises(UnknownNameError, match="did you mean jpeg"):
        PaperOptions(codecs=("jpg",)).require_known(labels, [])
    with pytest.raises(UsageError, match="expected one or two"):
        PaperOptions(columns="three")  # type: ignore[arg-type]


def test_texts_of_options_are_read_outside_brackets_and_quotes() -> None:
    assert parse_codecs(["vvc(qp=[42, 32]),jpeg", '"a,b"']) == ("vvc(qp=[42, 32])", "jpeg", '"a,b"')
    assert parse_names(["small(arch=hourglass)=H=1"]) == {"small(arch=hourglass)": "H=1"}
    assert parse_ranges(["20:60", "psnr=-1.5:4e1"]) == {"": (20, 60), "psnr": (-1.5, 40)}
    assert split_outside("a", ",") == ["a"]
    options = PaperOptions(y_ranges=parse_ranges(["0:1", "psnr=2:3"]))
    assert (options.y_range("psnr"), options.y_range("ap")) == ((2, 3), (0, 1))
    assert PaperOptions().y_range("ap") is None


def test_a_run_without_any_of_the_codecs_is_named(folder: Path, tmp_path: Path) -> None:
    numbers = numbers_of("detection", (FROZEN,))
    others = replace(
        numbers,
        scores=[row for row in numbers.scores if row.codec != "good"],
        comparisons=[row for row in numbers.comparisons if "good" not in (row.codec, row.other)],
    )
    second = write_run(tmp_path / "second", others)
    with pytest.raises(UsageError, match=r"the run in .*second has none of them; it has plain, odd"):
        groups([load(folder), load(second)], PaperOptions(codecs=("good",)))


def test_the_help_shows_every_option_and_part() -> None:
    text = " ".join(parser().format_help().split())
    for word in (
        "--codecs",
        "--names",
        "--width",
        "--y-range",
        "--only",
        "table rates|bd|points|published",
        "figure curves|sheet",
    ):
        assert word in text
