"""The progress of a search, in whose stages the step of the search stands, and the time that is left for it."""

from __future__ import annotations

import time

from benchmarks.harness.progress import Progress


class Steps:
    """A progress that names each stage after the step that it belongs to.

    deadline: of ``time.monotonic``, by which the search ends; None for none.
    """

    def __init__(self, progress: Progress, deadline: float | None) -> None:
        self._progress, self._deadline, self._step = progress, deadline, ""

    def step(self, name: str) -> None:
        """Begin a step."""
        self._step = name

    def begin(self, stage: str, total: int) -> None:
        left = f" (search: at most {_minutes(self._deadline - time.monotonic())} left)" if self._deadline else ""
        self._progress.begin(f"{self._step}, {stage}{left}" if self._step else stage, total)

    def advance(self, cell: str, images: int) -> None:
        self._progress.advance(cell, images)

    def end(self) -> None:
        self._progress.end()


def _minutes(seconds: float) -> str:
    """A time for people.

    >>> _minutes(200), _minutes(59.6), _minutes(-3)
    ('3 min 20 s', '1 min 0 s', '0 s')
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
