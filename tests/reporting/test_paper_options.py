"""What the user of ``hsc-bench paper`` may choose: codecs, names, widths, ranges, and parts alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from paper_testkit import ADAPTED, FROZEN, ODD, numbers_of, write_run

from benchmarks.cli.paper import main, parser
from benchmarks.reporting.figures.codec_styles import styles_of
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
