"""A run's page, made again from its folder and compared; and notes on all that is not checked.

Versions of this program give pages of different forms, so a page names the version that made it. Pictures of images are
compared with those of gallery.json, and not encoded again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from benchmarks.errors.error_rows import FILE as ERRORS
from benchmarks.reporting.html import FILE as PAGE
from benchmarks.reporting.html import page_of
from benchmarks.reporting.html.document import made_by
from benchmarks.runs import run_json
from benchmarks.runs.advice_rows import FILE as ADVICE
from benchmarks.runs.archive import FILE as STREAMS
from benchmarks.runs.folder_files import exists, from_json, read_text
from benchmarks.runs.records import FILE as RECORDS
from benchmarks.runs.rows import COMPARISONS, SCORES
from benchmarks.runs.run_folder import Run
from benchmarks.verify.check_figures import FIGURES
from benchmarks.verify.verdict import Verdict

_TABLES = ("table.csv", "table.md", "table.tex")
CHECKED = frozenset({run_json.FILE, SCORES, COMPARISONS, ADVICE, *_TABLES, RECORDS, STREAMS, ERRORS, PAGE, *FIGURES})
_NEVER = (
    "times, and that the machine, the packages and the commit were those that run.json names",
    "pixels and labels of the data set, other than by the hashes that run.json keeps",
    "intervals of heads’ scores and of differences, other than that they are possible, unless all streams were kept",
)
"""What no check of a folder covers."""
_PAINTED = ("map", "errors")
_PICTURES = re.compile(r'<script type="application/json" id="gallery-data">(.*?)</script>', re.DOTALL)
_MAX_NAMES = 12
_CONTEXT = 30


def check_page(run: Run) -> Iterator[Verdict]:
    """The page; a note on every file that is not checked, and one on all that no check covers."""
    path = run.folder / PAGE
    if exists(path):
        yield _compared(run, read_text(path))
    names = sorted(name for name in os.listdir(run.folder) if name not in CHECKED and not name.startswith("."))
    if names:
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        yield Verdict("note", "files", f"not checked: {', '.join(names[:_MAX_NAMES])}{more}")
    yield Verdict("note", "not checked", "; ".join(_NEVER))


def _compared(run: Run, written: str) -> Verdict:
    expected = page_of(run.folder)
    if written == expected:
        return Verdict("pass", "page", f"{PAGE} is what the folder gives, letter by letter")
    if made_by() not in written:
        text = f"{PAGE} is not checked: another version of this program made it; hsc-bench report makes it again"
        return Verdict("note", "page", text)
    shown, kept = _pictures(written), _pictures(expected)
    written, expected = (_PICTURES.sub("", text) for text in (written, expected))
    if written == expected and kept is None:  # the run had pictures when the page was made
        text = f"{PAGE} is what the folder gives, except for its pictures, of which the folder has no gallery.json"
        return Verdict("note", "page", text)
    if written == expected and shown == kept:  # other libraries packed the maps that it paints
        text = f"{PAGE} is what the folder gives, except for its painted label maps, which are not checked"
        return Verdict("note", "page", text)
    if written == expected:
        return Verdict("fail", "page", f"{PAGE} shows other pictures or boxes than gallery.json holds")
    letters = enumerate(zip(written, expected, strict=False))
    place = next((k for k, (a, b) in letters if a != b), min(len(written), len(expected)))
    part = slice(max(place - _CONTEXT, 0), place + _CONTEXT)
    text = f"{PAGE} is not what the folder gives: it has ...{written[part]}..., expected ...{expected[part]}..."
    return Verdict("fail", "page", text)


def _pictures(page: str) -> Any:
    """The gallery in a page without its painted maps, which libraries of other versions pack otherwise."""
    match = _PICTURES.search(page)
    try:
        return _unpainted(from_json(match[1])) if match else None
    except ValueError:
        return "damaged"


def _unpainted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: None if key in _PAINTED and isinstance(item, str) else _unpainted(item) for key, item in value.items()
        }
    return [_unpainted(item) for item in value] if isinstance(value, list) else value
