"""The notebook runs, cell after cell, and is a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest
from building.notebook_page import cells, notebook_page
from code_blocks import Reader

NAME = "first_look.ipynb"


def test_cells_alternate_text_and_code_and_hold_no_outputs(docs_folder: Path) -> None:
    path = docs_folder / "start" / NAME
    kinds = [cell.kind for cell in cells(path)]
    assert kinds[0] == "markdown"
    assert kinds.count("code") >= 5
    assert '"outputs": []' in path.read_text("utf-8")
    assert '"output_type"' not in path.read_text("utf-8")


def test_page_of_the_notebook_holds_every_cell(docs_folder: Path) -> None:
    path = docs_folder / "start" / NAME
    page = notebook_page(path, NAME)
    assert all(cell.source.rstrip() in page for cell in cells(path))
    assert f"{{download}}`{NAME} <{NAME}>`" in page


def test_notebook_is_valid(docs_folder: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(docs_folder / "start" / NAME, as_version=4))


@pytest.mark.slow
def test_notebook_runs(docs_folder: Path, tmp_path: Path) -> None:
    folder, cache = tmp_path / "work", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    code = [cell.source for cell in cells(docs_folder / "start" / NAME) if cell.kind == "code"]
    (folder / "cells.py").write_text("\n\n".join(code), "utf-8")
    printed = Reader(folder, cache).run("python cells.py")
    assert "jpeg" in printed
