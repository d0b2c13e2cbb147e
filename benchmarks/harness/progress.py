"""Progress of long work, shown on stderr; libraries get one that is silent."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from benchmarks.text import one_line


class Progress(Protocol):
    """A display of how far a run has come, stage by stage."""

    def begin(self, stage: str, total: int) -> None:
        """Start a stage of so many images; it ends the one before."""

    def advance(self, cell: str, images: int) -> None:
        """Count images as done. cell: the operating point at work, empty for none."""

    def end(self) -> None:
        """End the stage, and take the display away."""


class Silent:
    """Shows nothing."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self, cell: str, images: int) -> None: ...

    def end(self) -> None: ...


class Bar:
    """A bar with the current cell, count a second and time left; where stderr is no terminal, a line now and then."""

    def __init__(self, every_s: float = 10.0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        columns = (
            "{task.description}",
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            "{task.fields[rate]}",
            TimeElapsedColumn(),
            "left",
        )
        self._bar = RichProgress(
            *(TextColumn(c) if isinstance(c, str) else c for c in columns),
            TimeRemainingColumn(),
            TextColumn("{task.fields[cell]}", markup=False),
            console=self._console,
        )
        self._every_s, self._shown_at, self._start, self._done, self._total, self._stage = every_s, 0.0, 0.0, 0, 0, ""

    def begin(self, stage: str, total: int) -> None:
        self.end()
        self._stage, self._total, self._done, self._start = stage, total, 0, time.monotonic()
        self._shown_at = self._start
        if total and self._console.is_terminal:
            self._task = self._bar.add_task(stage, total=total, rate="", cell="")
            self._bar.start()

    def advance(self, cell: str, images: int) -> None:
        self._done += images
        cell = one_line(cell, 200)  # labels may come from somebody's plug-in
        elapsed = time.monotonic() - self._start
        rate = f"{self._done / max(elapsed, 1e-9):.1f}/s"
        if self._console.is_terminal:
            self._bar.update(self._task, advance=images, rate=rate, cell=cell)
        elif time.monotonic() - self._shown_at >= self._every_s or self._done == self._total:
            self._shown_at = time.monotonic()
            left = elapsed / self._done * (self._total - self._done)
            sys.stderr.write(f"{self._stage}: {self._done}/{self._total}, {rate}, {left:.0f} s left {cell}\n")
            sys.stderr.flush()

    def end(self) -> None:
        if self._console.is_terminal and self._total:
            self._bar.stop()
            self._bar.remove_task(self._task)
            self._total = 0
