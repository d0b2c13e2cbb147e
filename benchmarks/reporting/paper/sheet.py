"""A run's contact sheet in a paper: whole, where it shows no codec that the paper leaves out, else not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from benchmarks.imaging.image_arrays import check_size
from benchmarks.reporting.images.sheet_columns import read_columns
from benchmarks.reporting.paper.group import Group, curves_of
from benchmarks.reporting.paper.latex import escape, floating
from benchmarks.runs.folder_files import exists, read_bytes
from benchmarks.runs.run_folder import Run
from hsc.errors import ResultsError

_FILE = "sheet.jpg"
_WIDE = {"one": (r"\columnwidth", "figure"), "two": (r"\textwidth", "figure*")}
_CURE = "draw another with hsc-bench contact-sheet"


class Sheet(NamedTuple):
    """A contact sheet. data: its JPEG. names: of the codecs as it shows them, by label; None where it does not say."""

    data: bytes
    names: dict[str, str] | None


def sheet_of(run: Run) -> Sheet | None:
    """A run's contact sheet, None where it has none.

    Raises:
        ResultsError: it cannot be read.
    """
    import PIL.Image

    path = run.folder / _FILE
    if not exists(path):
        return None
    data = read_bytes(path)
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            check_size(picture.size[1], picture.size[0], _FILE)
            picture.load()
            return Sheet(data, read_columns(picture))
    except Exception as error:  # Pillow raises what it likes on damaged files, and warns of large ones
        raise ResultsError(
            f"the sheet {path} is damaged: {error}; make it again with hsc-bench contact-sheet, or take it away"
        ) from error


def why_left_out(sheet: Sheet, group: Group) -> str:
    """Why a paper cannot show a sheet, for the user; empty where it can. A sheet is one picture, so no column is taken
    out of it.
    """
    if not group.options.codecs:
        return ""
    path = group.run.folder / _FILE
    if sheet.names is None:
        return f"{path} does not say which codecs it shows, so --codecs leaves it out; {_CURE}"
    chosen = group.options.chosen(curves_of(group.run))
    hidden = [name for label, name in sheet.names.items() if label not in chosen]
    return f"{path} shows {', '.join(hidden)}, too, so --codecs leaves it out; {_CURE}" if hidden else ""


def other_names(sheet: Sheet, group: Group) -> str:
    """A remark on codecs that the paper calls otherwise than the sheet does; empty where there is none."""
    called = {name: group.called(label) for label, name in (sheet.names or {}).items()}
    pairs = [f"{name} is {own} in the tables" for name, own in called.items() if name != own]
    return f"{group.run.folder / _FILE}: {', '.join(pairs)}; {_CURE} under those names" if pairs else ""


def include(sheet: Sheet, group: Group, folder: Path) -> str:
    """Write the sheet into the paper's folder; returns the LaTeX that includes it."""
    file = f"{group.name}-{_FILE}"
    (folder / file).write_bytes(sheet.data)
    caption = (
        f"Decoded images of {escape(group.called(group.run.dataset))} at like bytes, the rate below each, and what a "
        "head finds there."
    )
    width, kind = _WIDE[group.options.columns]
    return floating([rf"\includegraphics[width={width}]{{{file}}}"], caption, f"fig:{group.name}-sheet", kind=kind)
