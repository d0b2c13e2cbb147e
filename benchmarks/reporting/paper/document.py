"""A folder with everything for a paper, written whole or not at all: tables, figures, contact sheets, methods, and a
document that inputs them.

runs --groups--> per run and regime: rates, bjontegaard, operating points, curves --+
runs --> methods          sheet.jpg --> contact sheet      references --> table -----+--> main.tex
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.imaging.image_arrays import check_size
from benchmarks.reporting.figures.codec_styles import Style, styles_of
from benchmarks.reporting.paper.bjontegaard import anchors, bd_tables
from benchmarks.reporting.paper.figures import draw
from benchmarks.reporting.paper.group import Group, groups
from benchmarks.reporting.paper.latex import escape, floating, slug
from benchmarks.reporting.paper.methods import methods
from benchmarks.reporting.paper.operating_points import points_table
from benchmarks.reporting.paper.published import overlays, published_table
from benchmarks.reporting.paper.published_references import Reference
from benchmarks.reporting.paper.rates import MISSING, rates_table
from benchmarks.runs.folder_files import exists, read_bytes
from benchmarks.runs.run_folder import Run, made_from
from hsc.errors import ResultsError, UsageError

_PREAMBLE = r"""% Made by hsc-bench paper; compile with pdflatex or any other engine. In another document the parts
% need the packages array, booktabs, graphicx and longtable, and one column for tables that run over pages.
\documentclass[10pt,twocolumn]{article}
\usepackage[margin=2cm]{geometry}
\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}
\usepackage{array,booktabs,graphicx,longtable}
\setlength{\LTcapwidth}{\textwidth}
\emergencystretch=2em
\begin{document}
"""
_SHEET = "sheet.jpg"


@dataclass
class _Parts:
    """Files of the document, in the order in which main.tex inputs them. remarks: for the user."""

    folder: Path
    body: list[str] = field(default_factory=list)
    appendix: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, where: list[str], name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        where.append(rf"\input{{{name.removesuffix('.tex')}}}")


def write(runs: Sequence[Run], out: Path, references: Sequence[Reference] = (), overwrite: bool = False) -> list[str]:
    """Make the folder ``out``; returns remarks for the user.

    Raises:
        UsageError: no run was given, one twice, or ``out`` is a run's folder.
        ResultsError: a run has no head's scores, its sheet is damaged, or ``out`` holds files and is not to be
        overwritten, or cannot be written.
    """
    _check(runs, out, overwrite)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".part-") as part:
            with made_from(", ".join(str(run.folder) for run in runs)):
                remarks = _make(runs, Path(part), references)
            for file in sorted(Path(part).iterdir()):
                file.replace(out / file.name)
    except OSError as error:
        raise ResultsError(
            f"the folder {out} cannot be written: {error.strerror or error}; name another with --out"
        ) from error
    return remarks


def _check(runs: Sequence[Run], out: Path, overwrite: bool) -> None:
    folders = [run.folder.resolve() for run in runs]
    if not runs:
        raise UsageError("no run was given; name at least one folder that hsc-bench run wrote")
    if twice := next((folder for n, folder in enumerate(folders) if folder in folders[:n]), None):
        raise UsageError(f"the run {twice.name} was given twice; name each run once")
    if out.resolve() in folders:
        raise UsageError(f"--out {out} is the folder of a run; name another, so that results and paper stay apart")
    if out.exists() and not out.is_dir():
        raise ResultsError(f"--out {out} is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ResultsError(
            f"the folder {out} holds files already; give --overwrite to write over them, or name another with --out"
        )


def _make(runs: Sequence[Run], folder: Path, references: Sequence[Reference]) -> list[str]:
    parts, all_groups = _Parts(folder), groups(runs)
    for run in runs:
        if not any(group.run is run for group in all_groups):
            raise ResultsError(f"the run in {run.folder} has no head's scores, so there is nothing to put in a table")
    sheets = {id(run): _sheet_of(run) for run in runs}
    styles = styles_of(codec for group in all_groups for codec in group.codecs)
    parts.add(parts.body, "methods.tex", methods(all_groups))
    for group in all_groups:
        _group(parts, group, references, styles)
    for run, name in {id(group.run): (group.run, group.name) for group in all_groups}.values():
        if (sheet := sheets[id(run)]) is not None:
            _sheet(parts, run, name, sheet)
    if references:
        parts.add(parts.body, "published.tex", published_table(references))
        idle = [
            r.name
            for r in references
            if not any(overlays([r], metric) for group in all_groups for metric in group.metrics)
        ]
        parts.remarks += [
            f"the reference {name} has no score that a figure of these runs draws; it stands in its table alone"
            for name in idle
        ]
    sections = [rf"\section{{Methods}}{parts.body[0]}", r"\section{Results}", *parts.body[1:]]
    end = [
        r"\clearpage",
        r"\onecolumn",
        r"\appendix",
        r"\section{Operating points}",
        *parts.appendix,
        r"\end{document}",
        "",
    ]
    (folder / "main.tex").write_text(_PREAMBLE + "\n".join([*sections, *end]), encoding="utf-8")
    return parts.remarks


def _group(parts: _Parts, group: Group, references: Sequence[Reference], styles: Mapping[str, Style]) -> None:
    shown = []
    text = rates_table(group)
    if text:
        shown.append(("scores at equal rates", [group.label("tab", "rates")]))
        parts.add(parts.body, group.file("rates"), text)
    else:
        parts.remarks.append(f"{group.run.folder}: no table at equal rates, since the run {MISSING}")
    if tables := bd_tables(group):
        parts.add(parts.body, group.file("bd"), "\n".join(tables))
    shown += (
        [("Bjontegaard differences", [group.label("tab", f"bd-{slug(anchor)}") for anchor in anchors(group)])]
        if tables
        else []
    )
    shown += [("curves", [group.label("fig", "curves")]), ("every operating point", [group.label("tab", "points")])]
    parts.body.append(_guide(group, shown))
    parts.add(parts.body, group.file("curves"), draw(group, parts.folder, styles, references))
    parts.add(parts.appendix, group.file("points"), points_table(group))


def _guide(group: Group, shown: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A sentence that leads to the group's tables and figures."""
    places = (
        f"{what} in {'Figure' if labels[0].startswith('fig') else 'Table' if len(labels) == 1 else 'Tables'}~"
        + ", ".join(rf"\ref{{{label}}}" for label in labels)
        for what, labels in shown
    )
    return (
        rf"\paragraph{{{escape(group.run.about['task']['name'])}, {escape(group.regime)} heads.}} On {group.where}: "
        rf"{'; '.join(places)}." + "\n"
    )


def _sheet(parts: _Parts, run: Run, name: str, sheet: bytes) -> None:
    """The run's contact sheet, with the LaTeX that includes it."""
    file = f"{name}-sheet.jpg"
    (parts.folder / file).write_bytes(sheet)
    caption = (
        f"Decoded images of {escape(run.dataset)} at like bytes, the rate below each, and the objects that a head "
        f"finds there."
    )
    text = floating([rf"\includegraphics[width=\textwidth]{{{file}}}"], caption, f"fig:{name}-sheet", kind="figure*")
    parts.add(parts.body, f"{name}-sheet.tex", text)


def _sheet_of(run: Run) -> bytes | None:
    """A run's contact sheet as JPEG, None where it has none; refused where it cannot be read."""
    import PIL.Image

    path = run.folder / _SHEET
    if not exists(path):
        return None
    data = read_bytes(path)
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            check_size(picture.size[1], picture.size[0], _SHEET)
            picture.load()
    except Exception as error:  # Pillow raises what it likes on damaged files, and warns of large ones
        raise ResultsError(
            f"the sheet {path} is damaged: {error}; make it again with hsc-bench contact-sheet, or take it away"
        ) from error
    return data
