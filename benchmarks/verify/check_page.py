"""A run's page made anew from its folder and compared; and what of the folder nothing is compared with.

Pages of another version of this code differ in form, so a page says by which it was made. Figures and pictures are not
drawn again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from benchmarks.reporting.html import FILE as PAGE
from benchmarks.reporting.html import run_files
from benchmarks.reporting.html.document import made_by, page
from benchmarks.runs.archive import FILE as STREAMS
from benchmarks.runs.folder_files import exists, read_text
from benchmarks.runs.records import FILE as RECORDS
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.verify.verdict import Verdict

CHECKED = frozenset({"run.json", "rows.csv", "table.csv", "table.md", "table.tex", RECORDS, STREAMS, PAGE})
_PICTURES = re.compile(r'<script type="application/json" id="gallery-data">.*?</script>', re.DOTALL)
_SHOWN = 12


def page_check(run: RunFolder) -> Iterator[Verdict]:
    """The page, and a note on all that is not checked."""
    path = run.path / PAGE
    if exists(path):
        yield _compared(run, read_text(path))
    names = sorted(name for name in os.listdir(run.path) if name not in CHECKED and not name.startswith("."))
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield Verdict("note", "figures", f"not checked: {', '.join(names[:_SHOWN])}{more}")


def _compared(run: RunFolder, written: str) -> Verdict:
    made = page(run_files.read(run.path))
    if written == made:
        return Verdict("holds", "page", f"{PAGE} is what the folder gives, letter by letter")
    written, made = (_PICTURES.sub("", text) for text in (written, made))
    if written == made:  # pictures were there when the page was made, or other libraries packed them
        return Verdict("note", "page", f"{PAGE} is what the folder gives, but for its pictures, which are not checked")
    if made_by() not in written:
        return Verdict(
            "note",
            "page",
            f"{PAGE} is not checked: another version of this program made it; python -m benchmarks.report makes it "
            f"anew",
        )
    place = next(
        (k for k, (one, other) in enumerate(zip(written, made, strict=False)) if one != other),
        min(len(written), len(made)),
    )
    told, expected = (text[max(place - 30, 0) : place + 30] for text in (written, made))
    return Verdict(
        "differs", "page", f"{PAGE} is not what the folder gives: it has ...{told}..., expected ...{expected}..."
    )
