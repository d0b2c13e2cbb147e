"""A run's page, made again from its folder and compared; and a note on the files that are not checked.

Versions of this program give pages of different forms, so a page names the version that made it. Figures and pictures
are not drawn again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from benchmarks.reporting.html import FILE as PAGE
from benchmarks.reporting.html import page_of
from benchmarks.reporting.html.document import made_by
from benchmarks.runs import run_json
from benchmarks.runs.archive import FILE as STREAMS
from benchmarks.runs.folder_files import exists, read_text
from benchmarks.runs.records import FILE as RECORDS
from benchmarks.runs.rows import COMPARISONS, SCORES
from benchmarks.runs.run_folder import Run
from benchmarks.verify.verdict import Verdict

CHECKED = frozenset({run_json.FILE, SCORES, COMPARISONS, "table.csv", "table.md", "table.tex", RECORDS, STREAMS, PAGE})
_PICTURES = re.compile(r'<script type="application/json" id="gallery-data">.*?</script>', re.DOTALL)
_MAX_NAMES = 12
_CONTEXT = 30


def check_page(run: Run) -> Iterator[Verdict]:
    """The page, and a note on every file that is not checked."""
    path = run.folder / PAGE
    if exists(path):
        yield _compared(run, read_text(path))
    names = sorted(name for name in os.listdir(run.folder) if name not in CHECKED and not name.startswith("."))
    if names:
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        yield Verdict("note", "figures", f"not checked: {', '.join(names[:_MAX_NAMES])}{more}")


def _compared(run: Run, written: str) -> Verdict:
    expected = page_of(run.folder)
    if written == expected:
        return Verdict("pass", "page", f"{PAGE} is what the folder gives, letter by letter")
    written, expected = (_PICTURES.sub("", text) for text in (written, expected))
    if written == expected:  # the run had pictures when the page was made, or other libraries packed them
        return Verdict(
            "note", "page", f"{PAGE} is what the folder gives, except for its pictures, which are not checked"
        )
    if made_by() not in written:
        text = f"{PAGE} is not checked: another version of this program made it; hsc-bench report makes it again"
        return Verdict("note", "page", text)
    letters = enumerate(zip(written, expected, strict=False))
    place = next((k for k, (a, b) in letters if a != b), min(len(written), len(expected)))
    part = slice(max(place - _CONTEXT, 0), place + _CONTEXT)
    text = f"{PAGE} is not what the folder gives: it has ...{written[part]}..., expected ...{expected[part]}..."
    return Verdict("fail", "page", text)
