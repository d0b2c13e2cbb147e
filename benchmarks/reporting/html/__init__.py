"""The report page: one HTML file a run, made from the run's folder alone, that works from a disk without a network.

scores.csv, comparisons.csv, run.json --load--> Run ------+
gallery.json --read_gallery--> pictures and predictions --+--tables, data of the curves--> report.html
errors.csv, worst.jpg --read_errors--> Errors ------------+
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.reporting.html.document import page
from benchmarks.reporting.html.error_section import read_errors
from benchmarks.reporting.images.gallery_file import read_gallery
from benchmarks.runs.run_folder import load, made_from
from hsc.errors import ResultsError
from hsc.files.atomic_files import write_text

FILE = "report.html"

__all__ = ["FILE", "page_of", "write"]


def page_of(folder: Path) -> str:
    """The page of a run's folder as HTML, whether all of the run was measured or not.

    Raises:
        ResultsError: the folder is not a run's, or a file in it is damaged.
    """
    with made_from(folder):
        # infinite settings, which JSON does not know, are shown as they stand
        return page(load(folder, complete=False, parse_constant=str), read_gallery(folder), read_errors(folder))


def write(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a run's folder, whole or not at all; returns its path. out: by default, into the folder.

    Raises:
        ResultsError: the folder is not a run's, or the page cannot be written.
    """
    path = out or folder / FILE
    text = page_of(folder)
    try:
        write_text(path, text)
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror}; name another with --out") from error
    return path
