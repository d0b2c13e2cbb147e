"""Requests to stop a run, kept apart from a plug-in that raises ``KeyboardInterrupt`` by itself.

with listened():      SIGINT and SIGTERM are noted, then raise Stopped wherever the process is
    ...
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_asked: list[int] = []
_listening: list[bool] = []


class Stopped(KeyboardInterrupt):
    """The process was asked to stop. number: the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


def listening() -> bool:
    """Whether signals are noted, so that an interrupt without one is a plug-in's."""
    return bool(_listening)


def stop_if_asked() -> None:
    """Stop after all, where a plug-in has swallowed the interrupt of a signal that came.

    Raises:
        Stopped: a signal came.
    """
    if _asked:
        raise Stopped(_asked[0])


@contextlib.contextmanager
def listened() -> Iterator[None]:
    """Note SIGINT and SIGTERM and raise ``Stopped`` on them; the handlers before come back when the block ends.

    Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note) for number in (signal.SIGINT, signal.SIGTERM)}
    _listening.append(True)
    try:
        yield
    finally:
        _listening.pop()
        _asked.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def deaf() -> None:
    """Leave interrupts to the parent process from now on, so that every ``KeyboardInterrupt`` here is a plug-in's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _listening.append(True)


def _note(number: int, frame: FrameType | None) -> None:
    again = bool(_asked)
    _asked.append(number)
    if not again:  # a second one does not interrupt the cleaning up after the first
        raise Stopped(number)
