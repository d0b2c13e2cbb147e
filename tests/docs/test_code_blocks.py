"""Every page does what it says: its files are written, its commands typed and its Python run, on four images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from code_blocks import ROOT, Reader, blocks

DOCS = ROOT / "docs"
ENDS_WITH: dict[str, dict[str, str]] = {
    "docs/start/first-run.md": {
        "results/runs/detection/table.md": r"### Summary(.*\n)*\| webp ",
        "results/runs/detection-again/run.toml": "limit = 4",
        "results/runs/from-a-file/run.toml": r"webp\(quality=\[0, 15, 35, 60\]\)",
        "results/runs/from-python/report.html": "<html",
        "results/runs/segmentation/report.html": "<html",
    },
    "docs/start/report-page.md": {"results/runs/named/report.html": "WebP, fast"},
    "docs/start/install.md": {"hsc-bench.bash": "hsc.bench"},
    "docs/reference/files.md": {"results/runs/kept/predictions/manifest.json": "COCO results"},
    "docs/method/errors.md": {
        "results/runs/errors/errors.csv": ",hallucinated,",
        "results/runs/errors/worst.jpg": "JFIF",
    },
    "docs/guides/pytorch-codec.md": {
        "results/runs/detection/scores.csv": ",blockcosine,",
        "results/runs/detection/report.html": "Block cosine",
    },
    "docs/guides/external-program.md": {"results/runs/detection/scores.csv": ",half,"},
    "docs/guides/codec-server.md": {
        "results/runs/detection/scores.csv": ",thumb,",
        "results/runs/folder/scores.csv": ",folder,",
    },
    "docs/guides/paper.md": {
        "paper/main.tex": r"\\input",
        "paper/paper-detection-frozen-rates.tex": r"\\toprule",
        "paper/paper-detection-frozen-bd.tex": r"\\toprule",
        "paper/paper-detection-frozen-points.tex": r"\\toprule",
        "paper/paper-detection-frozen-curves.tex": r"\\includegraphics",
        "paper/*.pdf": "%PDF",
        "paper/references.bib": "^@",
    },
    "docs/guides/checking-a-table.md": {"verdict.txt": "table.md"},
    "docs/guides/merging-runs.md": {
        "results/runs/both/table.md": "webp",
        "results/runs/both/run.json": '"merged"',
        "comparison/webp.json": "encoded_size",
    },
    "docs/guides/preprocessing.md": {"results/runs/detection/scores.csv": "roi"},
    "docs/guides/complexity.md": {"results/runs/cost/cost.csv": "inversion"},
    "docs/guides/datasets.md": {"results/runs/folder/table.md": "pseudo-labels"},
    "docs/hsc/encode-preview-edit.md": {"relit.png": "PNG", "strip.png": "PNG"},
}
"""What a reader has at the end of a page: files, by a pattern, and a text that one of them holds."""
PRINTS = {
    "docs/guides/merging-runs.md": "verification passed",
    "docs/guides/preprocessing.md": r"\d+% of the picture",
    "docs/guides/choosing-a-quality.md": (
        r"AP \d+\.\d on the originals(.*\n)*(jpeg|webp)\(quality=\d+\)  .*\n(.*\n)*Best AP within 12 kB"
    ),
    "docs/guides/checking-a-table.md": "exit code 1",
    "docs/guides/pytorch-codec.md": r"AP \d+\.\d",
}


def pages() -> list[str]:
    """Pages written by hand that hold something to run, README among them."""
    found = []
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("docs/_build", "docs/reference/cli", "docs/reference/plugins", "docs/start/notebook")):
            continue
        if any(not b.reason and not b.file and b.language in ("console", "python") for b in blocks(path.read_text())):
            found.append(name)
    return found


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of all pages, so that what one page encodes the next one reads."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.parametrize("name", pages())
def test_page_runs_as_written(name: str, tmp_path: Path, shared_cache: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    printed = Reader(folder, shared_cache).follow((ROOT / name).read_text("utf-8"))
    assert re.search(PRINTS.get(name, ""), printed)
    for pattern, text in ENDS_WITH.get(name, {}).items():
        files = [path.read_text("utf-8", errors="replace") for path in folder.glob(pattern)]
        assert any(re.search(text, content) for content in files), f"{pattern} does not hold {text}"


def test_expectations_are_of_pages_that_are_there() -> None:
    assert (set(ENDS_WITH) | set(PRINTS)) <= set(pages())


def test_blocks_are_read_with_their_notes() -> None:
    text = (
        "<!-- file: a.toml -->\n```toml\nx = 1\n```\n\n```console\n$ hsc-bench run \\\n    --codec jpeg\nprinted\n```\n"
        "\n<!-- not run: needs COCO -->\n```python\nraise\n```\n"
    )
    toml, console, python = blocks(text)
    assert (toml.file, toml.text) == ("a.toml", "x = 1\n")
    assert console.commands == ["hsc-bench run --codec jpeg"]
    assert (python.reason, python.line) == ("needs COCO", 13)
