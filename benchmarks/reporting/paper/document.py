"""A folder with everything for a paper, written whole or not at all: tables, figures, contact sheets, methods, and a
document that inputs them.

runs --groups--> per run and regime: rates, bjontegaard, operating points, curves --+
runs --> methods, settings, references.bib     sheet.jpg --> contact sheet     references --> table --+--> main.tex
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reporting.figures.codec_styles import Style, styles_of
from benchmarks.reporting.paper.bjontegaard import anchors, bd_tables
from benchmarks.reporting.paper.citations import FILE as BIBLIOGRAPHY
from benchmarks.reporting.paper.citations import Bibliography
from benchmarks.reporting.paper.figures import draw
from benchmarks.reporting.paper.group import Group, curves_of, groups
from benchmarks.reporting.paper.latex import escape, slug
from benchmarks.reporting.paper.methods import methods
from benchmarks.reporting.paper.operating_points import points_table
from benchmarks.reporting.paper.paper_options import DEFAULTS, PaperOptions
from benchmarks.reporting.paper.published import overlays, published_table
from benchmarks.reporting.paper.published_references import Reference
from benchmarks.reporting.paper.rates import MISSING, rates_table
from benchmarks.reporting.paper.settings import APPENDIX, settings
from benchmarks.reporting.paper.sheet import Sheet, include, other_names, sheet_of, why_left_out
from benchmarks.runs.run_folder import Run, made_from
from hsc.errors import ResultsError, UsageError

_PREAMBLE = r"""% Made by hsc-bench paper; compile with pdflatex, bibtex and twice pdflatex, or with latexmk.
% In a document of your own the parts need the packages array, booktabs, graphicx and longtable, the entries of
% references.bib, and one column for the tables that run over pages.
\documentclass[10pt,twocolumn]{article}
\usepackage[margin=2cm]{geometry}
\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}
\usepackage{array,booktabs,graphicx,longtable}
\setlength{\LTcapwidth}{\textwidth}
\emergencystretch=2em
\begin{document}
"""


@dataclass
class _Parts:
    """Files of the document, in the order in which main.tex inputs them. remarks: for the user."""

    folder: Path
    options: PaperOptions
    body: list[str] = field(default_factory=list)
    appendix: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, where: list[str], name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        where.append(rf"\input{{{name.removesuffix('.tex')}}}")


def write(
    runs: Sequence[Run],
    out: Path,
    references: Sequence[Reference] = (),
    overwrite: bool = False,
    options: PaperOptions = DEFAULTS,
) -> list[str]:
    """Make the folder ``out``; returns remarks for the user.

    Raises:
        UsageError: no run was given, one twice, ``out`` is a run's folder, or the options name what no run has.
        ResultsError: a run has no head's scores, its sheet is damaged, or ``out`` holds files and is not to be
        overwritten, or cannot be written.
    """
    _check(runs, out, overwrite)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".part-") as part:
            with made_from(", ".join(str(run.folder) for run in runs)):
                remarks = _make(runs, Path(part), references, options)
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


def _make(runs: Sequence[Run], folder: Path, references: Sequence[Reference], options: PaperOptions) -> list[str]:
    parts, all_groups = _Parts(folder, options), groups(runs, options)
    for run in runs:
        if not any(group.run is run for group in all_groups):
            raise ResultsError(f"the run in {run.folder} has no head's scores, so there is nothing to put in a table")
    sheets = {id(run): sheet_of(run) for run in runs}
    styles = _styles(all_groups)
    bibliography = Bibliography(_suite(runs))
    if not options.only:
        parts.add(parts.body, "methods.tex", methods(all_groups, bibliography))
    for group in all_groups:
        _group(parts, group, references, styles)
    for group in {id(group.run): group for group in all_groups}.values():
        if (sheet := sheets[id(group.run)]) is not None and options.wants("figure", "sheet"):
            _sheet(parts, group, sheet)
    if references and options.wants("table", "published"):
        parts.add(parts.body, "published.tex", published_table(references))
    parts.remarks += _idle(references, all_groups)
    if options.only:
        _require_something(parts)
    else:
        parts.add(parts.appendix, "settings.tex", settings(all_groups))
        parts.remarks += bibliography.remarks()
        (folder / BIBLIOGRAPHY).write_text(bibliography.text(), encoding="utf-8")
    (folder / "main.tex").write_text(_main(parts), encoding="utf-8")
    return parts.remarks


def _main(parts: _Parts) -> str:
    """The document that inputs all parts."""
    if parts.options.only:
        apart = [r"\clearpage", r"\onecolumn", *parts.appendix] if parts.appendix else []
        return _PREAMBLE + "\n".join([*parts.body, *apart, r"\end{document}", ""])
    *points, details = parts.appendix
    lines = [
        rf"\section{{Methods}}{parts.body[0]}",
        r"\section{Results}",
        *parts.body[1:],
        r"\bibliographystyle{plain}",
        rf"\bibliography{{{BIBLIOGRAPHY.removesuffix('.bib')}}}",
        r"\clearpage",
        r"\appendix",
        rf"\section{{Settings}}\label{{{APPENDIX}}}{details}",
        r"\clearpage",
        r"\onecolumn",
        r"\section{Operating points}",
        *points,
        r"\end{document}",
        "",
    ]
    return _PREAMBLE + "\n".join(lines)


def _styles(all_groups: Sequence[Group]) -> dict[str, Style]:
    """The style of each codec by the name under which it is shown: that of its label, whatever else is shown."""
    labels = dict.fromkeys(label for group in all_groups for label in curves_of(group.run))
    by_label = styles_of(labels)
    return {group.called(label): by_label[label] for group in all_groups for label in curves_of(group.run)}


def _suite(runs: Sequence[Run]) -> str:
    """The versions and commits of this suite that measured the runs."""
    made = []
    for environment in (run.about["environment"] for run in runs):
        version, commit = environment.get("packages", {}).get("hsc-bench"), environment.get("commit")
        texts = [f"version {version}" if version else "", f"commit {str(commit)[:12]}" if commit else ""]
        made.append(", ".join(filter(None, texts)))
    return "; ".join(dict.fromkeys(filter(None, made))).capitalize()


def _idle(references: Sequence[Reference], all_groups: Sequence[Group]) -> list[str]:
    """A remark for each reference that no figure draws."""
    metrics = {metric for group in all_groups for metric in group.metrics}
    idle = [r.name for r in references if not any(overlays([r], metric) for metric in metrics)]
    return [
        f"the reference {name} has no score that a figure of these runs draws; it stands in its table alone"
        for name in idle
    ]


def _require_something(parts: _Parts) -> None:
    if parts.body or parts.appendix:
        return
    asked = ", ".join(f"{kind} {name}" for kind, name in parts.options.only)
    why = "; ".join(parts.remarks) or "published needs --reference, a sheet needs sheet.jpg in the run's folder"
    raise UsageError(f"--only {asked}: these runs have none ({why})")


def _group(parts: _Parts, group: Group, references: Sequence[Reference], styles: Mapping[str, Style]) -> None:
    shown, options = [], parts.options
    if options.wants("table", "rates"):
        if text := rates_table(group):
            shown.append(("scores at equal rates", [group.label("tab", "rates")]))
            parts.add(parts.body, group.file("rates"), text)
        else:
            parts.remarks.append(
                f"{group.run.folder}: no table at equal rates for {group.regime} heads, since the run {MISSING}"
            )
    if options.wants("table", "bd") and (tables := bd_tables(group)):
        parts.add(parts.body, group.file("bd"), "\n".join(tables))
        labels = [group.label("tab", f"bd-{slug(group.called(anchor))}") for anchor in anchors(group)]
        shown.append(("Bjontegaard differences", labels))
    shown += [("curves", [group.label("fig", "curves")]), ("every operating point", [group.label("tab", "points")])]
    if not options.only:
        parts.body.append(_guide(group, shown))
    if options.wants("figure", "curves"):
        parts.add(parts.body, group.file("curves"), draw(group, parts.folder, styles, references))
    if options.wants("table", "points"):
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


def _sheet(parts: _Parts, group: Group, sheet: Sheet) -> None:
    """The contact sheet of a run, unless it shows what the paper leaves out."""
    if reason := why_left_out(sheet, group):
        parts.remarks.append(reason)
        return
    parts.add(parts.body, f"{group.name}-sheet.tex", include(sheet, group, parts.folder))
    parts.remarks += filter(None, [other_names(sheet, group)])
