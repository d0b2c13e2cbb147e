"""The lock of a cache: any number of runs hold it together, and what removes records holds it alone.

It is a lock of the system on the file ``store.lock``, which the system lets go of however a process ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from hsc.errors import ResultsError

_log = logging.getLogger(__name__)


class SharedLock:
    """Held by everyone who has the cache open. It waits while records are being removed, which takes seconds.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, cache: Path) -> None:
        self._file = os.open(lock_file(cache), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.warning("waiting for hsc-bench cache, which is removing records of %s", cache)
            fcntl.flock(self._file, fcntl.LOCK_SH)
        except OSError:  # a file system without locks: a run goes on, and ``alone`` refuses
            pass

    def __enter__(self) -> SharedLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock; a second call does nothing."""
        if self._file >= 0:
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)  # closing is not enough where a forked worker has it open, too
            os.close(self._file)
            self._file = -1


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Hold a cache that nobody else has open.

    Raises:
        ResultsError: somebody has it open, or its file system has no locks.
    """
    file = -1
    try:
        file = os.open(lock_file(cache), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if file >= 0:
            os.close(file)
        if isinstance(error, BlockingIOError):
            message = f"the cache {cache.parent} is in use by a run, so nothing was removed; wait until the run ends"
        else:
            message = f"the cache {cache.parent} cannot be locked: {error.strerror or error}; nothing was removed"
        raise ResultsError(message) from error
    try:
        yield
    finally:
        os.close(file)


def lock_file(cache: Path) -> Path:
    """The file that the locks of a cache are taken on. cache: its database."""
    return cache.with_suffix(".lock")
