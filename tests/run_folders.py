"""Runs of the test kit written to folders without pictures, and the verdicts of ``hsc-bench verify`` on them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import ScoreRow
from benchmarks.cli.verify import conclusion
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.runs import archive, provenance, records, tables
from benchmarks.verify.verdict import Verdict
from benchmarks.verify.verify import verify

IMAGES = 12
SIZES = (12, 8, 6, 4, 2)


RATE_ROW = ScoreRow(
    cell="c",
    task="detection",
    dataset="squares",
    split="test",
    codec="blocks",
    ladder="",
    point="size=4",
    route="image",
    regime="",
    head="",
    part="",
    seed=0,
    metric="bpp",
    value=0.5,
    low=0.4,
    high=0.6,
    unit="bit/pixel",
    images=6,
)
"""The rate of an operating point, a row to make others from."""


def squares_line(*flags: str, **options: object) -> list[str]:
    """The command line of a run of the test kit's squares, quiet. options: by long name, with underscores."""
    given = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    named = ["--dataset", "squares", "--head", "squares", "--quiet"]
    return [sys.executable, "-m", "benchmarks.run", *named, *flags, *given]


def write_run(
    folder: Path,
    codecs: Sequence[Any] = (),
    head: Any = None,
    dataset: Any = None,
    keep: int = 3,
    task: str = "detection",
    **options: Any,
) -> Path:
    """A run's folder as the command line leaves it, without pictures. options: of ``configure``."""
    codecs = codecs or [Blocks(size) for size in SIZES]
    options = {"resamples": 40, "anchors": ["blocks"], **options}
    config = configure(task, dataset or Squares(IMAGES), codecs, [head or FindSquares()], **options)
    outcome = run(config, cache=folder / "cache", executor=Inline(), keep_streams=keep)
    tables.write(outcome.results, folder)
    records.write(outcome.record_rows, folder)
    if outcome.keeping:
        archive.write(outcome.keeping.kept, folder)
    provenance.write(folder / "run.json", provenance.describe(outcome.plan, 1, "cpu", {}))
    return folder


def judged(folder: Path, *, streams: bool = True, trust: bool = True) -> tuple[int, list[Verdict]]:
    """The exit code, and every verdict."""
    verdicts = list(verify(folder, Inline(), Silent(), streams=streams, trust=trust))
    return conclusion(verdicts, streams)[0], verdicts


def failures(verdicts: Sequence[Verdict]) -> str:
    """All failures, as text."""
    return "\n".join(f"{v.about}: {v.text}" for v in verdicts if v.state == "fail")


def edit(path: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    """Change the lines of a CSV file; lines for which ``change`` gives None go."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(changed for line in lines if (changed := change(line)) is not None)
