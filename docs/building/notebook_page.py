"""A notebook as a page: its text as it stands, its code in blocks, without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class Cell(NamedTuple):
    """A cell of a notebook. kind: "markdown" or "code"; source: its text."""

    kind: str
    source: str


def cells(path: Path) -> list[Cell]:
    """The cells of a notebook, in order.

    Raises:
        ValueError: the file is not a notebook of version 4.
    """
    notebook = json.loads(path.read_text("utf-8"))
    if notebook.get("nbformat") != 4:
        raise ValueError(f"{path.name} has nbformat {notebook.get('nbformat')!r}, expected 4")
    return [Cell(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def notebook_page(path: Path, download: str) -> str:
    """A notebook's page in MyST Markdown. download: the notebook's path as the page names it."""
    parts = []
    for number, cell in enumerate(cells(path)):
        if cell.kind == "code":
            parts.append(f"```python\n{cell.source.rstrip()}\n```")
        else:
            parts.append(cell.source.rstrip())
        if number == 0:
            parts.append(f"Download the notebook: {{download}}`{path.name} <{download}>`.")
    return "\n\n".join(parts) + "\n"
