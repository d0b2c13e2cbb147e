"""Tables for people, made again from ``scores.csv`` and ``comparisons.csv`` and compared letter by letter."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.runs.folder_files import exists, read_text
from benchmarks.runs.notices import notices_of
from benchmarks.runs.rows import COMPARISONS, SCORES
from benchmarks.runs.run_folder import Run
from benchmarks.runs.tables import texts
from benchmarks.verify.verdict import Verdict, verdicts

_CONTEXT = 20


def check_tables(run: Run) -> Iterator[Verdict]:
    """The tables for people are what the scores and comparisons give, letter by letter."""
    wrong, count = [], 0
    for name, text in texts(run.results, notices_of(run.about)).items():
        file = run.folder / name
        if name not in (SCORES, COMPARISONS) and exists(file):
            count += 1
            if (written := read_text(file)) != text:
                place = _first_mismatch(written, text)
                wrong.append(f"{name} is not what {SCORES} and {COMPARISONS} give{place}")
    yield from verdicts("tables", wrong, f"{count} tables are what {SCORES} and {COMPARISONS} give, letter by letter")


def _first_mismatch(written: str, expected: str) -> str:
    lines = zip(written.splitlines(), expected.splitlines(), strict=False)
    for number, (line, expected_line) in enumerate(lines, 1):
        if line != expected_line:
            letters = enumerate(zip(line, expected_line, strict=False))
            column = next((k for k, (a, b) in letters if a != b), min(len(line), len(expected_line)))
            part = slice(max(column - _CONTEXT, 0), column + _CONTEXT)
            return f": line {number} has ...{line[part]}..., expected ...{expected_line[part]}..."
    return ": one of them is longer"
