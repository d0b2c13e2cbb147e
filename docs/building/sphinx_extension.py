"""The Sphinx extension of this project: writes the generated pages before a build, and reads our docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from building.command_pages import command_pages
from building.docstrings import to_rst
from building.notebook_page import notebook_page
from building.plugin_pages import plugin_pages

NOTEBOOK = "first_look.ipynb"
PICTURES = (
    "detection/curves.png",
    "detection/sheet.jpg",
    "segmentation/curves.png",
    "camvid/curves.png",
    "errors/worst.jpg",
    "light/axes.jpg",
    "light/scenes.jpg",
    "roadscenes.jpg",
)
"""Pictures of ``results/reference`` that pages show."""


def generated_pages(source: Path) -> dict[str, str]:
    """Every generated page: path below the documentation's folder -> text."""
    pages = {f"reference/cli/{name}.md": text for name, text in command_pages().items()}
    pages |= {f"reference/plugins/{name}.md": text for name, text in plugin_pages().items()}
    pages["start/notebook.md"] = notebook_page(source / "start" / NOTEBOOK, NOTEBOOK)
    return pages


def write_pages(app: Sphinx) -> None:
    """Write the generated pages; a page that is unchanged keeps its time, one that is generated no more goes."""
    source = Path(app.srcdir)
    pages = generated_pages(source)
    for folder in ("reference/cli", "reference/plugins"):
        for file in (source / folder).glob("*.md"):
            if file.relative_to(source).as_posix() not in pages:
                file.unlink()
    for name, text in pages.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def copy_results(app: Sphinx) -> None:
    """Bring pictures of the tracked runs into the documentation, so that a page shows what the repository holds."""
    source = Path(app.srcdir)
    target = source / "figures" / "results"
    for name in PICTURES:
        copy = target / name.replace("/", "-")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.parent / "results" / "reference" / name, copy)


def read_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Mapping[str, Any], lines: list[str]) -> None:
    """Turn a docstring into reStructuredText, in place, as autodoc asks."""
    lines[:] = to_rst("\n".join(lines), _names(what, obj))


def _names(what: str, obj: Any) -> list[str]:
    """The parameters or fields that a docstring may describe."""
    if dataclasses.is_dataclass(obj):
        return [field.name for field in dataclasses.fields(obj)]
    if what in ("function", "method"):
        return [name for name in inspect.signature(obj).parameters if name != "self"]
    return []


def hide_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Mapping[str, Any], signature: str, returned: str
) -> tuple[str, str] | None:
    """A protocol is never called, so it has no signature."""
    return ("", "") if what == "class" and getattr(obj, "_is_protocol", False) else None


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    app.connect("builder-inited", copy_results)
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-process-signature", hide_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
