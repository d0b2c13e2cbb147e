"""A student with a PyTorch codec of her own and a paper due: from her class to a table, a figure and a bibliography.

The pages: guides/pytorch-codec.md, guides/paper.md, and for photos of her own guides/own-detector.md.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import PIL.Image
import pytest
import torch
from code_blocks import Reader
from guide import changed, command, file_text, option
from orchard import CLASSES, write_detector, write_photos
from pdf_text import pdf_lines

import benchmarks

NAME = "WaveletNet, ours"


@pytest.fixture
def student(tmp_path: Path) -> Reader:
    """Her folder: the class that she wrote, its trained weights, and the packaging of guides/pytorch-codec.md."""
    folder, cache = tmp_path / "work", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    reader = Reader(folder, cache)
    shutil.copy(Path(__file__).with_name("waveletnet.py"), folder)
    signs = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    weights = {f"{part}.weight": signs.reshape(4, 1, 2, 2) for part in ("analysis", "synthesis")}
    torch.save(weights, folder / "waveletnet.pt")
    packaging = file_text("guides/pytorch-codec.md", "pyproject.toml")
    packaging = changed(packaging, {"blockcosine": "waveletnet", "mycodec": "waveletnet"})
    (folder / "pyproject.toml").write_text(packaging, "utf-8")
    reader.run(command("guides/pytorch-codec.md", "pip install -e ."))
    return reader


def run_and_paper(student: Reader, vvc: str, more: str = "") -> str:
    """Type the run and the document of guides/paper.md; returns what the second printed."""
    own = f"--codec {vvc} --codec 'waveletnet(name=\"{NAME}\")'"
    line = command("guides/paper.md", "run", "--keep-streams")
    student.run(changed(line, {"--codec webp --codec hsc": own}) + more)
    return student.run(command("guides/paper.md", "paper", "--out paper"))


def assert_ready(folder: Path) -> None:
    """The table, the figure and the bibliography are there, with her codec's numbers under its name."""
    latexwalker = pytest.importorskip("pylatexenc.latexwalker")
    paper = folder / "paper"
    texts = {path.name: path.read_text("utf-8") for path in paper.glob("*.tex")}
    for name, text in texts.items():
        walker = latexwalker.LatexWalker(text, tolerant_parsing=False)
        assert walker.get_latex_nodes()[2] == len(text), name
    for name in re.findall(r"\\input\{([^}]*)\}", texts["main.tex"]):
        assert f"{name}.tex" in texts
    for part in ("rates", "bd", "points", "curves"):
        assert f"paper-detection-frozen-{part}.tex" in texts
    for part in ("rates", "bd", "points"):
        table = texts[f"paper-detection-frozen-{part}.tex"]
        assert NAME in table
        assert "waveletnet" not in table
    assert NAME in (folder / "results/runs/paper-detection/table.md").read_text("utf-8")
    scores = benchmarks.load(folder / "results" / "runs" / "paper-detection").scores
    points = texts["paper-detection-frozen-points.tex"]
    rates = scores[(scores.codec == "waveletnet") & (scores.metric == "bpp") & (scores.ladder == "")].value
    assert len(rates) == 6
    assert all(f"{rate:.4f}" in points for rate in rates)
    included = re.findall(r"\\includegraphics(?:\[[^\]]*\])?\{([^}]*)\}", texts["paper-detection-frozen-curves.tex"])
    assert included
    for figure in [*(paper / name for name in included), folder / "results/runs/paper-detection/curves.pdf"]:
        assert NAME in pdf_lines(figure)
    with PIL.Image.open(folder / "results/runs/paper-detection/curves.png") as picture:
        assert min(picture.size) > 300
    bibliography = (paper / "references.bib").read_text("utf-8")
    keys = set(re.findall(r"^@\w+\{([^,\s]+),", bibliography, re.MULTILINE))
    assert {"me2026wavelet", "wallace1992jpeg", "bross2021vvc", "hscbench"} <= keys
    cited = {
        key for text in texts.values() for group in re.findall(r"\\cite\{([^}]*)\}", text) for key in group.split(",")
    }
    assert cited == keys
    assert rf"{NAME}~\cite{{me2026wavelet}}" in texts["methods.tex"]


def test_she_has_a_table_a_figure_and_a_bibliography(student: Reader) -> None:
    """On four photos of her own, with a detector of her own, few points of VVC and one worker, so that it is quick."""
    write_detector(student.folder / "detector.onnx")
    write_photos(student.folder, 4)
    (student.folder / "names.txt").write_text("\n".join(CLASSES), "utf-8")
    line = command("guides/own-detector.md", "onnx(path=", "--limit")
    own = f" {option(line, '--dataset')} {option(line, '--head')} --workers 1 --gallery 0"
    said = run_and_paper(student, "'vvc(qp=[52, 47, 42, 37])'", own)
    assert "no citation is known for" not in said.replace("the head onnx", "")
    assert_ready(student.folder)


@pytest.mark.slow
def test_she_has_it_on_the_default_images_and_her_codec_keeps_the_rules(student: Reader) -> None:
    page = "guides/pytorch-codec.md"
    assert re.search("^waveletnet +available", student.run(command(page, "list codecs")), re.MULTILINE)
    rules = student.run(changed(command(page, "check-codec", "--quick"), {"blockcosine": "waveletnet"}))
    assert "- [ ]" not in rules
    run_and_paper(student, "vvc")
    assert_ready(student.folder)
    verdict = student.run(command("guides/paper.md", "verify") + " --trust")
    assert "drawn again from the scores, and the same: curves.png, curves.pdf" in verdict
    assert "verification passed" in verdict
