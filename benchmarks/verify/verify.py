"""Whether a run's table still holds: ``python -m benchmarks.verify results/reference/detection``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.runs.verify_folder import read
from benchmarks.verify.check_records import attempted, recount
from benchmarks.verify.check_streams import reread
from benchmarks.verify.verdict import Verdict


def verify(
    folder: Path, executor: Executor, progress: Progress, *, streams: bool = True, trust: bool = False
) -> Iterator[Verdict]:
    """Every verdict on a run's folder, as it comes. trust: whether programs and models that the folder names may be
    run.

    Raises:
        ResultsError: the folder is not one, or is damaged.
    """
    run = read(folder)
    yield from recount(run)
    if not streams:
        return
    try:
        yield from attempted("streams", reread(run, executor, progress, trust))
    finally:
        progress.end()
