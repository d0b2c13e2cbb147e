"""The report page: one HTML file a run, made from the run's folder alone, that works from a disk without a network.

rows.csv, run.json, gallery.json --read--> RunFiles --tables, curves' numbers, pictures--> report.html
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.reporting.html.document import page
from benchmarks.reporting.html.run_files import read
from benchmarks.runs.run_folder import made_from
from hsc.errors import ResultsError
from hsc.files.atomic_files import write_text

FILE = "report.html"

__all__ = ["FILE", "write"]


def write(folder: Path, out: Path | None = None) -> Path:
    """Make a run's page from its folder, whole or not at all; returns its path. out: where it goes, by default into the
    folder.

    Raises:
        ResultsError: the folder is not a run's, or the page cannot be written.
    """
    path = out or folder / FILE
    with made_from(folder):
        text = page(read(folder))
    try:
        write_text(path, text)
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror}; name another with --out") from error
    return path
