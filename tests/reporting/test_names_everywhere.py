"""Names that codecs and heads were given stand in all that people read, and nowhere does an absolute path."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from hsc_testkit import Blocks
from map_testkit import Greys, ReadGrey
from pdf_text import pdf_lines

from benchmarks.api import CODECS, TASKS
from benchmarks.cli.run_ending import ending
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.reporting import save_run
from benchmarks.reporting.images.contact_sheet import sheet
from benchmarks.reporting.paper.document import write as write_paper
from benchmarks.runs.run_folder import load

CODEC, HEAD = "Means of four", "Eyes"
LABELS = {CODEC: "blocks", HEAD: "first"}
FOLDER = "/home/someone/models"
BY_PATH, SHORT = f'onnx(path="{FOLDER}/grey.onnx")', "onnx(path=grey.onnx)"
PEOPLE_READ = (".md", ".tex", ".html", ".pdf")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def outcome(cache: Path) -> Outcome:
    """Two codecs and two heads on four images, one of each named; the other head's label holds an absolute path."""
    codecs = ["blocks", Blocks(4, slow_s=1e-6)]
    config = configure("segmentation", Greys(images=4), codecs, [ReadGrey(), ReadGrey(voc=True)], resamples=0)
    first, second = config.readers
    readers = (replace(first, label=LABELS[HEAD]), replace(second, label=BY_PATH))
    names = tuple((label, name) for name, label in LABELS.items())
    return run(replace(config, readers=readers, names=names), cache=cache, executor=Inline())


@pytest.fixture(scope="module")
def folder(outcome: Outcome, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    options = argparse.Namespace(workers=1, device="cpu", cache=cache, gallery=1)
    save_run.write(outcome, folder, options, [], Silent())
    return folder


@pytest.fixture(scope="module")
def paper(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    paper = tmp_path_factory.mktemp("paper")
    write_paper([load(folder)], paper, overwrite=True)
    return paper


def text_of(path: Path) -> str:
    """The letters of a file that people read."""
    return "\n".join(pdf_lines(path)) if path.suffix == ".pdf" else path.read_text("utf-8")


def check(text: str, *names: str) -> None:
    assert all(name in text.replace("\\", "") for name in names)
    assert FOLDER not in text
    assert "someone" not in text


@pytest.mark.parametrize("name", ["curves.pdf", "class_curves.pdf", "confusion_change.pdf", "table.md", "table.tex"])
def test_tables_and_figures_show_names(folder: Path, name: str) -> None:
    check(text_of(folder / name), CODEC, HEAD, SHORT)


def test_the_page_shows_names_in_tables_chips_and_curves(folder: Path) -> None:
    text = text_of(folder / "report.html")
    check(text, CODEC, HEAD, SHORT)
    assert f'"label":"{CODEC}"' in text
    assert f"{HEAD} · pixel domain" in text


@pytest.mark.parametrize("full", [False, True])
def test_the_terminal_shows_names(outcome: Outcome, folder: Path, full: bool) -> None:
    check(ending(outcome, Path("run"), full=full), CODEC, HEAD, SHORT)


def test_a_notebook_shows_names(outcome: Outcome) -> None:
    check(outcome._repr_html_(), CODEC, HEAD, SHORT)


def test_a_paper_shows_names_in_every_part(paper: Path) -> None:
    texts = {path.name: text_of(path) for path in paper.iterdir() if path.suffix in PEOPLE_READ}
    naming = ("-points.tex", "-rates.tex", "-curves.pdf", "methods.tex", "settings.tex")
    for name, text in texts.items():
        check(text, *((CODEC,) if name.endswith(naming) else ()))
    for part in ("-points.tex", "-curves.pdf", "methods.tex"):
        (text,) = (text for name, text in texts.items() if name.endswith(part))
        check(text, HEAD, SHORT)


def test_files_for_programs_keep_the_labels(outcome: Outcome, folder: Path) -> None:
    run = load(folder)
    assert {"blocks", "blocks(slow_s=1e-06)"} <= set(run.scores["codec"])
    assert set(run.scores["head"]) - {""} == {LABELS[HEAD], BY_PATH}
    assert run.results.names == {label: name for name, label in LABELS.items()}
    for name in ("table.csv", "confusion.csv", "confusion_change.csv"):
        text = (folder / name).read_text()
        assert "blocks" in text
        assert CODEC not in text
    assert set(outcome.summary["codec"]) == {"blocks", "blocks(slow_s=1e-06)"}


def test_a_contact_sheet_shows_names(tmp_path: Path) -> None:
    codecs = CODECS.build("blocks(size=4)"), [CODECS.build("jpeg")]
    file = tmp_path / "sheet.pdf"
    sheet(Greys(), ReadGrey(), *codecs, [0, 1], file, task=TASKS.build("segmentation"), names={"blocks": CODEC})
    assert [line for line in pdf_lines(file) if line in ("original", CODEC, "blocks", "jpeg")] == [
        "original",
        CODEC,
        "jpeg",
    ]
